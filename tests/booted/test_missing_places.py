"""A path that a service names and the host lacks is told by the plan, service by service; systemd is the
judge that the service does not start.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.booted.booted import BootedHost

pytestmark = pytest.mark.slow
SPEC = "/root/host.yaml"
SLEEP = ["/usr/bin/sleep", "infinity"]


def _service(**fields: Any) -> dict[str, Any]:
    return {"exec_start": SLEEP, **fields}


def _directive(name: str, value: str) -> dict[str, Any]:
    return _service(directives={"Service": {name: value}})


MISSING: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "output": (_service(standard_output="file:/var/log/x/out.log"), "directory /var/log/x", {}),
    "appended": (_service(standard_error="append:/var/log/y/err.log"), "directory /var/log/y", {}),
    "truncated": (_service(standard_output="truncate:/srv/z/out"), "directory /srv/z", {}),
    "early": (
        _service(
            standard_output="file:/var/log/early/out", directives={"Service": {"LogsDirectory": "early"}}
        ),
        "directory /var/log/early",
        {},
    ),
    "input": (_directive("StandardInput", "file:/srv/in"), "file /srv/in", {}),
    "environment": (_service(environment_file=["/etc/nosuch.env"]), "file /etc/nosuch.env", {}),
    "credential": (_service(load_credential={"db": "/etc/nosuch.key"}), "file /etc/nosuch.key", {}),
    "work": (_service(working_directory="/srv/work"), "directory /srv/work", {}),
    "root": (_directive("RootDirectory", "/srv/root"), "directory /srv/root", _service()),
    "written": (_directive("ReadWritePaths", "/srv/rw"), "path /srv/rw", {}),
    "bound": (
        _directive("BindReadOnlyPaths", "/srv/bound:/srv/there"),
        "path /srv/bound",
        _directive("BindReadOnlyPaths", "-/srv/bound:/srv/x"),
    ),
}
"""The service, what the plan must say is missing, and another service that does without, where the advice
does not help.
"""

NO_NEED = {
    "made": _service(working_directory="/var/lib/made", directives={"Service": {"StateDirectory": "made"}}),
    "optional": _service(environment_file=["-/etc/nosuch.env"], working_directory="-/srv/nosuch"),
    "without": _directive("ReadOnlyPaths", "-/srv/nosuch"),
    "quoted": {"exec_start": "/usr/bin/sh -c 'sleep infinity # all day'"},
    "by-list": {"exec_start": ["/usr/bin/sh", "-c", "sleep infinity", "#"]},
}
"""Nothing is said of these, and they start."""


def _write(host: BootedHost, services: dict[str, Any], **more: Any) -> None:
    host.write(SPEC, json.dumps({"version": 1, "host": "testhost", "services": services, **more}))


def _warnings(host: BootedHost) -> dict[str, list[str]]:
    """The warnings of the plan, by service."""
    found: dict[str, list[str]] = {}
    for row in json.loads(host.reconciler("plan", SPEC, "--json").stdout)["diagnostics"]:
        if row["rule"].startswith("missing-"):
            found.setdefault(row["address"].partition(".")[2], []).append(
                row["summary"].removesuffix(" does not exist")
            )
    return found


def test_what_is_not_there_is_told_and_the_advice_helps(booted: BootedHost) -> None:
    """Each plan names what is missing, and nothing else; with it declared, as the warning says, each service
    starts.
    """
    _write(booted, {**{name: service for name, (service, _, _) in MISSING.items()}, **NO_NEED})

    assert {name: [what] for name, (_, what, _) in MISSING.items()} == _warnings(booted)
    booted.reconciler("apply", SPEC, "--auto-approve", check=False)
    assert [] == [
        name for name in MISSING if booted.show(f"{name}.service", "SubState")["SubState"] == "running"
    ]
    assert ["running"] * len(NO_NEED) == [
        booted.show(f"{name}.service", "SubState")["SubState"] for name in NO_NEED
    ]

    lacking = [what.partition(" ") for _, what, instead in MISSING.values() if not instead]
    files = {path: {"content": "A=1\n", "mode": "0644"} for kind, _, path in lacking if kind == "file"}
    directories = {path: {"mode": "0755"} for kind, _, path in lacking if kind != "file"}
    _write(
        booted,
        {name: instead or service for name, (service, _, instead) in MISSING.items()},
        files=files,
        directories=directories,
    )
    booted.reconciler("apply", SPEC, "--auto-approve", "--allow", "many-destroyed")

    assert {} == _warnings(booted)
    assert ["running"] * len(MISSING) == [
        booted.show(f"{name}.service", "SubState")["SubState"] for name in MISSING
    ]


def test_a_comment_in_a_command_is_refused(booted: BootedHost) -> None:
    """systemd passes it to the program; the plan says so with its place, before anything is done."""
    _write(
        booted,
        {
            "commented": {"exec_start": "/usr/bin/sleep infinity # all day"},
            "hash": {"exec_start": "/usr/bin/sleep infinity #x"},
        },
    )
    done = booted.reconciler("plan", SPEC, check=False)

    assert 1 == done.returncode
    assert 2 == done.stderr.count("is passed to the program, no comment ends a command"), done.stderr


def test_a_reload_after_a_kill_is_planned_with(booted: BootedHost) -> None:
    """A unit that was rewritten before a run was killed, and not reloaded, no longer requires what it
    required: its removal is planned.
    """
    _write(booted, {"db": _service(), "web": _service(requires=["db.service"])})
    booted.reconciler("apply", SPEC, "--auto-approve")
    unit = "/etc/systemd/system/web.service"
    booted.write(unit, booted.read(unit).replace("Requires=db.service\n", ""))
    _write(booted, {"web": _service()})

    assert "yes" == booted.show("web.service", "NeedDaemonReload")["NeedDaemonReload"]
    done = booted.reconciler("apply", SPEC, "--auto-approve", check=False)

    assert 0 == done.returncode, done.stdout + done.stderr
    assert "No changes." in booted.reconciler("plan", SPEC).stdout
    assert "active" == booted.show("web.service", "ActiveState")["ActiveState"]
    assert "not-found" == booted.show("db.service", "LoadState")["LoadState"]
