"""The units that a plan says stop, start, restart and reload are those that an apply makes stop, start,
restart and reload, judged by systemd.

Random graphs of units, some declared, some of others, some with `on_change: none`, some on hold, and a random
change of the spec. `RECONCILER_FAULTS=1` plays 200; `RECONCILER_SEED=17` plays the ten graphs from that one
on.
"""

from __future__ import annotations

import copy
import itertools
import json
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.booted import unit_graphs
from tests.booted.booted import BootedHost
from tests.booted.unit_graphs import Drawn, Graph

pytestmark = [pytest.mark.booted, pytest.mark.timeout(1500)]

SPEC = "/root/host.yaml"
FULL = bool(os.environ.get("RECONCILER_FAULTS"))
SEED = int(os.environ.get("RECONCILER_SEED", "0"))
BATCH = 10
RELATIONS = (
    *("Requires", "BindsTo", "PartOf", "Requisite", "Wants", "Upholds"),
    *("PropagatesStopTo", "StopPropagatedFrom", "PropagatesReloadTo", "ReloadPropagatedFrom"),
)
"""Between any two.

Conflicts= is only where one of the two is stopped, or comes new while a unit of others runs.
"""
CHANGES = ("restart", "restart", "restart", "reload", "reload", "remove", "stop", "add")


@dataclass
class Course:
    """One graph: what the spec says first and then, and the units of others."""

    seed: int
    first: dict[str, dict[str, Any]] = field(default_factory=dict)
    then: dict[str, dict[str, Any]] = field(default_factory=dict)
    foreign: dict[str, Drawn] = field(default_factory=dict)
    held: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    """The services that only the second spec has."""
    watched: list[str] = field(default_factory=list)
    """Files that change between the two."""

    @property
    def before(self) -> dict[str, dict[str, Any]]:
        """The services of the first spec."""
        return {name: service for name, service in self.first.items() if name not in self.new}

    @property
    def names(self) -> list[str]:
        """All units."""
        return [*(f"{name}.service" for name in self.first), *self.foreign]


def draw(seed: int) -> Course:
    """A course; the same for the same seed."""
    lot = random.Random(seed)  # noqa: S311  # a lot, no secret
    names = [f"d{seed}-{letter}" for letter in "abcdefgh"[: lot.randint(3, 8)]]
    relations: dict[str, dict[str, set[str]]] = {name: {} for name in names}
    for _ in range(lot.randint(2, len(names))):
        # From later ones to earlier ones: no order that goes round in a circle.
        other, one = sorted(lot.sample(names, 2))
        relations[one].setdefault(lot.choice(RELATIONS), set()).add(f"{other}.service")
        relations[one].setdefault("After", set()).add(f"{other}.service")
    course = Course(seed)
    for name in names:
        said = {key: sorted(value) for key, value in relations[name].items()}
        if lot.random() < 0.25:
            course.foreign[f"{name}.service"] = Drawn(said)
        else:
            course.first[name] = _service(said, on_change="none" if lot.random() < 0.15 else "restart")
    if lot.random() < 0.4:
        _conflict(course, lot)
    course.then = copy.deepcopy(course.first)
    for name in lot.sample(sorted(course.then), min(len(course.then), lot.randint(1, 2))):
        _change(course, name, lot.choice(CHANGES))
    course.held = [name for name in course.first if lot.random() < 0.08]
    return course


def _conflict(course: Course, lot: random.Random) -> None:
    """One that is stopped, or comes new, conflicts with another."""
    names = sorted(course.first)
    if course.foreign and names and lot.random() < 0.5:
        one, other = lot.choice(names), lot.choice(sorted(course.foreign))
        course.new.append(one)
    elif len(names) > 1:
        one, stopped = lot.sample(names, 2)
        course.first[stopped]["state"] = "stopped"
        other = f"{stopped}.service"
    else:
        return
    course.first[one].setdefault("directives", {}).setdefault("Unit", {})["Conflicts"] = [other]


def _service(relations: Mapping[str, Sequence[str]], on_change: str) -> dict[str, Any]:
    unit = {key: list(value) for key, value in relations.items() if key not in ("Requires", "Wants", "After")}
    fields = {
        key.lower(): list(value) for key, value in relations.items() if key in ("Requires", "Wants", "After")
    }
    directives = {"directives": {"Unit": unit}} if unit else {}
    return {
        "exec_start": ["/usr/bin/sleep", "infinity"],
        "exec_reload": ["/usr/bin/true"],
        "environment": {"A": "1"},
        "on_change": on_change,
        **fields,
        **directives,
    }


def _change(course: Course, name: str, what: str) -> None:
    service = course.then[name]
    if what == "remove":
        del course.then[name]
    elif what == "stop":
        service["state"] = "stopped"
    elif what == "add":
        course.new.append(name)
    elif what == "reload":
        for said in (service, course.first[name]):
            said |= {"watch": [f"/root/{name}.conf"], "on_change": "reload"}
        course.watched.append(f"/root/{name}.conf")
    else:
        service["environment"] = {"A": "2"}


def declare(host: BootedHost, services: Mapping[str, Any]) -> None:
    """Write the spec."""
    host.write(SPEC, json.dumps({"version": 1, "host": host.hostname, "services": services}))


def valid(host: BootedHost, courses: Sequence[Course]) -> list[Course]:
    """The courses of which neither spec is refused as a contradiction."""
    return [course for course in courses if _is_valid(host, course.before) and _is_valid(host, course.then)]


def _is_valid(host: BootedHost, services: Mapping[str, Any]) -> bool:
    declare(host, services)
    return host.run("reconciler", "validate", SPEC, check=False).returncode == 0


def planned(host: BootedHost) -> tuple[dict[str, str], int]:
    """The verb of each unit in the plan, asked for by the plan or done along by systemd; and how many are
    done along.
    """
    plan = json.loads(host.run("reconciler", "plan", SPEC, "--json", check=False).stdout)
    verbs: dict[str, list[str]] = {}
    for step in plan["steps"]:
        if step["action"] == "Unit" and not step["held"]:
            for unit in step["units"]:
                verbs.setdefault(unit, []).append(step["verb"])
    along = [
        effect
        for entry in plan["resource_changes"]
        for effect in entry["effects"]
        if effect.get("along_with")
    ]
    for effect in along:
        verbs.setdefault(effect["unit"], []).append(effect["kind"])
    return {unit: _net(said) for unit, said in verbs.items()}, len(along)


def _net(verbs: Sequence[str]) -> str:
    """The net effect of several verbs: stopped and started is restarted."""
    kinds = set(verbs) - {"reset-failed"}
    if "restart" in kinds or {"stop", "start"} <= kinds:
        return "restart"
    return next(iter(kinds - {"reload"}), "reload" if kinds else "")


def play(host: BootedHost, courses: Sequence[Course], outside: Path) -> tuple[list[str], int]:
    """Play courses in one spec: what came otherwise than planned, and how many effects the plan had."""
    bring_up(host, courses, outside)
    foreign = {name: unit for course in courses for name, unit in course.foreign.items()}
    declare(host, {name: service for course in courses for name, service in course.then.items()})
    names = sorted(name for course in courses for name in course.names)
    _, before = unit_graphs.look(host, names)
    told, along = planned(host)
    done = host.run("reconciler", "apply", SPEC, "--auto-approve", check=False)
    unit_graphs.settle(host)
    _, after = unit_graphs.look(host, names)
    every = Graph(courses[0].seed, {**dict.fromkeys(names, Drawn()), **foreign}, [], [], "start", [])
    happened = unit_graphs.done(before, after, every)
    wrong = [_wrong(course, told, happened) for course in courses]
    output = [done.stdout + done.stderr] if any(wrong) else []
    return [*filter(None, wrong), *output], along


def bring_up(host: BootedHost, courses: Sequence[Course], outside: Path) -> None:
    """The first spec applied, the units of others started, holds set, and then the watched files changed."""
    foreign = {name: unit for course in courses for name, unit in course.foreign.items()}
    graph = Graph(courses[0].seed, foreign, [], [], "start", [])
    unit_graphs.write(host, [graph], outside, pin=f"pin{courses[0].seed}.target")
    watched = [path for course in courses for path in course.watched]
    for path in watched:
        host.write(path, "1")
    declare(host, {name: service for course in courses for name, service in course.before.items()})
    host.run("reconciler", "apply", SPEC, "--auto-approve", check=False)
    if foreign:
        host.run("systemctl", "start", "--", *foreign, check=False)
    unit_graphs.settle(host)
    host.run("reconciler", "apply", SPEC, "--auto-approve", check=False)
    unit_graphs.settle(host)
    for name in (name for course in courses for name in course.held if name in course.before):
        host.run("reconciler", "hold", "add", f"services.{name}", "--for", "1h", "--why", "a test")
    for path in watched:
        host.write(path, "2")


def _wrong(course: Course, told: Mapping[str, str], happened: Mapping[str, str]) -> str:
    pairs = {name: (told.get(name, ""), happened.get(name, "")) for name in course.names}
    other = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    if not other:
        return ""
    units = {name: unit.relations for name, unit in course.foreign.items()}
    return (
        f"seed {course.seed}: planned and done"
        f" {other}\n{json.dumps([course.before, course.then, units, course.held])}"
    )


def play_all(many: int, outside: Path) -> tuple[list[str], int]:
    """As `play`, for so many courses that are valid, ten to a host."""
    first = SEED or (1 + random.SystemRandom().randrange(10**6) if FULL else 1)
    seeds = itertools.count(first)
    wrong: list[str] = []
    along = played = 0
    while played < many:
        with BootedHost() as host:
            courses = valid(host, [draw(next(seeds)) for _ in range(BATCH)])[: many - played]
            problems, effects = play(host, courses, outside)
            wrong, along, played = wrong + problems, along + effects, played + len(courses)
    return wrong, along


def test_what_is_planned_is_what_systemd_does(tmp_path: Path) -> None:
    """For every graph the units that stop, start, restart and reload are those of the plan, and nothing else
    happens to any.
    """
    many = 200 if FULL and not SEED else BATCH
    wrong, along = play_all(many, tmp_path)

    assert not wrong, "\n".join(wrong)
    assert along >= many / 4, "hardly any graph in which something is taken along"
