"""Root is led nowhere by a path of a spec: bind mounts, specifiers, links, directories of old logs and of
output, ACLs. Judged by stat, logrotate, and by what somebody has written where root reads.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.booted.booted import BootedHost
from tests.breaking import some

pytestmark = pytest.mark.booted

SPEC = "/root/host.yaml"
PREPARE = """
for name in alice hand; do useradd --create-home --shell /bin/bash $name; done
mkdir -p /srv/data /srv/nfs /srv/apps/one /srv/acl /root/tree
mount --bind /etc /srv/data
mount --bind /home /srv/nfs
ln -s /etc /srv/link
ln -s /etc /root/tree/etc
chmod 1777 /srv/apps
setfacl -m u:alice:rwx /srv/acl
install -d -o alice -g alice /srv/al /srv/al/logs /srv/mix/his
install -d /srv/mix/ours
ssh-keygen -q -t ed25519 -N "" -f /root/key
"""
WATCHED = (
    *("/etc", "/etc/cron.d", "/etc/logrotate.d", "/home/hand", "/var/lib/dpkg", "/var/lib/systemd/linger"),
    *("/var/log/apt", "/var/log/journal", "/root", "/root/.ssh", "/boot", "/srv/acl"),
)


def unit(directives: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A service that runs as alice."""
    service = {"exec_start": ["/bin/true"], "type": "oneshot", "user": "alice", "state": "stopped"}
    return {**service, "directives": {"Service": directives}, **more}


def logs(*paths: str, **more: Any) -> dict[str, Any]:
    """A policy of rotation."""
    return {"logrotate": {"x": {"paths": list(paths), "frequency": "daily", "missingok": True, **more}}}


def job(**more: Any) -> dict[str, Any]:
    """A backup job."""
    return {"backups": {"x": {"sources": ["/srv"], "schedule": "daily", "destinations": ["/backup"], **more}}}


def home(path: Any, **more: Any) -> dict[str, Any]:
    """A new account with this home."""
    return {"users": {"hx": {"home": path, "adopt": True, **more}}}


PLAIN = ("/srv/../etc", "//etc", "/etc/", "/etc/.", "/proc/../etc")
NOT_MINE = "cannot be written to here"
GIVEN: tuple[tuple[dict[str, Any], int, str], ...] = (
    # what is mounted at a second place
    (home("/srv/data"), 3, "by a mount it is /etc"),
    (home("/srv/data/cron.d"), 3, "by a mount it is /etc/cron.d"),
    (home("/srv/nfs/hand"), 3, "it is the home of hand"),
    (
        {"directories": {"/srv/data": {"owner": "hand", "mode": "0755", "adopt": True}}},
        3,
        "by a mount it is /etc",
    ),
    (
        {"files": {"/srv/data/sudoers": {"content": "x", "mode": "0440", "adopt": True}}},
        3,
        "by a mount it is",
    ),
    # what systemd gives, by the name of the unit or plainly
    ({"services": {"dpkg": unit({"StateDirectory": "%N"})}}, 3, "/var/lib/dpkg would be alice's own"),
    ({"services": {"systemd-linger": unit({"StateDirectory": "%P"})}}, 3, "/var/lib/systemd/linger would be"),
    ({"services": {"x": unit({"LogsDirectory": "x apt"})}}, 3, "/var/log/apt would be alice's own"),
    ({"services": {"journal": unit({"LogsDirectory": "%p"})}}, 3, "/var/log/journal would be alice's own"),
    # another's keys and secrets
    (home({"path": "/root", "manage": False}, ssh_keys=["KEY"]), 3, "/root/.ssh would be hx's own"),
    (home({"path": "/home/hand", "manage": False}, ssh_keys=["KEY"]), 3, "/home/hand belongs to hand"),
    (
        {"services": {"x": unit({}, load_credential={"a": "/srv/link/shadow"})}},
        3,
        "by a link it is /etc/shadow",
    ),
    # places that root writes to
    *((job(destinations=[path]), 3, NOT_MINE) for path in ("/boot/efi/b", "/root/.ssh", "/proc/1/root/b")),
    (job(destinations=["/var/lib/reconciler/archive"]), 3, "it is Reconciler's own state"),
    (job(drill_directory="/srv/link/cron.d", restore_drill="7d"), 3, "by a link it is /etc/cron.d"),
    (logs("/v*/lib/rec*/*.db"), 3, NOT_MINE),
    (logs("/home/*/.ssh/*.log"), 3, NOT_MINE),
    (logs("/var/log/x.log", olddir="/srv/link"), 3, "by a link it is /etc"),
    # paths that are not what they look like
    *((home(path), 1, "") for path in PLAIN),
    ({"users": {"hand": {"directories": ["a/../../alice"], "adopt": True}}}, 1, "no '..'"),
    ({"files": {"/srv/x": {"source": "tree/etc/shadow", "mode": "0644"}}}, 1, "through a link"),
)
"""Specs, the exit code of their apply, and words that say why."""
ROTATED: tuple[tuple[dict[str, Any], int, str], ...] = (
    (logs("/var/log/x.log", olddir="/srv/al/logs"), 4, "`olddir`: /srv/al/logs belongs to alice"),
    (
        logs("/var/log/x.log", olddir="/srv/al/logs", su={"user": "root", "group": "root"}),
        4,
        "belongs to alice",
    ),
    (logs("/var/log/x.log", olddir="/srv/apps"), 4, "can be written by everybody"),
    (logs("/srv/apps/*/x.log"), 4, "in /srv/apps everybody can make what * stands for"),
    (logs("/srv/mix/*/x.log"), 4, "/srv/mix/his belongs to alice"),
    (logs("/srv/al/*.log", su={"user": "root", "group": "root"}), 4, "/srv/al belongs to alice"),
    (logs("/srv/al/*.log", su={"user": "nobody9", "group": "alice"}), 4, "user nobody9 does not exist"),
    (logs("/srv/acl/*.log"), 4, "by an ACL, who could make root rotate any file"),
    (logs("/srv/link/*.log"), 4, "/srv/link is a link to /etc"),
    (
        {**logs("/srv/carl/*.log"), "users": {"carl": {"home": "/srv/carl"}}},
        1,
        "/srv/carl will belong to carl",
    ),
    (
        {**logs("/var/log/w/*.log"), "services": {"w": unit({"LogsDirectory": "w"})}},
        1,
        "/var/log/w will belong to alice",
    ),
)
"""The same of the rotation of logs."""


@pytest.fixture(scope="module")
def debian() -> Iterator[BootedHost]:
    """A host with two people, bind mounts, links and directories of theirs."""
    with BootedHost(packages=("acl",)) as host:
        host.run("sh", "-euc", PREPARE)
        yield host


def apply(host: BootedHost, spec: dict[str, Any], *options: str) -> tuple[int, str]:
    """Apply a spec; the exit code, and the output in one line."""
    text = json.dumps({"version": 1, "host": "testhost", **spec})
    host.write(SPEC, text.replace("KEY", host.read("/root/key.pub").strip()))
    done = host.reconciler("apply", SPEC, "--auto-approve", *options, check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def watched(host: BootedHost) -> str:
    """Owners, modes and names of what is attacked."""
    owners = host.run("stat", "-c", "%n %U:%G %a", *WATCHED, check=False).stdout
    return owners + host.run("ls", "/etc", "/etc/cron.d", "/etc/logrotate.d", "/srv").stdout


@pytest.mark.parametrize("rows", [GIVEN, ROTATED], ids=["given", "rotated"])
def test_root_is_led_nowhere(rows: tuple[tuple[dict[str, Any], int, str], ...], debian: BootedHost) -> None:
    """Each spec is refused with the reason, and nobody owns more than before."""
    before = watched(debian)
    for spec, code, words in some(rows, 0):
        got, told = apply(debian, spec, "--adopt")

        assert (code, True) == (got, words in told), (spec, told)
    assert before == watched(debian)
    assert "" == debian.run("getent", "passwd", "hx", "carl", check=False).stdout
    assert 0 == debian.run("logrotate", "--debug", "/etc/logrotate.conf").returncode


def test_the_output_of_a_service_is_a_way_to_root(debian: BootedHost) -> None:
    """systemd opens the file as root and follows the link of whoever owns the directory, as the plan says;
    in a directory of root's nobody puts one, and nothing is said.
    """
    line = "* * * * * root true"
    spec = {
        "services": {"x": unit({}, exec_start=["/bin/echo", line], standard_output="append:/home/alice/out")}
    }
    code, told = apply(debian, spec)

    assert 0 == code
    assert "alice becomes root (root opens /home/alice/out for the output of x.service" in told
    debian.run("ln", "-s", "/etc/cron.d/mine", "/home/alice/out", user="alice")
    debian.run("systemctl", "start", "x.service")
    assert f"{line}\n" == debian.read("/etc/cron.d/mine"), "it was right to say so"
    debian.run("rm", "/etc/cron.d/mine")

    debian.run("install", "-o", "alice", "/dev/null", "/var/log/alices.log")
    spec["services"]["x"]["standard_output"] = "append:/var/log/alices.log"
    code, told = apply(debian, spec)
    assert (0, False) == (code, "becomes root" in told), told
    assert debian.run(
        "ln", "-sf", "/etc/cron.d/x", "/var/log/alices.log", user="alice", check=False
    ).returncode
    apply(debian, {"groups": {"g": {}}})


def test_what_is_honest_is_done(debian: BootedHost) -> None:
    """A disk that is mounted twice, and old logs of a user's with the user's own rights."""
    debian.run("sh", "-euc", "mkdir -p /disk/people /srv/people; mount --bind /disk/people /srv/people")
    both = {"user": "alice", "group": "alice"}
    spec = {
        **home("/srv/people/hx"),
        **logs("/srv/al/*.log", olddir="/srv/al/logs", su=both, rotate=2, compress=False),
        "services": {"app": unit({"StateDirectory": "%N", "LogsDirectory": "%p"})},
    }
    code, told = apply(debian, spec)

    assert 0 == code, told
    debian.run("sh", "-c", "echo x > /srv/al/a.log", user="alice")
    debian.run("logrotate", "--force", "--state", "/run/judge", "/etc/logrotate.d/x")
    assert "alice" == debian.stat("/srv/al/logs/a.log.1").owner
    assert "hx" == debian.stat("/srv/people/hx").owner
    assert 0 == debian.reconciler("plan", SPEC, "--detailed-exitcode", check=False).returncode
