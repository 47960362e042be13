"""`audit --fix-spec` on a booted Debian: what it proposes is valid, mends the findings, and shuts nobody out."""

from __future__ import annotations

import pytest

from tests.audit.planted import planted
from tests.booted.booted import BootedHost
from tests.booted.test_audit import audited, before, plant

pytestmark = [pytest.mark.timeout(600)]

MENDED = (
    "account-expired-keys",
    "account-gid-0",
    "account-group",
    "account-system-shell",
    "account-unused",
    "cron-allow",
    "group-root",
    "home-readable",
    "home-writable",
    "journal-volatile",
    "password-empty",
    "routing-redirects",
    "routing-reverse-path",
    "routing-source-routes",
    "routing-syn-cookies",
    "ssh-algorithms",
    "ssh-attempts",
    "ssh-host-based",
    "ssh-pam",
    "ssh-password-authentication",
    "ssh-root-login",
    "ssh-strict-modes",
    "ssh-user-environment",
    "ssh-x11",
    "sudo-log",
    "sudo-terminal",
    "updates-unattended",
    "world-writable-directories",
)
"""Checks whose planted fault a spec can mend."""
SPEC = "# The host.\nversion: 1\nhost: testhost\n\nfiles:\n  /etc/marker: {content: hello, mode: '0644'}  # for all\n"
ADMINISTRATOR = """
useradd --create-home --shell /bin/bash --groups sudo admin
echo admin:Longer-Than-Most-9 | chpasswd
mkdir -m 0700 /home/admin/.ssh
chown admin: /home/admin/.ssh
echo 'PasswordAuthentication yes' > /etc/ssh/sshd_config.d/50-mine.conf
"""
_KEYS = """
ssh-keygen -q -t ed25519 -N '' -f /root/key
install -o admin -m 0600 /root/key.pub /home/admin/.ssh/authorized_keys
"""
_AWAY = """
systemctl start ssh
chage --lastday 2020-01-01 admin
"""
_PUT_BACK = """
userdel --remove admin
rm /etc/ssh/sshd_config.d/50-mine.conf
install -D -m 0600 /root/key.pub /root/.ssh/authorized_keys
"""


def test_what_is_proposed_mends_the_findings() -> None:
    """Planted faults of many checks: the diff is written to the spec, applied, and these checks pass.

    The one administrator is not shut out: without a key the password stays, and nobody who is the last to
    become root is disabled.
    """
    faults = [planted()[name] for name in MENDED]
    packages = sorted({package for fault in faults for package in fault.packages})
    with BootedHost(packages=packages) as host:
        host.write("/root/host.yaml", SPEC, "0640")
        host.run("/bin/sh", "-euc", ADMINISTRATOR)
        fix = ("audit", "--fix-spec", "/root/host.yaml")
        without_key = host.reconciler(*fix, "--only", "ssh-password-authentication")
        host.run("/bin/sh", "-euc", _KEYS + planted()["account-unused"].before + _AWAY)
        last = host.reconciler(*fix, "--only", "account-unused")
        host.run("/bin/sh", "-euc", _PUT_BACK)

        before(host, faults)
        plant(host, faults)
        only = [word for name in MENDED for word in ("--only", name)]
        faulty = audited(host, "/root/host.yaml", *only)
        shown = host.reconciler(*fix, *only, check=False)
        unwritten = host.read("/root/host.yaml")
        written = host.reconciler(*fix, *only, "--write")
        text = host.read("/root/host.yaml")
        mode = host.run("stat", "--format=%a", "/root/host.yaml").stdout.strip()
        host.reconciler("plan", "/root/host.yaml")
        host.reconciler("apply", "/root/host.yaml", "--auto-approve")
        mended = audited(host, "/root/host.yaml", *only)
        in_force = host.run("sysctl", "--values", "net.ipv4.tcp_syncookies").stdout.strip()
        settled = host.reconciler("plan", "/root/host.yaml", "--detailed-exitcode", check=False)

    assert "1 finding that no line of a spec mends" in without_key.stderr
    assert without_key.stdout == last.stdout == ""
    assert "not proposed: account-unused admin: 1 account can log in by SSH key" in last.stderr
    assert set(MENDED) == {row["id"] for row in faulty["checks"] if row["status"] == "fail"}
    assert shown.returncode == 2
    assert shown.stdout == written.stdout
    assert unwritten == SPEC
    assert text.startswith(SPEC)
    assert mode == "640"
    assert [row for row in mended["checks"] if row["status"] == "fail"] == []
    assert in_force == "1"
    assert settled.returncode == 0, settled.stdout
