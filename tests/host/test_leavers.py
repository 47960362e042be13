"""People who leave a real Debian: what they could use is gone or shut, judged by ssh, passwd, chage, loginctl, crontab and atq."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.host.booted import BootedHost

pytestmark = pytest.mark.booted

SPEC = "/root/host.yaml"
PACKAGES = ("at", "libpam-systemd", "libnss-extrausers")
HEAD = "version: 1\nhost: testhost\n"
SSH = ("ssh", "-i", "/root/key", "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR")
PREPARE = """
set -e
mkdir -p /root/.ssh /run/sshd /etc/ssh/keys
ssh-keygen -q -t ed25519 -N "" -f /root/key
echo "AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/keys/%u" > /etc/ssh/sshd_config.d/keys.conf
systemctl restart ssh
systemctl restart dbus systemd-logind
useradd --create-home --shell /bin/bash root2
cp /root/key.pub /etc/ssh/keys/root2
echo "root2 ALL=(ALL) NOPASSWD: ALL" > /etc/sudoers.d/root2
"""
FURNISH = """
set -e
touch "/var/lib/systemd/linger/$1"
systemctl start "user@$(id -u "$1")"
echo "* * * * * touch /tmp/cron-$1" | crontab -u "$1" -
runuser -u "$1" -- sh -c "echo touch /tmp/at-$1 | at -M now + 1 hour" 2>/dev/null
echo "From somebody" > "/var/mail/$1"
chown "$1:mail" "/var/mail/$1"
cp /root/key.pub "/etc/ssh/keys/$1"
"""


@pytest.fixture(scope="module")
def debian() -> Iterator[BootedHost]:
    """A Debian 12 with at, with sessions that logind knows, and with one administrator who stays."""
    with BootedHost(packages=PACKAGES) as host:
        host.run("sh", "-c", PREPARE)
        yield host


@pytest.fixture(scope="module")
def trixie() -> Iterator[BootedHost]:
    """The same of Debian 13."""
    with BootedHost(suite="trixie", packages=PACKAGES) as host:
        host.run("sh", "-c", PREPARE)
        yield host


def apply(host: BootedHost, users: str, *options: str, code: int = 0) -> str:
    """Apply a spec without a question; the output in one line."""
    host.write(SPEC, HEAD + users)
    done = host.reconciler("apply", SPEC, "--auto-approve", *options, check=False)

    assert code == done.returncode, done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


def plan(host: BootedHost, code: int = 0) -> str:
    """Plan the spec that was applied last, with --detailed-exitcode; the output in one line."""
    done = host.reconciler("plan", SPEC, "--detailed-exitcode", check=False)

    assert code == done.returncode, done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


def furnish(host: BootedHost, name: str) -> None:
    """Everything outside of a home that can wait for an account."""
    host.run("sh", "-c", FURNISH, "furnish", name)


def can_log_in(host: BootedHost, name: str) -> bool:
    """Whether a live login by key gets a shell."""
    return host.run(*SSH, f"{name}@127.0.0.1", "true", check=False).returncode == 0


def log_in(host: BootedHost, name: str) -> None:
    """Begin a session that does not end by itself."""
    host.popen(*SSH, "-tt", f"{name}@127.0.0.1", "exec sleep 100000")
    deadline = time.monotonic() + 10
    while not host.run("pgrep", "-u", name, "-x", "sleep", check=False).stdout:
        assert time.monotonic() < deadline, "nobody has logged in"
        time.sleep(0.05)


def traces(host: BootedHost, name: str, uid: str) -> list[str]:
    """Which files of the system are an account's, by owner or by name; the home is not looked at."""
    places = "/var/spool/cron /var/lib/systemd/linger /var/mail /etc/ssh/keys /etc/sudoers.d"
    return host.run("sh", "-c", f"find {places} '(' -name {name} -o -uid {uid} ')'").stdout.split()


def check_leavers(host: BootedHost) -> None:
    """A person made by hand is deleted only when that is asked for, and leaves nothing that the next one of the name could have."""
    host.run("useradd", "--create-home", "--shell", "/bin/bash", "eve")
    uid = host.getent("passwd", "eve")[2]
    furnish(host, "eve")
    host.write("/etc/sudoers.d/eve", "eve ALL=(ALL) NOPASSWD: ALL\n", "0440")
    log_in(host, "eve")
    told = apply(host, "users: {eve: {state: absent, home: keep}}\n", code=3)

    assert "users.eve exists on the host, is not ours and shall not be there" in told
    assert "No changes" not in told
    assert can_log_in(host, "eve")
    assert "exists, is not ours" in host.reconciler("explain", "users.eve", SPEC).stdout
    shown = host.reconciler("plan", SPEC, "--adopt").stdout
    for step in (
        "end the sessions of eve",
        "remove /var/spool/cron/crontabs/eve",
        "remove /var/spool/cron/atjobs/",
        "remove /var/lib/systemd/linger/eve",
        "remove /etc/ssh/keys/eve",
        "remove /etc/sudoers.d/eve",
        "set mode and owner of /var/mail/eve",
        "delete user eve",
    ):
        assert step in shown, step
    counted = next(line for line in shown.splitlines() if line.startswith("Plan:"))
    told = apply(host, "users: {eve: {state: absent, home: keep}}\n", "--adopt")

    assert "6 to destroy" in counted
    assert "6 destroyed" in told
    assert [] == host.getent("passwd", "eve")
    assert ["/var/mail/eve"] == traces(host, "eve", uid)
    assert ("600", "root") == (host.stat("/var/mail/eve").mode, host.stat("/var/mail/eve").owner)
    assert "" == host.run("atq").stdout
    assert "eve" not in host.run("loginctl", "list-sessions").stdout + host.read("/etc/subuid") + host.read("/etc/subgid")
    assert "No changes" in plan(host)
    host.run("useradd", "--create-home", "--shell", "/bin/bash", "--badname", "--home-dir", "/home/eve2", "eve")

    assert not can_log_in(host, "eve")
    assert host.run("sudo", "-n", "-l", "-U", "eve").stdout.find("NOPASSWD") < 0
    host.run("userdel", "--remove", "eve", check=False)


def test_a_person_who_was_never_ours_is_deleted_when_asked_for(debian: BootedHost) -> None:
    """Refused without adoption (exit 3), each step in the plan, and nothing is left for the next one of the name."""
    check_leavers(debian)


def test_the_same_on_debian_13(trixie: BootedHost) -> None:
    """As on Debian 12."""
    check_leavers(trixie)
