"""What a plan says that stops, starts, restarts and reloads is what an apply makes stop, start, restart and reload, judged by systemd.

Random graphs of units, some declared, some of others, some with `on_change: none`, some on hold, and a random change of the spec.
`RECONCILER_FAULTS=1` plays 200; `RECONCILER_SEED=17` plays the ten graphs from that one on.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.host import unit_graphs
from tests.host.booted import BootedHost
from tests.host.unit_graphs import Drawn, Graph

pytestmark = [pytest.mark.booted, pytest.mark.timeout(1500)]

SPEC = "/root/host.yaml"
FULL = bool(os.environ.get("RECONCILER_FAULTS"))
SEED = int(os.environ.get("RECONCILER_SEED", "0"))
BATCH = 10
RELATIONS = ("Requires", "BindsTo", "PartOf", "Requisite", "Wants", "PropagatesStopTo", "PropagatesReloadTo", "Upholds")
"""Conflicts= between two that are to run is refused; test_taken_along.py has it."""


@dataclass
class Course:
    """One graph: what the spec says first and then, and the units of others."""

    seed: int
    first: dict[str, dict[str, Any]] = field(default_factory=dict)
    then: dict[str, dict[str, Any]] = field(default_factory=dict)
    foreign: dict[str, Drawn] = field(default_factory=dict)
    held: list[str] = field(default_factory=list)

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
        if lot.random() < 0.2:
            course.foreign[f"{name}.service"] = Drawn(said)
        else:
            course.first[name] = _service(said, on_change="none" if lot.random() < 0.15 else "restart")
    course.then = {name: dict(service) for name, service in course.first.items()}
    for name in lot.sample(list(course.then), min(len(course.then), lot.randint(1, 2))):
        _change(course.then, name, lot.choice(("restart", "restart", "restart", "reload", "remove", "stop")))
    course.held = [name for name in course.first if lot.random() < 0.08]
    return course


def _service(relations: Mapping[str, Sequence[str]], on_change: str) -> dict[str, Any]:
    unit = {key: list(value) for key, value in relations.items() if key not in ("Requires", "Wants", "After")}
    fields = {key.lower(): list(value) for key, value in relations.items() if key in ("Requires", "Wants", "After")}
    directives = {"directives": {"Unit": unit}} if unit else {}
    return {
        "exec_start": ["/usr/bin/sleep", "infinity"],
        "exec_reload": ["/usr/bin/true"],
        "environment": {"A": "1"},
        "on_change": on_change,
        **fields,
        **directives,
    }


def _change(services: dict[str, dict[str, Any]], name: str, what: str) -> None:
    if what == "remove":
        del services[name]
    elif what == "stop":
        services[name]["state"] = "stopped"
    elif what == "reload":
        services[name]["watch"] = ["/root/watched"]
    else:
        services[name]["environment"] = {"A": "2"}


def declare(host: BootedHost, services: Mapping[str, Any]) -> None:
    """Write the spec."""
    host.write(SPEC, json.dumps({"version": 1, "host": host.hostname, "services": services}))


def valid(host: BootedHost, courses: Sequence[Course]) -> list[Course]:
    """The courses of which neither spec is refused as a contradiction."""
    left = []
    for course in courses:
        declare(host, course.then)
        if host.run("reconciler", "validate", SPEC, check=False).returncode == 0:
            left.append(course)
    return left


def planned(host: BootedHost) -> dict[str, str]:
    """What the plan says that happens to units: what it asks of them, and what systemd does along."""
    plan = json.loads(host.run("reconciler", "plan", SPEC, "--json", check=False).stdout)
    verbs: dict[str, list[str]] = {}
    for step in plan["steps"]:
        if step["action"] == "Unit" and not step["held"]:
            for unit in step["units"]:
                verbs.setdefault(unit, []).append(step["verb"])
    for entry in plan["resource_changes"]:
        for effect in entry["effects"]:
            if effect.get("along_with"):
                verbs.setdefault(effect["unit"], []).append(effect["kind"])
    return {unit: _net(said) for unit, said in verbs.items()}


def _net(verbs: Sequence[str]) -> str:
    """What is to be seen of several: stopped and started is restarted."""
    kinds = set(verbs) - {"reset-failed"}
    if "restart" in kinds or {"stop", "start"} <= kinds:
        return "restart"
    return next(iter(kinds - {"reload"}), "reload" if kinds else "")


def play(host: BootedHost, seeds: Sequence[int], outside: Path) -> list[str]:
    """Play courses in one spec; what came otherwise than planned."""
    courses = valid(host, [draw(seed) for seed in seeds])
    foreign = {name: unit for course in courses for name, unit in course.foreign.items()}
    graph = Graph(seeds[0], foreign, [], [], "start", [])
    unit_graphs.write(host, [graph], outside, pin=f"pin{seeds[0]}.target")
    declare(host, {name: service for course in courses for name, service in course.first.items()})
    host.run("reconciler", "apply", SPEC, "--auto-approve", check=False)
    if foreign:
        host.run("systemctl", "start", "--", *foreign, check=False)
    unit_graphs.settle(host)
    host.run("reconciler", "apply", SPEC, "--auto-approve", check=False)
    unit_graphs.settle(host)
    for name in (name for course in courses for name in course.held):
        host.run("reconciler", "hold", "add", f"services.{name}", "--for", "1h", "--why", "a test")
    declare(host, {name: service for course in courses for name, service in course.then.items()})
    names = sorted(name for course in courses for name in course.names)
    _, before = unit_graphs.look(host, names)
    told = planned(host)
    done = host.run("reconciler", "apply", SPEC, "--auto-approve", check=False)
    unit_graphs.settle(host)
    _, after = unit_graphs.look(host, names)
    every = Graph(seeds[0], {**foreign, **dict.fromkeys((name for name in names if name not in foreign), Drawn())}, [], [], "start", [])
    happened = unit_graphs.done(before, after, every)
    wrong = [_wrong(course, told, happened) for course in courses]
    output = [done.stdout + done.stderr] if any(wrong) else []
    return [*filter(None, wrong), *output]


def _wrong(course: Course, told: Mapping[str, str], happened: Mapping[str, str]) -> str:
    mine = {name: (told.get(name, ""), happened.get(name, "")) for name in course.names}
    other = {name: pair for name, pair in mine.items() if pair[0] != pair[1] and pair != ("reload", "")}
    if not other:
        return ""
    units = {name: unit.relations for name, unit in course.foreign.items()}
    return f"seed {course.seed}: planned and done {other}\n{json.dumps([course.first, course.then, units, course.held])}"


def test_what_is_planned_is_what_systemd_does(tmp_path: Path) -> None:
    """For every graph the units that stop, start, restart and reload are those of the plan, and nothing else happens to any."""
    first = SEED or (1 + random.SystemRandom().randrange(10**6) if FULL else 1)
    seeds = range(first, first + (200 if FULL and not SEED else BATCH))
    wrong: list[str] = []
    for at in range(0, len(seeds), BATCH):
        with BootedHost() as host:
            wrong += play(host, seeds[at : at + BATCH], tmp_path)

    assert not wrong, "\n".join(wrong)
