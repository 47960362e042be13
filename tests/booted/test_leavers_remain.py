"""A leaver's remains that could go to the next account of the same name or number, and the doors that open
for a disabled one: tried live.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.booted.booted import BootedHost
from tests.booted.test_leavers import PACKAGES, PREPARE, apply, can_log_in, furnish, plan, traces

pytestmark = pytest.mark.booted

UID = "4321"
FURNISH = """
set -e
echo "$1:secret" | chpasswd
printf 'Defaults:%s timestamp_type=global\\n%s ALL=(ALL) ALL\\n' "$1" "$1" > "/etc/sudoers.d/$1"
rm -f "/var/mail/$1"; mkdir -p "/var/mail/$1/new"; echo private > "/var/mail/$1/new/1"; chown -R "$1:mail" "/var/mail/$1"
mkdir -p "/home/$1/Maildir/new"; echo private > "/home/$1/Maildir/new/1"; chown -R "$1:$1" "/home/$1"
runuser -u "$1" -- sh -c "echo secret | sudo -S -v" 2>/dev/null
ls /run/sudo/ts
"""
NAMED = {
    "/etc/cron.allow": "root2\n{0}\n",
    "/etc/at.allow": "{0}\n",
    "/etc/sudoers.d/zz-team": "root2, {0} ALL=(ALL) NOPASSWD: ALL\n",
    "/etc/ssh/sshd_config.d/allow.conf": "AllowUsers root2 {0}\n",
    "/etc/cron.d/team": "# about somebody else\n0 0 1 1 * {0} true\n",
    "/etc/polkit-1/rules.d/50-team.rules": (
        'polkit.addRule(function(a, s) {{ if (s.user == "{0}") return "yes"; }});\n'
    ),
    "/etc/dbus-1/system.d/team.conf": (
        '<busconfig><policy user="{0}"><allow own="org.x"/></policy></busconfig>\n'
    ),
    "/etc/udev/rules.d/99-team.rules": 'KERNEL=="nothing", OWNER="{0}"\n',
}
OWNED = ("/tmp/theirs", "/var/tmp/theirs", "/dev/shm/theirs")
NOT_NAMED = {
    "/etc/cron.d/other": "# eve had this\n0 0 1 1 * evelyn true\n",
    "/etc/sudoers.d/zz-eve2": "# eve\neve2 ALL=/bin/true\n",
}


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def debian(request: pytest.FixtureRequest) -> Iterator[BootedHost]:
    """A host with at, sessions that logind knows, and one administrator who stays."""
    with BootedHost(suite=request.param, packages=PACKAGES) as host:
        host.run("sh", "-c", PREPARE)
        yield host


def _person(host: BootedHost, name: str) -> None:
    host.run("useradd", "--create-home", "--shell", "/bin/bash", "--uid", UID, name)
    furnish(host, name)
    assert host.run("sh", "-c", FURNISH, "furnish", name).stdout.split(), "sudo keeps a ticket"


def _as(host: BootedHost, name: str, command: str) -> bool:
    """Whether a command works for an account."""
    return host.run("runuser", "-u", name, "--", "sh", "-c", command, check=False).returncode == 0


def test_nothing_works_for_the_next_account_of_the_number(debian: BootedHost) -> None:
    """Mail in a directory is closed, tickets of sudo go; what names the account or belongs to it elsewhere is
    told before it goes.
    """
    _person(debian, "eve")
    for path, text in {**NAMED, **NOT_NAMED}.items():
        debian.run("mkdir", "-p", path.rpartition("/")[0])
        debian.write(path, text.format("eve"), "0440" if "sudoers" in path else "0644")
    for path in OWNED:
        debian.run("runuser", "-u", "eve", "--", "touch", path)
    told = apply(debian, "users: {eve: {state: absent, home: keep}}\n", "--adopt")

    warned = told.partition("something stays of an account that goes")[2].partition("rule = left-behind")[0]
    assert f"{len(NAMED) - 5} more name eve: whoever is called so next has that" in warned
    assert f"belong to uid {UID}" in warned
    assert all(
        path in warned for path in (*OWNED, "/etc/cron.allow", "/etc/at.allow", "/etc/sudoers.d/zz-team")
    ), warned
    assert "set mode and owner of /var/mail/eve" in told
    assert "remove /run/sudo/ts/" in told
    assert "" == debian.run("ls", "/run/sudo/ts").stdout
    assert ("700", "root") == (debian.stat("/var/mail/eve").mode, debian.stat("/var/mail/eve").owner)
    assert ["/var/mail/eve"] == traces(debian, "eve", "99999")
    assert "No changes" in plan(debian)
    for path in NAMED:
        debian.run("rm", path)
    debian.run("useradd", "--create-home", "--shell", "/bin/bash", "--uid", UID, "late")
    for command in (
        "cat /var/mail/eve/new/1",
        "cat /home/eve/Maildir/new/1",
        "ls /home/eve",
        "crontab -l",
        'test -n "$(atq)"',
        "sudo -n true",
        "echo secret | sudo -S true",
    ):
        assert not _as(debian, "late", command), command
    assert not can_log_in(debian, "late")
    assert not debian.exists("/var/lib/systemd/linger/late")
    assert "late" not in debian.read("/etc/subuid").replace("late:", "", 1), "one range of its own"
    debian.run("userdel", "--remove", "late", check=False)
    debian.run("rm", "-rf", "/home/eve", "/var/mail/eve", *OWNED)


def test_no_door_opens_for_a_disabled_account(debian: BootedHost) -> None:
    """Key, password, su, sudo with a fresh ticket, cron, at, lingering: nothing of it works or runs."""
    _person(debian, "eve")
    debian.run(
        "sh", "-c", "runuser -u eve -- sh -c 'echo touch /tmp/at-ran | at -M now + 1 minute' 2>/dev/null"
    )
    assert _as(debian, "eve", "sudo -n true"), "the ticket is good"
    apply(debian, "users: {eve: {state: disabled, shell: /bin/bash}, carl: {shell: /bin/bash}}\n", "--adopt")
    debian.run("rm", "-f", "/tmp/cron-eve", "/tmp/at-eve")

    assert not can_log_in(debian, "eve")
    assert not _as(debian, "carl", "echo secret | su eve -c true")
    assert not _as(debian, "eve", "sudo -n true")
    assert not _as(debian, "eve", "echo secret | sudo -S true")
    assert "inactive" == debian.active(f"user@{UID}.service")
    assert not debian.exists("/var/lib/systemd/linger/eve")
    time.sleep(65)  # cron and at look once a minute
    assert not debian.exists("/tmp/cron-eve")
    assert not debian.exists("/tmp/at-ran")
    assert "No changes" in plan(debian)
