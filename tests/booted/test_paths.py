"""Nobody is given what is not his: hostile specs on a real Debian, judged by stat, getent and what the
account can write.
"""

from __future__ import annotations

import json
from typing import Any

from tests.booted.booted import BootedHost
from tests.booted.test_spine import SPEC

SYSTEM = (
    *(
        "/etc",
        "/etc/profile.d",
        "/etc/cron.d",
        "/etc/sudoers.d",
        "/etc/systemd/system",
        "/etc/opt",
        "/usr/local/bin",
        "/usr/local/sbin",
    ),
    *(
        "/usr/bin",
        "/boot",
        "/srv",
        "/mnt",
        "/opt",
        "/home",
        "/root",
        "/var/spool/cron",
        "/var/lib/reconciler",
        "/opt/reconciler",
    ),
)
"""Directories that are the system's on every host."""
OF_THE_HOST = (
    "/opt/admin/bin",
    "/opt/admin",
    "/home/hand",
    "/home/hand/x",
    "/srv/people",
    "/srv/people/old",
    "/srv/db",
)
"""The directories that only this host shows: root looks for programs in /opt/admin/bin; hand and old are
persons, db is a service, each with a home.
"""
LOGS = (
    "/etc/shadow",
    "/etc/passwd",
    "/e?c/shadow",
    "/usr/bin/su",
    "/var/lib/reconciler/*",
    "/etc/sudoers.d/*",
    "/",
)


def refused(host: BootedHost, spec: dict[str, Any], *options: str) -> str:
    """Apply a spec that has to be refused as a whole; what was said."""
    host.write(SPEC, json.dumps({"version": 1, "host": "testhost", **spec}))
    done = host.reconciler("apply", SPEC, "--auto-approve", *options, check=False)

    assert 3 == done.returncode, (spec, done.stdout + done.stderr)
    return " ".join((done.stdout + done.stderr).split())


def applied(host: BootedHost, spec: dict[str, Any], *options: str, code: int = 0) -> str:
    """Apply a spec; the output."""
    host.write(SPEC, json.dumps({"version": 1, "host": "testhost", **spec}))
    done = host.reconciler("apply", SPEC, "--auto-approve", *options, check=False)

    assert code == done.returncode, (spec, done.stdout + done.stderr)
    return " ".join((done.stdout + done.stderr).split())


def settled(host: BootedHost) -> bool:
    """Whether the spec that was applied last has nothing left to do."""
    return host.reconciler("plan", SPEC, "--detailed-exitcode", check=False).returncode == 0


def facts(host: BootedHost) -> dict[str, str]:
    """Owner, group and mode of everything that is attacked, and the account files."""
    told = host.run("stat", "-c", "%n %U:%G %a %i", *SYSTEM, *OF_THE_HOST, check=False).stdout
    files = host.run("sha256sum", "/etc/passwd", "/etc/shadow", "/etc/group").stdout
    return dict(line.split(" ", 1) for line in (told + files).splitlines())


def prepare(host: BootedHost) -> None:
    """Accounts that this tool does not know, and a directory that root looks for programs in."""
    applied(host, {"groups": {"settled": {}}})
    for line in (
        "useradd -m hand; install -d -o hand -g hand /home/hand/x",
        "install -d /srv/people; useradd -m -d /srv/people/old old",
        "useradd -r -m -d /srv/db db; install -d /opt/admin/bin /etc/opt",
        "sed -i 's,^ENV_SUPATH.*,ENV_SUPATH PATH=/usr/sbin:/opt/admin/bin,' /etc/login.defs",
    ):
        host.run("/bin/sh", "-euc", line)


def test_nobody_is_given_what_is_not_his(booted: BootedHost) -> None:
    """As a home, with adoption and without, as a new account's and as a directory: refused before the account
    is made, all as it was.
    """
    prepare(booted)
    before = facts(booted)
    homes = {f"mallory{number}": {"home": path} for number, path in enumerate(SYSTEM)}
    adopted = {name: {**said, "adopt": True, "system": True} for name, said in homes.items()}
    owned = {
        path: {"mode": "0755", "owner": "hand" if "db" in path else "db", "adopt": True}
        for path in (*SYSTEM, *OF_THE_HOST)
    }
    specs: list[tuple[dict[str, Any], tuple[str, ...]]] = [
        ({"users": homes}, SYSTEM),
        ({"users": adopted}, SYSTEM),
        *(({"users": {"mallory": {"home": path}}}, (path,)) for path in OF_THE_HOST),
        ({"users": {"mallory": {"home": "/srv/db", "adopt": True, "system": True}}}, ("/srv/db",)),
        ({"groups": {"g": {}}, "directories": {path: owned[path] for path in SYSTEM}}, SYSTEM),
        ({"groups": {"g": {}}, "directories": {path: owned[path] for path in OF_THE_HOST}}, OF_THE_HOST),
    ]
    for spec, paths in specs:
        told = refused(booted, spec, "--adopt")

        assert [] == [
            path
            for path in paths
            if f" {path} would be" not in told and f" {path} cannot be managed" not in told
        ], spec
        assert told.count("no flag that overrides") >= len(paths), spec
    assert before == facts(booted)
    assert "mallory" not in booted.read("/etc/passwd")
    assert [] == booted.getent("group", "g")
    for open_to_all in (("/etc/cron.d", "/opt/reconciler/lib"), ("/opt/admin", "/srv/people")):
        told = refused(
            booted,
            {"directories": {path: {"mode": "0777", "adopt": True} for path in open_to_all}},
            "--adopt",
        )

        assert [] == [path for path in open_to_all if f" {path} would be writable for everybody" not in told]
    assert before == facts(booted)


def test_root_is_not_made_to_write_there(booted: BootedHost) -> None:
    """Log paths, olddir, destinations and output: refused, and logrotate has nothing new to do."""
    before = booted.run("ls", "-la", "/etc/logrotate.d", "/etc/pam.d", "/etc/systemd/system").stdout
    for path in LOGS:
        refused(booted, {"logrotate": {"x": {"paths": [path], "rotate": 0, "frequency": "daily"}}})
    refused(booted, {"logrotate": {"x": {"paths": ["/var/log/x.log"], "olddir": "/etc/pam.d"}}})
    refused(
        booted,
        {
            "backups": {
                "x": {"sources": ["/etc"], "destinations": ["/etc/systemd/system"], "schedule": "daily"}
            }
        },
    )
    refused(
        booted,
        {
            "services": {
                "x": {
                    "exec_start": ["/usr/bin/true"],
                    "user": "daemon",
                    "standard_output": "append:/etc/ld.so.preload",
                }
            }
        },
    )
    odd = {
        f"x{number}": {"paths": ["/var/log/x.log"], "olddir": f"/var/log/{char}a"}
        for number, char in enumerate("{}\"'#\\")
    }
    booted.write(SPEC, json.dumps({"version": 1, "host": "testhost", "logrotate": odd}, indent=1))
    said = booted.reconciler("validate", SPEC, check=False)

    assert 1 == said.returncode
    assert len(odd) == said.stderr.count("logrotate reads them as something else")
    assert "internal" not in said.stderr
    assert before == booted.run("ls", "-la", "/etc/logrotate.d", "/etc/pam.d", "/etc/systemd/system").stdout
    booted.run("logrotate", "--debug", "/etc/logrotate.conf")
