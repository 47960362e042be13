"""Each relation with each verb, for a dependent that is declared, held, `on_change: none`, or of others:
judged by InvocationID.

One unit is changed so that the verb is due, and another is tied to it; a table has what must become of the
other. `RECONCILER_FAULTS=1` plays the whole table on both Debians; otherwise what leads to nothing is left
out, and Debian 13 has only what differs there.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.booted import unit_graphs
from tests.booted.booted import BootedHost
from tests.booted.test_dependent_plans import SPEC, declare, planned
from tests.booted.unit_graphs import Drawn, Graph

pytestmark = [pytest.mark.booted, pytest.mark.timeout(600)]

FULL = bool(os.environ.get("RECONCILER_FAULTS"))
STANCES = ("declared", "held", "none", "foreign")
VERBS = ("start", "stop", "restart", "reload", "remove")
REQUIRING = ("Requires", "Requisite", "BindsTo")
BY_DEPENDENT = (*REQUIRING, "PartOf")
"""Relations that the dependent names; the others are the target's, or by the inverse that of a dependent of
others.
"""
BY_TARGET = ("PropagatesStopTo", "PropagatesReloadTo", "Upholds", "Conflicts")
WARNED = frozenset({"stop", "restart", "reload"})
STOPPED = dict.fromkeys(("stop", "remove"), "stop")
TAKEN: dict[str, dict[str, str]] = {
    **{relation: {**STOPPED, "restart": "restart"} for relation in BY_DEPENDENT},
    "PropagatesStopTo": STOPPED,
    "PropagatesReloadTo": {"reload": "reload"},
    "Upholds": {"start": "start"},
    "Conflicts": {"start": "stop"},
}
"""The verb of systemd on the dependent, by the verb on the target (systemd.unit(5)); nothing where the verb
is not here.
"""
RELEASES = {"bookworm": TAKEN, "trixie": {**TAKEN, "PropagatesStopTo": {**STOPPED, "restart": "stop"}}}
INVERSES = {
    "PropagatesStopTo": "StopPropagatedFrom",
    "PropagatesReloadTo": "ReloadPropagatedFrom",
    "Conflicts": "Conflicts",
}


@dataclass(frozen=True)
class Cell:
    """One pair of services."""

    relation: str
    stance: str
    verb: str

    @property
    def target(self) -> str:
        """The service that is changed."""
        return f"{self.relation.lower()}-{self.stance}-{self.verb}-a"

    @property
    def dependent(self) -> str:
        """The other one."""
        return f"{self.relation.lower()}-{self.stance}-{self.verb}-b"

    @property
    def refused(self) -> bool:
        """Whether no spec may say it: a running service requires a stopped one, or two that run conflict."""
        declared = self.stance != "foreign"
        return declared and (
            (self.verb == "stop" and self.relation in REQUIRING) or self.relation == "Conflicts"
        )

    def expected(self, taken: str) -> tuple[str, str]:
        """The verbs that must happen to the target and to the dependent.

        `taken` is the verb that systemd alone would do to the dependent.
        """
        verb = "stop" if self.verb == "remove" else self.verb
        if (
            self.relation == "BindsTo" and self.verb == "start"
        ):  # systemd has stopped it along with the target
            return verb, "start" if self.stance in ("declared", "none") else ""
        if not taken or self.stance == "foreign" or taken == "start":
            return ("", "") if self.stance == "held" and taken else (verb, taken)
        if self.stance in ("held", "none") or (self.relation in REQUIRING and verb == "stop"):
            return "", ""
        return verb, "restart" if taken == "stop" else taken  # what is declared to run runs again

    def services(self, *, then: bool) -> dict[str, Any]:
        """The declared ones of the two, before the change or after."""
        target: dict[str, Any] = _service()
        services: dict[str, Any] = {}
        if self.verb == "restart" and then:
            target["environment"] = {"A": "2"}
        elif self.verb == "stop" and then:
            target["state"] = "stopped"
        elif self.verb == "reload":
            target |= {"watch": ["/root/watched"], "on_change": "reload"}
        if self.relation == "Conflicts" and not then and self.verb == "start":
            target["state"] = "stopped"
        if self.stance != "foreign":
            dependent = _service()
            if self.stance == "none":
                dependent["on_change"] = "none"
            if self.relation in BY_DEPENDENT:
                _relate(dependent, self.relation, self.target)
                dependent["after"] = [f"{self.target}.service"]
            services[self.dependent] = dependent  # first: what needs another one is declared before it
        if not (then and self.verb == "remove"):
            services[self.target] = target
        if self.relation in BY_TARGET and (self.stance != "foreign" or self.relation not in INVERSES):
            _relate(target, self.relation, self.dependent)
        return services

    @property
    def foreign(self) -> dict[str, Drawn]:
        """The dependent of others."""
        if self.stance != "foreign":
            return {}
        relation = INVERSES.get(self.relation, self.relation)
        relations = {relation: [f"{self.target}.service"]} if relation != "Upholds" else {}
        return {f"{self.dependent}.service": Drawn(relations)}


def _service() -> dict[str, Any]:
    return {
        "exec_start": ["/usr/bin/sleep", "infinity"],
        "exec_reload": ["/usr/bin/true"],
        "environment": {"A": "1"},
    }


def _relate(service: dict[str, Any], relation: str, other: str) -> None:
    if relation == "Requires":
        service["requires"] = [f"{other}.service"]
    else:
        service["directives"] = {"Unit": {relation: [f"{other}.service"]}}


def cells(suite: str) -> list[Cell]:
    """The table; the short form has only what leads to something."""
    every = (Cell(*names) for names in itertools.product(RELEASES[suite], STANCES, VERBS))
    told = (
        cell for cell in every if cell.relation != "Conflicts" or cell.verb in ("start", "stop", "remove")
    )
    return [cell for cell in told if FULL or cell.verb in RELEASES[suite][cell.relation]]


def bring_up(host: BootedHost, pairs: Sequence[Cell], outside: Path) -> None:
    """The pairs run, and the reason for the verb is there."""
    foreign = {name: unit for cell in pairs for name, unit in cell.foreign.items()}
    unit_graphs.write(host, [Graph(0, foreign, [], [], "start", [])], outside)
    host.write("/root/watched", "1")
    declare(host, {name: service for cell in pairs for name, service in cell.services(then=False).items()})
    host.run("reconciler", "apply", SPEC, "--auto-approve")
    # A unit that conflicts with a running target cannot run beside it.
    beside = [
        name
        for cell in pairs
        for name in cell.foreign
        if cell.relation != "Conflicts" or cell.verb == "start"
    ]
    host.run("systemctl", "start", "--", *beside)
    down = [f"{cell.target}.service" for cell in pairs if cell.verb == "start"]
    down += [
        f"{cell.dependent}.service" for cell in pairs if cell.verb == "start" and cell.relation == "Upholds"
    ]
    host.run("systemctl", "stop", "--job-mode=ignore-dependencies", "--", *down)
    for name in (cell.dependent for cell in pairs if cell.stance == "held"):
        host.run("reconciler", "hold", "add", f"services.{name}", "--for", "1h", "--why", "a test")
    host.write("/root/watched", "2")
    declare(host, {name: service for cell in pairs for name, service in cell.services(then=True).items()})
    unit_graphs.settle(host)


def happens(host: BootedHost, names: Sequence[str]) -> tuple[dict[str, str], str]:
    """The effects of an apply on units, and its output."""
    _, before = unit_graphs.look(host, names)
    done = host.run("reconciler", "apply", SPEC, "--auto-approve", check=False)
    unit_graphs.settle(host)
    _, after = unit_graphs.look(host, names)
    return (
        unit_graphs.done(before, after, Graph(0, dict.fromkeys(names, Drawn()), [], [], "", [])),
        done.stdout + done.stderr,
    )


def unsaid(cell: Cell, taken: str, output: str) -> bool:
    """Whether the reader was not told: a warning that names a unit of others, or the reason why the target
    waits.
    """
    text = " ".join(output.split())
    if cell.stance == "foreign":
        return taken in WARNED and f"{cell.dependent}.service is not in the spec, and is " not in text
    return cell.expected(taken) == ("", "") and f"services.{cell.dependent}" not in text


@pytest.mark.parametrize("suite", RELEASES)
def test_each_relation_with_each_verb_in_each_stance(suite: str, tmp_path: Path) -> None:
    """A declared dependent is taken along as planned, one that is held or `on_change: none` makes the verb
    wait, one of others is warned of.
    """
    pairs = [cell for cell in cells(suite) if not cell.refused]
    if suite != "bookworm" and not FULL:
        pairs = [cell for cell in pairs if cell.relation in ("PropagatesStopTo", "Upholds")]
    names = [f"{name}.service" for cell in pairs for name in (cell.target, cell.dependent)]
    with BootedHost(suite=suite) as host:
        bring_up(host, pairs, tmp_path)
        plan, _ = planned(host)
        happened, output = happens(host, names)

    taken = {cell: RELEASES[suite][cell.relation].get(cell.verb, "") for cell in pairs}
    expected = {cell: cell.expected(taken[cell]) for cell in pairs}
    assert expected == {cell: _both(cell, happened) for cell in pairs}
    assert expected == {cell: _both(cell, plan) for cell in pairs}
    assert [] == [cell for cell in pairs if unsaid(cell, taken[cell], output)]


def _both(cell: Cell, verbs: Mapping[str, str]) -> tuple[str, str]:
    return verbs.get(f"{cell.target}.service", ""), verbs.get(f"{cell.dependent}.service", "")


def test_a_spec_that_contradicts_itself_is_refused_whole(booted: BootedHost) -> None:
    """A stop of what a running service requires, and two that run and conflict, are errors that name both;
    nothing happens.
    """
    pairs = [
        cell
        for cell in cells("bookworm")
        if cell.refused and cell.verb == ("start" if cell.relation == "Conflicts" else "stop")
    ]
    names = [f"{name}.service" for cell in pairs for name in (cell.target, cell.dependent)]
    declare(
        booted,
        {
            name: service
            for cell in pairs
            for name, service in cell.services(then=False).items()
            if cell.verb == "stop"
        },
    )
    booted.run("reconciler", "apply", SPEC, "--auto-approve")
    declare(booted, {name: service for cell in pairs for name, service in cell.services(then=True).items()})
    happened, output = happens(booted, names)

    assert {} == happened
    assert [] == [name for name in names if name.removesuffix(".service") not in output]
