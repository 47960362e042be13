"""After an apply that failed: what rollback undoes, and what exit codes and counts say, on a real systemd."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.booted.booted import BootedHost

pytestmark = pytest.mark.slow
SPEC = "/root/host.yaml"
SLEEP = ["/usr/bin/sleep", "infinity"]
GONE = ["/opt/nothing"]
WATCHED = {"exec_start": SLEEP, "health": {"within": "500ms"}}


def apply(host: BootedHost, code: int, files: dict[str, Any] | None = None, **services: Any) -> str:
    """Apply a spec with these services and files; what it printed, on one line."""
    host.write(
        SPEC, json.dumps({"version": 1, "host": "testhost", "services": services, "files": files or {}})
    )
    done = host.reconciler("apply", SPEC, "--auto-approve", check=False)

    assert code == done.returncode, done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


def say(host: BootedHost, *command: str, code: int = 0) -> str:
    """The output of a command, on one line."""
    done = host.reconciler(*command, check=False)

    assert code == done.returncode, done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


def invocation(host: BootedHost, unit: str) -> str:
    """Which process a unit has."""
    return host.show(unit, "InvocationID")["InvocationID"]


def test_rollback_never_brings_back_what_was_put_back(booted: BootedHost) -> None:
    """Without a number it undoes the rest of the run that failed, and leaves the healthy process of what was
    put back already.
    """
    apply(booted, 0, api=WATCHED)
    apply(booted, 6, api={**WATCHED, "exec_start": GONE}, web={"exec_start": GONE})
    healthy = invocation(booted, "api.service")
    said = say(booted, "rollback", "--auto-approve")

    assert "Rollback of run 2 " in said
    assert "restart api.service" not in said
    assert ("active", healthy) == (booted.active("api.service"), invocation(booted, "api.service"))
    assert "" == booted.run("find", "/etc/systemd/system", "-name", "web.service").stdout


def test_a_rollback_restarts_nothing_for_a_file_that_no_service_reads(booted: BootedHost) -> None:
    """After an automatic put-back the file of the same run comes back, and the healthy process stays; one
    that reads it is restarted.
    """
    first, second = (
        {"/etc/other.conf": {"mode": "0644", "content": f"{text}\n"}} for text in ("first", "second")
    )
    reader = {**WATCHED, "watch": ["/etc/other.conf"]}
    apply(booted, 0, first, api=WATCHED, reader=reader)
    apply(booted, 7, second, api={**WATCHED, "exec_start": GONE}, reader=reader)
    healthy, read = invocation(booted, "api.service"), invocation(booted, "reader.service")
    said = say(booted, "rollback", "--auto-approve")

    assert "first\n" == booted.read("/etc/other.conf")
    assert "restart reader.service" in said
    assert "restart api.service" not in said
    assert healthy == invocation(booted, "api.service")
    assert read != invocation(booted, "reader.service")
    again, read = say(booted, "rollback", "--auto-approve"), invocation(booted, "reader.service")
    assert "second\n" == booted.read("/etc/other.conf"), "a rollback can be rolled back"
    assert "restart reader.service" in again
    assert read
    assert healthy == invocation(booted, "api.service")


def test_rollback_passes_over_what_is_undone(booted: BootedHost) -> None:
    """A run that was put back as a whole is undone: the next one is named, with the reason, and so is an
    explicit number.
    """
    apply(booted, 0, api=WATCHED)
    apply(booted, 0, api={**WATCHED, "description": "second"})
    apply(booted, 7, api={**WATCHED, "exec_start": GONE})
    healthy = invocation(booted, "api.service")
    explicit = say(booted, "rollback", "3", "--auto-approve")
    said = say(booted, "rollback", "--auto-approve")

    assert "everything is as it was before that run" in explicit
    assert "Rollback of run 2 " in said
    assert "It is the last one that is not undone: run 3 was undone by run 4." in said
    assert "second" not in booted.read("/etc/systemd/system/api.service")
    assert healthy == invocation(booted, "api.service") or "restart api.service" in said
    again = say(booted, "rollback", "--auto-approve")
    assert "Rollback of run 5 " in again  # a rollback that a person made can be undone as ever
    assert "second" in booted.read("/etc/systemd/system/api.service")


@pytest.mark.parametrize(
    "gate", [{}, {"health": {"within": "500ms", "then": "fail"}}], ids=["without-health", "then-fail"]
)
def test_a_failed_start_whose_unit_was_written_is_a_change(booted: BootedHost, gate: dict[str, Any]) -> None:
    """New, changed, or beside one that was put back: 6 with the count; a start alone that fails again changes
    nothing: 4.
    """
    bad = {"exec_start": ["/bin/sh", "-c", "exit 3"], "restart": "no", **gate}
    new = apply(booted, 6, api=WATCHED, web=bad)
    changed = apply(booted, 6, api=WATCHED, web={**bad, "exec_start": GONE})
    again = apply(booted, 4, api=WATCHED, web={**bad, "exec_start": GONE})
    beside = apply(booted, 6, api={**WATCHED, "exec_start": GONE}, web=bad)

    assert "Resources: 2 added, 0 changed, 0 destroyed." in new
    assert "1 failed. Resources: 0 added, 1 changed, 0 destroyed." in changed
    assert "1 failed. Resources: 0 added, 0 changed, 0 destroyed." in again
    assert "1 failed, 1 put back. Resources: 0 added, 1 changed, 0 destroyed." in beside
    assert "active" == booted.active("api.service")


LATE = """#!/bin/sh
# late.sh TIMES FILE: fails so often, then stays.
n=$(cat "$2" 2>/dev/null || echo 0); echo $((n + 1)) > "$2"
[ "$n" -ge "$1" ] || { echo "the database is not ready"; exit 3; }
exec sleep infinity
"""


def test_within_waits_for_what_restart_brings_up(booted: BootedHost) -> None:
    """A service that `Restart=` brings up in the window passes, after one failure or several; one that loops,
    or is given up, does not.
    """
    booted.write("/opt/late.sh", LATE, "0755")
    pages = {"tcp": "127.0.0.1:8765", "interval": "100ms"}
    serve = [
        "/bin/sh",
        "-c",
        "/opt/late.sh 1 /run/c & wait $!; exec python3 -m http.server 8765 --bind 127.0.0.1",
    ]
    services = {
        "once": {
            "exec_start": ["/opt/late.sh", "1", "/run/a"],
            "restart_sec": "2s",
            "health": {"within": "5s"},
        },
        "thrice": {
            "exec_start": ["/opt/late.sh", "3", "/run/b"],
            "restart_sec": "300ms",
            "health": {"within": "5s"},
        },
        "asked": {"exec_start": serve, "restart_sec": "300ms", "health": {**pages, "within": "20s"}},
        "notify": {
            "exec_start": ["/opt/late.sh", "1", "/run/d"],
            "type": "simple",
            "restart_sec": "1s",
            "health": {"within": "4s"},
        },
    }
    apply(booted, 0, **services)

    assert ["1", "3", "1"] == [
        booted.show(f"{name}.service", "NRestarts")["NRestarts"] for name in ("once", "thrice", "notify")
    ]
    assert {"active"} == {booted.active(f"{name}.service") for name in services}
    loops = {"exec_start": ["/bin/sh", "-c", "sleep 0.3; exit 3"], "restart_sec": "100ms"}
    for name, bad in {
        "once": {**loops, "health": {"within": "1200ms"}},
        "thrice": {**loops, "restart": "no", "health": {"within": "20s"}},
        "notify": {"exec_start": ["/bin/false"], "restart_sec": "300ms", "health": {"within": "1s"}},
    }.items():
        said = apply(booted, 7, **{**services, name: bad})

        assert f"services.{name} {name}.service: " in said
        assert "active" == booted.active(f"{name}.service"), said


def test_after_a_failed_apply_everything_names_it(booted: BootedHost) -> None:
    """status, show and doctor name the apply that failed and every reason; nothing advises to apply the same
    again.
    """
    apply(booted, 0, api=WATCHED)
    bad = {"exec_start": GONE}
    apply(
        booted,
        6,
        api={**WATCHED, **bad},
        web=bad,
        more={"exec_start": ["/bin/sh", "-c", "echo port in use; exit 3"], "restart": "no"},
    )
    status, shown, doctor = (
        say(booted, "status"),
        booted.reconciler("show", "2").stdout,
        say(booted, "doctor", code=2),
    )

    assert "last apply run 2, partial, put back by run 3" in status
    for name in ("api", "web", "more"):
        assert f"x services.{name} {name}.service: " in status
        assert f"{name}.service: " in shown
    assert "reconciler show 2 tells what failed" in status
    assert "reconciler apply to do it" not in status
    assert "last run run 2: partial" in doctor
    assert "port in use" in [line.strip() for line in shown.splitlines()]
    assert all(" | " not in line for line in shown.splitlines())
    booted.write(SPEC, json.dumps({"version": 1, "host": "testhost", "services": {}, "groups": {"g": {}}}))
    gone = booted.reconciler("apply", SPEC, "--auto-approve", "--allow", "many-destroyed")
    assert 0 == gone.returncode  # what was put back is not blocked for ever
    assert "" == booted.run("find", "/etc/systemd/system", "-name", "api.service").stdout
    assert "No changes." in say(booted, "plan", SPEC)


def test_what_a_failed_apply_wrote_is_shown(booted: BootedHost) -> None:
    """A plan and explain show what stands in our own units, new or changed, and call it nobody else's."""
    false = {"exec_start": ["/bin/false"], "restart": "no"}
    apply(booted, 0, web={"exec_start": SLEEP})
    apply(booted, 6, api={**false, "description": "first"}, web={**false, "description": "first"})
    told = say(booted, "explain", "services.api", SPEC)
    services = {
        name: {"exec_start": SLEEP, "restart": "no", "description": "second"} for name in ("api", "web")
    }
    booted.write(SPEC, json.dumps({"version": 1, "host": "testhost", "services": services}))
    plan = say(booted, "plan", SPEC)
    changed = {name: say(booted, "explain", f"services.{name}", SPEC) for name in services}

    assert 2 == plan.count("~ Unit.Description: first -> second")
    assert 2 == plan.count("~ Service.ExecStart: /bin/false -> /usr/bin/sleep infinity")
    assert "not shown" not in plan
    assert "changed outside of the spec" not in plan
    assert 1 == told.count("! ")
    assert "! state declared running, applied -, observed failed" in told
    for name, text in changed.items():
        assert "declared second, applied first, observed first" in text, name
        assert "declared /usr/bin/sleep infinity, applied /bin/false, observed /bin/false" in text, name
        assert f"start {name}.service because it is failed" in text


def test_after_a_rollback_status_does_not_advise_the_apply(booted: BootedHost) -> None:
    """The next apply brings the undone version back: it is said, with what to do."""
    apply(booted, 0, api=WATCHED)
    apply(booted, 0, api={**WATCHED, "description": "bad"})
    say(booted, "rollback", "--auto-approve")
    status = say(booted, "status")

    assert "the next apply brings back what run 3 undid (reconciler show 2). Revert the commit" in status
    assert "reconciler apply to do it" not in status


def test_a_run_that_was_killed_is_interrupted_everywhere(booted: BootedHost) -> None:
    """Before anything else runs: history, show, status and plan say so of an apply that SIGKILL ended in a
    start.
    """
    slow = {"exec_start": SLEEP, "exec_start_pre": [["/usr/bin/sleep", "20"]]}
    booted.write(SPEC, json.dumps({"version": 1, "host": "testhost", "services": {"api": slow}}))
    killed = (
        "reconciler apply /root/host.yaml --auto-approve & until systemctl show -P ActiveState api | grep -q"
        " activating; do sleep 0.1; done"
    )
    booted.run("sh", "-c", f"{killed}; kill -9 $!; wait $!; [ $? = 137 ]")
    history = json.loads(booted.reconciler("history", "--json").stdout)

    assert "interrupted" in say(booted, "history")
    assert "running" not in json.dumps(history)
    assert "Run 1: interrupted" in say(booted, "show", "1")
    assert "last apply run 1, interrupted" in say(booted, "status")
    assert "interrupted" in say(booted, "plan", SPEC)


@pytest.mark.parametrize("ends", ["exit 3", "kill -SEGV $$"])
def test_a_crash_is_nobodys_change(booted: BootedHost, ends: str) -> None:
    """A service that ended by itself is told as failed everywhere, and where to look; one that was changed by
    hand as changed.
    """
    apply(
        booted,
        0,
        api={"exec_start": ["/bin/sh", "-c", f"sleep 3; {ends}"], "restart": "no"},
        other={"exec_start": SLEEP},
    )
    booted.run("sh", "-c", "until systemctl is-failed --quiet api.service; do sleep 0.1; done")
    said = {
        name: say(booted, *name.split())
        for name in ("plan", "drift", "explain services.api", "status", "service list")
    }

    for name, words in said.items():
        assert "failed" in words, name
        assert "changed on the host" not in words, name
        assert "outside of the spec" not in words, name
        assert "drifted" not in words, name
    assert "reconciler service status api" in said["status"]
    booted.run("systemctl", "stop", "other.service")
    changed = say(booted, "drift")
    assert "1 object has changed outside of the spec." in changed
    assert "1 service has failed, which is nobody's change." in changed


def test_the_environment_of_who_applies_is_not_that_of_programs(booted: BootedHost) -> None:
    """A pager or an editor that is not there changes nothing: no program of the host is given these
    variables.
    """
    said = {
        "services": {"api": WATCHED},
        "users": {"u": {"sudo": [{"run": ["/usr/bin/true"]}]}},
        "timers": {},
    }
    said["timers"] = {"t": {"schedule": "daily", "exec_start": ["/bin/true"]}}
    booted.write(SPEC, json.dumps({"version": 1, "host": "testhost", **said}))
    names = (
        "SYSTEMD_PAGER",
        "SYSTEMD_EDITOR",
        "EDITOR",
        "VISUAL",
        "PAGER",
        "SUDO_EDITOR",
        "SYSTEMD_PAGERSECURE",
    )
    done = booted.reconciler(
        "apply", SPEC, "--auto-approve", check=False, env=dict.fromkeys(names, "/opt/nothing")
    )

    assert 0 == done.returncode, done.stdout + done.stderr
    assert "active" == booted.active("api.service")
