"""Files below sudoers.d, cron.d, logrotate.d and tmpfiles.d: what is refused their readers do refuse, and
what is accepted they take.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.booted.booted import BootedHost

SPEC = "/root/host.yaml"
PLACES = ("/etc", "/run/ml", "/tmp", "/var/log", "/var/lib/logrotate", "/var/lib/reconciler")
"""Where a program that judges, and a plan that asks it, must leave nothing."""
pytestmark = pytest.mark.booted

IN_VALIDATE: Mapping[str, tuple[dict[str, Any], str]] = {
    "/etc/sudoers.d/x.conf": ({"content": "root ALL=(ALL) ALL\n", "mode": "0440"}, "name with a dot"),
    "/etc/sudoers.d/old~": ({"content": "root ALL=(ALL) ALL\n", "mode": "0440"}, "name with a dot"),
    "/etc/sudoers.d/open": ({"content": "bob ALL=(ALL) NOPASSWD: ALL\n", "mode": "0666"}, "mode 0440"),
    "/etc/sudoers.d/shared": (
        {"content": "bob ALL=(ALL) NOPASSWD: ALL\n", "mode": "0640", "group": "adm"},
        "mode 0440",
    ),
    "/etc/sudoers.d/theirs": (
        {"content": "bob ALL=(ALL) NOPASSWD: ALL\n", "mode": "0440", "owner": "daemon"},
        "mode 0440",
    ),
    "/etc/cron.d/unended": ({"content": "* * * * * root true", "mode": "0644"}, "no line end"),
    "/etc/cron.d/a.job": ({"content": "* * * * * root true\n", "mode": "0644"}, "letters, digits"),
    "/etc/cron.d/writable": ({"content": "* * * * * root true\n", "mode": "0666"}, "others can write"),
    "/etc/cron.d/grouped": ({"content": "* * * * * root true\n", "mode": "0664"}, "others can write"),
    "/etc/cron.d/theirs": (
        {"content": "* * * * * root true\n", "mode": "0644", "owner": "daemon"},
        "daemon's",
    ),
    "/etc/cron.d/userless": ({"content": "* * * * * /bin/true\n", "mode": "0644"}, "SCHEDULE USER COMMAND"),
    "/etc/cron.d/late": ({"content": "61 * * * * root true\n", "mode": "0644"}, "no minute"),
    "/etc/cron.d/nickname": ({"content": "@fortnightly root true\n", "mode": "0644"}, "@fortnightly is none"),
    "/etc/cron.d/named": ({"content": "0 0 * january * root true\n", "mode": "0644"}, "no month"),
    "/etc/cron.daily/job.sh": ({"content": "#!/bin/sh\n", "mode": "0755"}, "letters, digits"),
    "/etc/cron.daily/plain": ({"content": "#!/bin/sh\n", "mode": "0644"}, "runs only what may be run"),
    "/etc/logrotate.d/z.bak": ({"content": "/var/log/z {\n missingok\n}\n", "mode": "0644"}, "passed over"),
    "/etc/logrotate.d/shared": (
        {"content": "/var/log/s {\n missingok\n}\n", "mode": "0664"},
        "others can write",
    ),
    "/etc/tmpfiles.d/ml": ({"content": "d /run/ml 0755\n", "mode": "0644"}, "end in .conf"),
    "/etc/tmpfiles.d/relative.conf": ({"content": "d run/ml 0755\n", "mode": "0644"}, "no absolute path"),
    "/etc/tmpfiles.d/mode.conf": ({"content": "d /run/ml 99999\n", "mode": "0644"}, "no mode"),
}
IN_PLAN: Mapping[str, tuple[dict[str, Any], str]] = {
    "/etc/sudoers.d/broken": (
        {"content": "foo ALL=(ALL NOPASSWD ALL\n", "mode": "0440"},
        "line 1: syntax error",
    ),
    "/etc/sudoers.d/garbage": ({"content": "# fine\ngarbage here\n", "mode": "0440"}, "line 2: syntax error"),
    "/etc/sudoers.d/again": (
        {"content": "User_Alias SITE = bob\nSITE ALL=(ALL) ALL\n", "mode": "0440"},
        "SITE",
    ),
    "/etc/sudoers.d/unknown": (
        {"content": "Defaults nosuchthing\n", "mode": "0440"},
        "unknown defaults entry",
    ),
    "/etc/logrotate.d/garbage": (
        {"content": "/var/log/a.log {\n garbage here\n}\n", "mode": "0644"},
        "line 2",
    ),
    "/etc/logrotate.d/unended": (
        {"content": "/var/log/e.log {\n missingok\n postrotate\n  true\n}\n", "mode": "0644"},
        "without endscript",
    ),
    "/etc/logrotate.d/unopened": (
        {"content": "/var/log/o.log\n missingok\n}\n", "mode": "0644"},
        "line 1: unexpected }",
    ),
    "/etc/logrotate.d/count": ({"content": "/var/log/b.log {\n rotate many\n}\n", "mode": "0644"}, "line 2"),
    "/etc/logrotate.d/twice": (
        {"content": "/var/log/wtmp {\n missingok\n}\n", "mode": "0644"},
        "duplicate log entry",
    ),
    "/etc/logrotate.d/stranger": (
        {"content": "/var/log/c.log {\n missingok\n create 0640 nosuch adm\n}\n", "mode": "0644"},
        "line 3",
    ),
    "/etc/tmpfiles.d/letters.conf": ({"content": "Y /run/ml 0755\n", "mode": "0644"}, "line 1"),
    "/etc/tmpfiles.d/specifier.conf": ({"content": "d /run/%Q 0755\n", "mode": "0644"}, "line 1"),
}
GOOD: Mapping[str, dict[str, Any]] = {
    "/etc/sudoers.d/a-uses": {"content": "OPS ALL=(ALL) NOPASSWD: SHOW\n", "mode": "0440"},
    "/etc/sudoers.d/b-defines": {
        "content": "User_Alias OPS = ann\nCmnd_Alias SHOW = /usr/bin/id\n",
        "mode": "0440",
    },
    "/etc/sudoers.d/c-group": {"content": "%ops ALL=(root) NOPASSWD: /usr/bin/true\n", "mode": "0440"},
    "/etc/cron.d/jobs": {
        "content": (
            'MAILTO=""\nPATH = /bin\n\n# x\n*/5 0-6/2 1,15 jan-mar Mon-fri ann true\n@reboot ann true\n0 0 *'
            " * 7 ann true\n"
        ),
        "mode": "0644",
    },
    "/etc/cron.daily/job": {"content": "#!/bin/sh\n", "mode": "0755"},
    "/etc/cron.d/.placeholder": {"content": "meant to be passed over\n", "mode": "0644", "adopt": True},
    "/etc/logrotate.d/ml": {
        "content": "/var/log/ml.log {\n missingok\n create 0640 ann ops\n}\n",
        "mode": "0644",
    },
    "/etc/logrotate.d/unclosed": {"content": "/var/log/unclosed.log {\n missingok\n", "mode": "0644"},
    "/etc/tmpfiles.d/ml.conf": {
        "content": "# ours\nd /run/ml 0750 ann ops 10d\nL+ /run/x - - - - /etc/motd\n",
        "mode": "0644",
    },
}
"""Accepted, although they need one another, and accounts that the same plan makes."""


@pytest.fixture(params=["bookworm", "trixie"])
def host(request: pytest.FixtureRequest) -> Iterator[BootedHost]:
    """A Debian 12 or 13 with an alias of its own in sudoers."""
    with BootedHost(suite=request.param) as booted:
        booted.write("/etc/sudoers.d/site", "User_Alias SITE = root\nSITE ALL=(ALL) ALL\n", "0440")
        yield booted


def ask(
    host: BootedHost, command: str, files: Mapping[str, Any], *options: str, **more: Any
) -> tuple[int, str]:
    """The exit code and the output, on one line, of a command about these files."""
    host.write(SPEC, json.dumps({"version": 1, "host": "testhost", "files": files, **more}))
    done = host.reconciler(command, SPEC, *options, check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def put(host: BootedHost, files: Mapping[str, tuple[dict[str, Any], str]]) -> None:
    """The files as a hand would put them there."""
    for path, (said, _) in files.items():
        host.write(path, said["content"], said["mode"])
        host.run("chown", said.get("owner", "root"), path)


def visudo(host: BootedHost) -> str:
    """The output of `visudo --check`."""
    done = host.run("visudo", "--check", check=False)
    return done.stdout + done.stderr


def cron_says(host: BootedHost) -> str:
    """Cron's journal about its files when it starts; its last word then is about jobs at boot."""
    host.run("systemctl", "restart", "cron.service")
    deadline = time.monotonic() + 20
    while True:
        said = host.run("journalctl", "-b", "-u", "cron.service", "-o", "cat").stdout
        if "@reboot jobs --" in said or time.monotonic() > deadline:
            return said
        time.sleep(0.1)


def _places(host: BootedHost) -> dict[str, Any]:
    """All that is in these places, but for the journal, which others write."""
    return {
        path: entry
        for path, entry in host.manifest(*PLACES).items()
        if not path.startswith("/var/log/journal")
    }


def test_what_readers_refuse_is_refused(host: BootedHost) -> None:
    """Each of these is refused with its reason before anything is written, and its reader does not take it
    when a hand puts it there.
    """
    before, everywhere = host.manifest("/etc"), _places(host)
    code, said = ask(host, "validate", {path: fields for path, (fields, _) in IN_VALIDATE.items()})
    looked, _ = ask(host, "plan", {path: fields for path, (fields, _) in IN_PLAN.items()})
    assert (3, everywhere) == (looked, _places(host))
    planned, told = ask(
        host, "apply", {path: fields for path, (fields, _) in IN_PLAN.items()}, "--auto-approve"
    )

    assert code == 1
    assert [] == [
        path for path, (_, why) in IN_VALIDATE.items() if f"{path}:" not in said or why not in said
    ], said
    assert planned == 3, told
    assert [] == [path for path, (_, why) in IN_PLAN.items() if f"{path}:" not in told or why not in told], (
        told
    )
    assert before == host.manifest("/etc")

    put(host, {**IN_VALIDATE, **IN_PLAN})
    cron = cron_says(host)
    logrotate = host.run("logrotate", "-d", "/etc/logrotate.conf", check=False).stderr
    tmpfiles = host.run(
        "systemd-tmpfiles", "--create", "--prefix=/run/ml", "--prefix=/run/x", check=False
    ).stderr

    # visudo goes on only where it can read what came before.
    for names, blamed in (
        (("broken", "garbage"), ("broken", "garbage")),
        (("again",), ("site",)),
        (("unknown",), ("unknown",)),
        ((), ("open", "theirs", "shared")),
    ):
        said = visudo(host)
        assert [] == [name for name in blamed if f"/etc/sudoers.d/{name}:" not in said], said
        host.run("rm", "--force", *(f"/etc/sudoers.d/{name}" for name in names))
    assert "not allowed" in host.run("sudo", "-l", "-U", "daemon", check=False).stdout
    heard = ("unended", "writable", "grouped", "theirs", "userless", "late", "nickname", "named")
    assert [] == [name for name in heard if f"/etc/cron.d/{name}" not in cron and f"{name})" not in cron], (
        cron
    )
    assert "a.job" not in cron
    assert [] == [
        name
        for name in ("shared", "garbage", "unended", "unopened", "count", "twice", "stranger")
        if f"/etc/logrotate.d/{name}" not in logrotate and name not in logrotate
    ]
    assert "/var/log/z " not in logrotate
    runs = host.run("run-parts", "--test", "/etc/cron.daily").stdout
    assert [] == [name for name in ("job.sh", "plain") if f"/etc/cron.daily/{name}" in runs]
    assert [] == [
        name
        for name in ("relative", "mode", "letters", "specifier")
        if f"/etc/tmpfiles.d/{name}.conf" not in tmpfiles
    ], tmpfiles


def test_what_readers_take_is_applied(host: BootedHost) -> None:
    """Files that need one another, and accounts that come with them, are applied at once; their readers take
    them.
    """
    accounts = {"users": {"ann": {"shell": "/bin/bash"}}, "groups": {"ops": {}}}
    code, said = ask(host, "apply", GOOD, "--auto-approve", **accounts)
    cron = cron_says(host)

    assert code == 0, said
    assert "/etc/cron.daily/job\n" in host.run("run-parts", "--test", "/etc/cron.daily").stdout
    assert host.run("visudo", "--check").returncode == 0
    assert "/usr/bin/id" in host.run("sudo", "-l", "-U", "ann").stdout
    assert "rror" not in cron
    logrotate = host.run("logrotate", "-d", "/etc/logrotate.conf").stderr
    assert ("error" in logrotate, "rotating pattern: /var/log/unclosed.log" in logrotate) == (False, True)
    host.run("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/ml.conf")
    assert host.run("stat", "--format=%U:%G %a", "/run/ml").stdout == "ann:ops 750\n"

    # An alias moves from one file to another: while the new file is judged the old one is still there.
    moved = {path: fields for path, fields in GOOD.items() if "b-defines" not in path}
    moved["/etc/sudoers.d/d-defines"] = GOOD["/etc/sudoers.d/b-defines"]
    code, said = ask(host, "apply", moved, "--auto-approve", **accounts)
    assert code == 0, said
    assert host.run("visudo", "--check").returncode == 0

    # Going back to what a hand had put there is judged as well.
    old = "/etc/sudoers.d/old"
    host.write(old, "garbage here\n", "0440")
    better = {**moved, old: {"content": "root ALL=(ALL) ALL\n", "mode": "0440"}}
    code, said = ask(host, "apply", better, "--auto-approve", "--adopt", **accounts)
    assert code == 0, said
    done = host.reconciler("rollback", "--auto-approve", check=False)
    assert done.returncode == 3, done.stdout + done.stderr
    assert f"{old}: line 1: syntax error" in " ".join((done.stdout + done.stderr).split())
    assert host.run("visudo", "--check").returncode == 0
