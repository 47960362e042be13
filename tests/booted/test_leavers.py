"""People who leave a real Debian: what they could use is gone or shut, judged by ssh, passwd, chage,
loginctl, crontab and atq.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.booted.booted import BootedHost

pytestmark = pytest.mark.booted

SPEC = "/root/host.yaml"
PACKAGES = ("at", "libpam-systemd", "libnss-extrausers")
HEAD = "version: 1\nhost: testhost\n"
SSH = (
    "ssh",
    "-i",
    "/root/key",
    "-o",
    "StrictHostKeyChecking=no",
    "-o",
    "BatchMode=yes",
    "-o",
    "LogLevel=ERROR",
)
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
    """A person made by hand is deleted only when that is asked for, and leaves nothing that the next one of
    the name could have.
    """
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
    assert "eve" not in host.run("loginctl", "list-sessions").stdout + host.read("/etc/subuid") + host.read(
        "/etc/subgid"
    )
    apply(host, "users: {eve: {state: absent, home: keep}}\n")
    assert "No changes" in plan(host)
    host.run(
        "useradd", "--create-home", "--shell", "/bin/bash", "--badname", "--home-dir", "/home/eve2", "eve"
    )

    assert "users.eve exists on the host, is not ours" in plan(host, 3), (
        "the short way to no changes looks for it too"
    )
    assert not can_log_in(host, "eve")
    assert host.run("sudo", "-n", "-l", "-U", "eve").stdout.find("NOPASSWD") < 0
    host.run("userdel", "--remove", "eve", check=False)


def test_a_person_who_was_never_ours_is_deleted_when_asked_for(debian: BootedHost) -> None:
    """Refused without adoption (exit 3), each step in the plan, and nothing is left for the next one of the
    name.
    """
    check_leavers(debian)


def test_the_same_on_debian_13(trixie: BootedHost) -> None:
    """As on Debian 12."""
    check_leavers(trixie)


def test_one_of_ours_is_shut_before_anything_else(debian: BootedHost) -> None:
    """A service of his keeps the account there, shut; then it goes, and its kept home goes when the spec says
    so later.
    """
    others = "  bob: {}\n  carl: {}\n"
    apply(debian, "users:\n  foo: {shell: /bin/bash, sudo: [{run: ALL, password: false}]}\n" + others)
    debian.run("sh", "-c", 'echo "foo:secret" | chpasswd')
    furnish(debian, "foo")
    log_in(debian, "foo")
    debian.run("systemd-run", "--unit=foos", "--property=User=foo", "sleep", "1000000")
    told = apply(debian, "users:\n  foo: {state: absent, home: keep}\n" + others, code=6)

    assert "foo still runs" in told
    assert not can_log_in(debian, "foo")
    assert "L" == debian.run("passwd", "--status", "foo").stdout.split()[1]
    assert "Jan 02, 1970" in debian.run("chage", "-l", "foo").stdout
    assert "foo" not in debian.run("loginctl", "list-sessions").stdout
    debian.run("systemctl", "stop", "foos.service")
    apply(debian, "users:\n  foo: {state: absent, home: keep}\n" + others)

    assert [] == debian.getent("passwd", "foo")
    assert ("700", "root") == (debian.stat("/home/foo").mode, debian.stat("/home/foo").owner)
    assert "No changes" in plan(debian)
    apply(debian, "users:\n  foo: {state: absent, home: delete}\n" + others, "--adopt")

    assert not debian.exists("/home/foo")
    assert "No changes" in plan(debian)


def test_a_disabled_account_runs_nothing(debian: BootedHost) -> None:
    """Its sessions end, with a shell by sudo among them, and do not come back; a service is left and named;
    it is state, not an event.
    """
    others = "  bob: {}\n  carl: {}\n"
    there = "users:\n  dora: {shell: /bin/bash, sudo: [{run: ALL, password: false}]}\n" + others
    shut = (
        "users:\n  dora: {state: disabled, shell: /bin/bash, sudo: [{run: ALL, password: false}]}\n" + others
    )
    apply(debian, there)
    furnish(debian, "dora")
    log_in(debian, "dora")
    debian.popen(*SSH, "-tt", "dora@127.0.0.1", "exec sudo -n -i sleep 200000")
    debian.run("sh", "-c", "until pgrep -u root -f 'sleep 200000'; do sleep 0.05; done")
    debian.run("systemd-run", "--unit=doras", "--property=User=dora", "sleep", "300000")
    apply(debian, shut)

    assert not can_log_in(debian, "dora")
    left = debian.run("pgrep", "-af", "sleep [123]00000", check=False).stdout.splitlines()
    assert ["sleep 300000"] == [line.split(" ", 1)[1].removeprefix("/usr/bin/") for line in left]
    assert "dora" not in debian.run("loginctl", "list-sessions").stdout
    assert "No changes" in plan(debian)
    debian.run("touch", "/var/lib/systemd/linger/dora")

    assert "lingers: true -> false" in plan(debian, 2)
    apply(debian, shut)
    assert not debian.exists("/var/lib/systemd/linger/dora")
    assert debian.run("crontab", "-l", "-u", "dora").stdout, (
        "a crontab is data, and cron runs nothing of an expired account"
    )
    debian.run("systemctl", "stop", "doras.service")
    apply(debian, there)
    assert can_log_in(debian, "dora")


def test_a_person_leaves_together_with_the_own_group(debian: BootedHost) -> None:
    """A person leaves together with their own group, of the same name or another: the account is disabled,
    its group stays and is forgotten, the counts of plan and apply are equal.
    """
    rest = "users:\n  bob: {}\n  carl: {}\n  dora: {}\n"
    apply(debian, "groups: {ml: {}, gina: {}}\n" + rest + "  hans: {group: ml}\n  gina: {group: gina}\n")
    debian.write(SPEC, HEAD + rest)
    counted = next(
        line for line in debian.reconciler("plan", SPEC).stdout.splitlines() if line.startswith("Plan:")
    )
    told = apply(debian, rest)

    assert "0 to add, 2 to change, 0 to destroy" in counted
    assert "0 added, 2 changed, 0 destroyed" in told
    for name, group in (("hans", "ml"), ("gina", "gina")):
        assert "Jan 02, 1970" in debian.run("chage", "-l", name).stdout
        assert debian.getent("group", group)
        assert f"still the primary group of {name}" in told
    assert "No changes" in plan(debian)
    assert "" == debian.run("grpck", "-r", check=False).stderr


def test_one_number_for_two_accounts_is_a_rename(debian: BootedHost) -> None:
    """Nothing is done of it, and what the message says to type makes it so; the new name has the files of the
    old one.
    """
    rest = "users:\n  bob: {}\n  carl: {}\n  dora: {}\n"
    apply(debian, rest + "  old: {uid: 2001, sudo: [{run: [/usr/bin/id], password: false}]}\n")
    debian.write("/home/old/mine", "x\n")
    debian.run("chown", "old:old", "/home/old/mine")
    renamed = rest + "  new: {uid: 2001, sudo: [{run: [/usr/bin/id], password: false}]}\n"
    told = apply(debian, renamed, code=3)

    assert "users.new takes uid 2001, which users.old has" in told
    assert "never" in debian.run("chage", "-l", "old").stdout
    assert debian.exists("/etc/sudoers.d/old")
    for command in told.split("with --adopt: ", 1)[1].split(". If they", 1)[0].split("; "):
        debian.run(*command.split())
    apply(debian, renamed, "--adopt")

    assert "new" == debian.stat("/home/new/mine").owner
    assert not debian.exists("/etc/sudoers.d/old")
    assert "No changes" in plan(debian)
    apply(debian, "groups: {one: {gid: 3001}, g1: {}, g2: {}, g3: {}}\n" + renamed)
    told = apply(debian, "groups: {two: {gid: 3001}, g1: {}, g2: {}, g3: {}}\n" + renamed, code=3)

    debian.run(*told.split("with --adopt: ", 1)[1].split(". If they", 1)[0].split())
    apply(debian, "groups: {two: {gid: 3001}, g1: {}, g2: {}, g3: {}}\n" + renamed)

    assert debian.getent("group", "two")
    assert not debian.getent("group", "one")


def test_what_needs_an_account_that_is_to_go_is_refused(debian: BootedHost) -> None:
    """Keys, a file, a service and a job of an account that the same spec lets go: both places are named, and
    nothing is done.
    """
    key = debian.read("/root/key.pub").strip()
    for section in (
        f"ssh_keys: {{gone: ['{key}']}}\n",
        "files: {/etc/gone.conf: {mode: '0600', owner: gone, content: x}}\n",
        "services: {gone: {exec_start: [/bin/sleep, inf], user: gone}}\n",
        "timers: {gone: {exec_start: [/bin/true], user: gone, schedule: daily}}\n",
    ):
        debian.write(SPEC, HEAD + "users:\n  gone: {state: absent, home: keep}\n" + section)
        done = debian.reconciler("validate", SPEC, check=False)
        told = " ".join((done.stdout + done.stderr).split())

        assert 1 == done.returncode, section
        assert "says `state: absent` (root/host.yaml:4)" in told.replace("(/root/", "(root/"), told


def test_sessions_end_where_logind_knows_none(booted: BootedHost) -> None:
    """Without libpam-systemd too: a shell, what it left behind, and root's by sudo end; a service and
    another's session go on.
    """
    booted.run("sh", "-c", PREPARE)
    others = "  bob: {}\n  carl: {shell: /bin/bash, ssh_keys: [KEY], sudo: [{run: ALL, password: false}]}\n"
    others = others.replace("KEY", booted.read("/root/key.pub").strip())
    there = "users:\n  ivan: {shell: /bin/bash, sudo: [{run: ALL, password: false}]}\n" + others
    apply(booted, there)
    booted.run("cp", "/root/key.pub", "/etc/ssh/keys/ivan")
    log_in(booted, "ivan")
    log_in(booted, "carl")
    booted.popen(*SSH, "-tt", "ivan@127.0.0.1", "exec sudo -n -i sleep 200000")
    booted.run(*SSH, "ivan@127.0.0.1", "trap '' HUP; nohup sleep 400000 > /dev/null 2>&1 &")
    booted.run(
        "sh", "-c", "until pgrep -u root -f 'sleep 200000' && pgrep -f 'sleep 400000'; do sleep 0.05; done"
    )
    booted.run("systemd-run", "--unit=ivans", "--property=User=ivan", "sleep", "300000")
    assert "ivan" not in booted.run("loginctl", "list-sessions", check=False).stdout
    apply(booted, there.replace("ivan: {", "ivan: {state: disabled, "))

    left = booted.run("pgrep", "-a", "-x", "sleep", check=False).stdout.splitlines()
    assert ["sleep 100000", "sleep 300000"] == sorted(
        line.split(" ", 1)[1].replace("/usr/bin/", "") for line in left
    )
    assert "carl" == booted.run("ps", "-o", "user=", "-C", "sleep").stdout.split()[0]
    assert "No changes" in plan(booted)


def test_what_a_plan_counts_is_what_an_apply_does(debian: BootedHost) -> None:
    """Also where the account itself is blocked: its key and its sudo rule are taken back all the same, and
    the plan says so.
    """
    rest = "users:\n  bob: {}\n  carl: {}\n  dora: {}\n"
    key = debian.read("/root/key.pub").strip()
    rights = f"ssh_keys: ['{key}'], sudo: [{{run: ALL, password: false}}]"
    apply(
        debian,
        rest + f"  kate: {{uid: 4001, shell: /bin/bash, {rights}}}\n",
        "--adopt",
        "--allow",
        "many-destroyed",
    )

    assert can_log_in(debian, "kate")
    debian.write(SPEC, HEAD + rest + "  kate: {uid: 4002, shell: /bin/bash}\n")
    shown = " ".join(debian.reconciler("plan", SPEC, check=False).stdout.split())
    told = apply(debian, rest + "  kate: {uid: 4002, shell: /bin/bash}\n", code=6)

    assert "0 to add, 0 to change, 2 to destroy" in shown
    assert "0 added, 0 changed, 2 destroyed" in told
    assert not can_log_in(debian, "kate")
    assert not debian.exists("/etc/sudoers.d/kate")
