"""On a booted host: what systemd takes along with an apply is what the plan said, judged by InvocationID."""

from __future__ import annotations

import json
from typing import Any

from tests.booted.booted import BootedHost

SPEC = "/root/host.yaml"
SLEEP = "[/usr/bin/sleep, infinity]"
FOREIGN = "[Unit]\nRequires=db.service\nAfter=db.service\n[Service]\nExecStart=/usr/bin/sleep infinity\n"


def declare(host: BootedHost, *services: str) -> None:
    """Write a spec of these services, each a line of YAML."""
    host.write(
        SPEC, f"version: 1\nhost: {host.hostname}\nservices:\n" + "".join(f"  {line}\n" for line in services)
    )


def apply(host: BootedHost, *codes: int) -> str:
    """The output of an apply; its exit code must be one of these, or 0 if none is given."""
    done = host.run("reconciler", "apply", SPEC, "--auto-approve", check=False)
    assert done.returncode in (codes or (0,)), done.stdout + done.stderr
    return done.stdout + done.stderr


def effects(host: BootedHost) -> dict[str, str]:
    """The units that the plan says are taken along, and what happens to them."""
    plan: dict[str, Any] = json.loads(host.run("reconciler", "plan", SPEC, "--json").stdout)
    told = (
        effect
        for entry in plan["resource_changes"]
        for effect in entry["effects"]
        if effect.get("along_with")
    )
    return {effect["unit"]: effect["kind"] for effect in told}


def processes(host: BootedHost, *names: str) -> dict[str, str]:
    """The InvocationID of each service that runs; empty of another."""
    shown = {name: host.show(f"{name}.service", "ActiveState", "InvocationID") for name in names}
    return {
        name: said["InvocationID"] if said["ActiveState"] == "active" else "" for name, said in shown.items()
    }


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """Whose process is another one, or gone."""
    return {name for name in before if before[name] != after[name]}


def test_dependents(booted: BootedHost) -> None:
    """Restarts take along what the plan says, and nothing that says `on_change: none`; removals of what is
    required are refused.
    """
    host = booted
    host.write("/etc/systemd/system/other.service", FOREIGN)
    names = ("db", "web", "other", "train")
    web = f"web: {{exec_start: {SLEEP}, requires: [db.service]}}"
    declare(host, f"db: {{exec_start: {SLEEP}, environment: {{A: '1'}}}}", web)
    apply(host)
    host.run("systemctl", "start", "other")
    before = processes(host, *names)

    declare(host, f"db: {{exec_start: {SLEEP}, environment: {{A: '2'}}}}", web)
    told = effects(host)
    text = apply(host)
    after = processes(host, *names)
    assert {"web.service": "restart", "other.service": "restart"} == told
    assert {"db", "web", "other"} == changed(before, after)
    assert (
        "other.service is not in the spec, and is restarted with db.service: it requires db.service." in text
    )
    assert "" not in (after["db"], after["web"], after["other"])

    train = f"train: {{exec_start: {SLEEP}, requires: [db.service], on_change: none}}"
    declare(host, f"db: {{exec_start: {SLEEP}, environment: {{A: '2'}}}}", web, train)
    apply(host)
    before = processes(host, *names)
    declare(host, f"db: {{exec_start: {SLEEP}, environment: {{A: '3'}}}}", web, train)
    text = apply(host)
    assert "services.train says `on_change: none`" in text
    assert "restart train.service as well" in host.run("reconciler", "doctor", check=False).stdout
    assert (
        "systemctl restart db.service, when it suits" in host.run("reconciler", "doctor", check=False).stdout
    )
    assert "train.service would be restarted with it" in host.run("reconciler", "status").stdout
    assert set() == changed(before, processes(host, *names))
    apply(host)
    assert set() == changed(before, processes(host, *names))

    declare(host, web, train)
    text = apply(host, 4)
    assert "a running service requires it" in text
    declare(host, f"db: {{exec_start: {SLEEP}, environment: {{A: '3'}}, state: stopped}}", web, train)
    assert "a required unit is stopped" in apply(host, 1)
    assert set() == changed(before, processes(host, *names))

    # A person restarts it: what was owed is settled, and the next apply does nothing.
    declare(host, f"db: {{exec_start: {SLEEP}, environment: {{A: '3'}}}}", web, train)
    host.run("systemctl", "restart", "db")
    before = processes(host, *names)
    assert "No changes." in host.run("reconciler", "plan", SPEC).stdout
    apply(host)
    assert set() == changed(before, processes(host, *names))


def test_what_is_upheld_stays(booted: BootedHost) -> None:
    """systemd starts again what a running unit upholds: no stop and no removal is tried, and the advice of
    the message ends it.
    """
    host = booted
    for name in ("far", "gone"):
        holder = f"[Unit]\nUpholds={name}.service\n[Service]\nExecStart=/usr/bin/sleep infinity\n"
        host.write(f"/etc/systemd/system/keeps-{name}.service", holder)
    near, web = (
        f"near: {{exec_start: {SLEEP}}}",
        f"web: {{exec_start: {SLEEP}, directives: {{Unit: {{Upholds: [near.service]}}}}}}",
    )
    names = ("far", "gone", "near", "web")
    declare(host, f"far: {{exec_start: {SLEEP}}}", f"gone: {{exec_start: {SLEEP}}}", near, web)
    apply(host)
    host.run("systemctl", "start", "keeps-far", "keeps-gone")
    before = processes(host, *names)
    asked = host.run("reconciler", "service", "stop", "far", "--spec", SPEC, check=False)
    assert 3 == asked.returncode
    assert (
        "far.service does not stay so: systemd would start it again, since keeps-far.service upholds it"
        in asked.stderr
    )

    declare(host, f"far: {{exec_start: {SLEEP}, state: stopped}}", web)
    plan = host.run("reconciler", "plan", SPEC, check=False).stdout
    text = " ".join(apply(host, 4).split())
    for name in ("far", "gone"):
        assert (
            f"keeps-{name}.service upholds it, which is not in the spec: systemd would start it again at once"
            in text
        )
    assert "web.service upholds it (services.web (root/host.yaml:" in text
    assert "stop far.service" not in plan
    assert set() == changed(before, processes(host, *names))
    declare(host, f"near: {{exec_start: {SLEEP}, state: stopped}}", web)
    assert "a stopped unit is upheld" in apply(host, 1)

    # The advice, followed: taken out of what upholds it, that one stopped before, or both gone together.
    host.write("/etc/systemd/system/keeps-far.service", "[Service]\nExecStart=/usr/bin/sleep infinity\n")
    host.run("systemctl", "daemon-reload")
    host.run("systemctl", "stop", "keeps-gone")
    declare(host, f"far: {{exec_start: {SLEEP}, state: stopped}}")
    apply(host)
    assert dict.fromkeys(names, "") == processes(host, *names)
    assert "No changes." in host.run("reconciler", "plan", SPEC).stdout


def test_what_a_failed_start_took_down_runs_again(booted: BootedHost) -> None:
    """After a put-back the dependents run again, declared or not; exit 7 means that nothing else failed."""
    host = booted
    host.write("/etc/systemd/system/other.service", FOREIGN)
    health = "health: {within: 3s}"
    web = f"web: {{exec_start: {SLEEP}, requires: [db.service], after: [db.service]}}"
    declare(host, f"db: {{exec_start: {SLEEP}, {health}}}", web)
    apply(host)
    host.run("systemctl", "start", "other")
    declare(host, f"db: {{exec_start: {SLEEP}, exec_start_pre: [[/bin/false]], {health}}}", web)
    apply(host, 7)
    assert "" not in processes(host, "db", "web", "other").values()

    # Without `health` nothing is put back: the run says what does not run any more.
    declare(host, f"db: {{exec_start: {SLEEP}, exec_start_pre: [[/bin/sh, -c, exit 3]]}}", web)
    text = apply(host, 4, 6)
    assert "other.service ran before, was stopped along with services.db, and does not run now" in text
    assert "web.service ran before" in text
    assert {"db": "", "web": "", "other": ""} == processes(host, "db", "web", "other")


def test_service_commands_tell_whom_they_take_along(booted: BootedHost) -> None:
    """`service restart` and `stop` name the dependents and do nothing unasked; with --auto-approve they do
    it.
    """
    host = booted
    names = ("db", "web")
    web = f"web: {{exec_start: {SLEEP}, requires: [db.service], on_change: none}}"
    declare(host, f"db: {{exec_start: {SLEEP}}}", web)
    apply(host)
    before = processes(host, *names)
    for verb in ("restart", "stop"):
        refused = host.run("reconciler", "service", verb, "db", "--spec", SPEC, check=False)
        assert 3 == refused.returncode
        assert (
            f"{verb} web.service as well: it requires db.service (it says `on_change: none`)"
            in refused.stderr
        )
    assert set() == changed(before, processes(host, *names))
    host.run("reconciler", "service", "restart", "web", "--spec", SPEC)
    assert {"web"} == changed(before, processes(host, *names))
    host.run("reconciler", "service", "stop", "db", "--spec", SPEC, "--auto-approve")
    assert {"db": "", "web": ""} == processes(host, *names)


def test_a_rollback_takes_along_what_it_says(booted: BootedHost) -> None:
    """A rollback names the dependents; what says `on_change: none` keeps its restart owed."""
    host = booted
    names = ("db", "web", "train")
    web = f"web: {{exec_start: {SLEEP}, requires: [db.service]}}"
    train = f"train: {{exec_start: {SLEEP}, requires: [db.service], on_change: none}}"
    declare(host, f"db: {{exec_start: {SLEEP}, environment: {{A: '1'}}}}", web)
    apply(host)
    declare(host, f"db: {{exec_start: {SLEEP}, environment: {{A: '2'}}}}", web)
    apply(host)
    before = processes(host, *names)
    done = host.run("reconciler", "rollback", "--auto-approve")
    assert "restart web.service (along with db.service)" in done.stdout
    assert {"db", "web"} == changed(before, processes(host, *names))

    declare(host, f"db: {{exec_start: {SLEEP}, environment: {{A: '3'}}}}", web)
    apply(host)
    declare(host, f"db: {{exec_start: {SLEEP}, environment: {{A: '3'}}}}", web, train)
    apply(host)
    before = processes(host, *names)
    done = host.run("reconciler", "rollback", "4", "--auto-approve", check=False)
    assert "services.train says `on_change: none`" in done.stdout + done.stderr
    assert set() == changed(before, processes(host, *names))
