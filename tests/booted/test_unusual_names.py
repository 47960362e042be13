"""Accounts of unusual names, as directory services and old hands give them: read right by all that reads a
host.

Judged by ssh and sudo.
"""

from __future__ import annotations

import json

import pytest

from tests.booted.booted import BootedHost
from tests.booted.test_leavers import PREPARE, SSH

pytestmark = pytest.mark.booted

NAMES = (
    *("first.last", "Agent", "svc$", "bob@corp.example", "CORP\\eve", "12345", "domain users", "ünal", "_x"),
    "averyveryverylongusernamethatgoesbeyondthirtytwo",
)
FIRST_UID = 3001
ROOTS = {"bob@corp.example", "CORP\\eve", "12345", "domain users", "svc$", "first.last"}
SUDOERS = r"""
%domain\ admins ALL=(ALL) NOPASSWD: ALL
CORP\\other ALL=(ALL) NOPASSWD: ALL
#3001 ALL=(ALL) NOPASSWD: ALL
svc$ ALL=(ALL) NOPASSWD: ALL
12345 ALL=(root) NOPASSWD: ALL
"domain users" ALL=(ALL) NOPASSWD: ALL
Agent ALL=(CORP\\eve) NOPASSWD: /usr/bin/id
"""
UNITS = {"num": "3004", "back": "CORP\\\\eve", "at": "bob@corp.example", "digits": "12345"}
CRON = "* * * * * CORP\\eve true\n* * * * * bob@corp.example true\n* * * * * 12345 true\n"
LOGROTATE = '/var/log/odd.log {\n  weekly\n  su 3004 3001\n  create 0640 CORP\\eve "domain users"\n}\n'
KEEP = """
mkdir -p "$1/.ssh" /var/lib/systemd/linger
cp /root/key.pub "$1/.ssh/authorized_keys"
chmod 0700 "$1" "$1/.ssh"
chown -R "$3:$3" "$1"
echo "* * * * * true" > "/var/spool/cron/crontabs/$2"
chown "$3" "/var/spool/cron/crontabs/$2"
touch "/var/lib/systemd/linger/$2"
"""


def _people(host: BootedHost) -> None:
    """The accounts, each with a key, a crontab and lingering; a group with a blank in its name."""
    numbered = [(name, str(FIRST_UID + at), f"/home/{at}") for at, name in enumerate(NAMES)]
    lines = {
        "passwd": [f"{name}:x:{uid}:{uid}:{name}, at work:{home}:/bin/bash" for name, uid, home in numbered],
        "group": [
            *(f"{name}:x:{uid}:" for name, uid, _ in numbered),
            "domain admins:x:4001:CORP\\eve,bob@corp.example",
        ],
        "shadow": [f"{name}:*:19000:0:99999:7:::" for name, *_ in numbered],
        "gshadow": [*(f"{name}:!::" for name, *_ in numbered), "domain admins:!::CORP\\eve,bob@corp.example"],
    }
    for file, added in lines.items():
        path = f"/etc/{file}"
        host.write(
            path,
            host.read(path) + "".join(f"{line}\n" for line in added),
            "0640" if "shadow" in file else "0644",
        )
    for name, uid, home in numbered:
        host.run("sh", "-c", KEEP, "keep", home, name, uid)
    host.write("/etc/sudoers.d/odd", SUDOERS, "0440")
    host.write("/etc/cron.d/odd", CRON)
    host.write("/etc/logrotate.d/odd", LOGROTATE)
    for unit, user in UNITS.items():
        host.write(
            f"/etc/systemd/system/{unit}.service", f"[Service]\nUser={user}\nExecStart=/bin/sleep inf\n"
        )
    host.run("systemctl", "daemon-reload")


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_names_are_read_as_the_system_reads_them(suite: str) -> None:
    """Access says of each account what ssh and sudo do; import leaves them out by name, and its spec is as
    the host is.
    """
    with BootedHost(suite=suite) as host:
        host.run("sh", "-c", PREPARE, check=False)
        _people(host)
        host.write("/root/e.yaml", "version: 1\nhost: testhost\nusers: {zoe: {}}\n")
        rows = json.loads(host.reconciler("access", "/root/e.yaml", "--json").stdout)
        text = json.dumps(rows, ensure_ascii=False)
        shown = host.reconciler("access", "--to", "root", "/root/e.yaml").stdout
        for name in NAMES:
            sudo = host.run("runuser", "-u", name, "--", "sudo", "-n", "id", "-u", check=False).stdout.strip()
            assert (name in ROOTS) == ("0" == sudo), name
            assert (name in ROOTS) == any(line.startswith(f"{name}  ") for line in shown.splitlines()), (
                name,
                shown,
            )
            assert json.dumps(name, ensure_ascii=False) in text, name
            assert 0 == host.run(*SSH, "-l", name, "127.0.0.1", "true", check=False).returncode, name
        for command in (
            ("doctor",),
            ("status", "/root/e.yaml"),
            ("snapshot", "--out", "/root/s.json"),
            ("import", "--system"),
        ):
            done = host.reconciler(*command, check=False)
            assert "internal error" not in done.stdout + done.stderr, command
            assert 1 != done.returncode, done.stdout + done.stderr
        imported = host.reconciler("import", "--system").stdout
        host.write("/root/i.yaml", imported)
        assert "No changes" in host.reconciler("plan", "/root/i.yaml").stdout
        for name in NAMES:
            assert name in imported.partition("# Not imported")[2], name
        assert 0 == host.reconciler("apply", "/root/e.yaml", "--auto-approve").returncode
        assert host.getent("passwd", "zoe")
        assert all(f"\n{name}:x:" in host.read("/etc/passwd") for name in NAMES)
