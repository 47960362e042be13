"""The model says which units systemd takes along, and systemd takes along the same: each relation, and random
graphs, judged by InvocationID.

A failure prints its seed: `RECONCILER_SEED=17 pytest tests/booted/test_unit_graphs.py` plays that one.
`RECONCILER_FAULTS=1` plays 200.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.core.actions import UnitVerb
from reconciler.core.host import UnitNode
from reconciler.formats.systemd_jobs.job import Pace
from reconciler.formats.systemd_jobs.taken_along import Outcome, take_along
from reconciler.formats.systemd_jobs.transaction import Transaction
from tests.booted import unit_graphs
from tests.booted.booted import BootedHost
from tests.booted.unit_graphs import Drawn, Graph

pytestmark = [pytest.mark.booted, pytest.mark.timeout(1500)]

FULL = bool(os.environ.get("RECONCILER_FAULTS"))
MANY = 200 if FULL else 12
SEED = os.environ.get("RECONCILER_SEED")
RELEASES = {"bookworm": 252, "trixie": 257}


def shuffled(seed: int) -> Callable[[Iterable[str]], Sequence[str]]:
    """An order of units, where systemd has none."""
    lot = random.Random(seed)  # noqa: S311  # a lot, no secret

    def order(names: Iterable[str]) -> list[str]:
        mixed = sorted(names)
        lot.shuffle(mixed)
        return mixed

    return order


def outcomes(units: Mapping[str, UnitNode], graph: Graph, release: int) -> list[Outcome]:
    """The possible outcomes: systemd looks at units in no fixed order, and sometimes that decides."""
    verb = UnitVerb(graph.verb)
    first = take_along(units, verb, graph.named, release=release)
    others = (
        take_along(units, verb, graph.named, release=release, order=shuffled(seed), pace=pace)
        for pace in Pace
        for seed in range(8)
    )
    return [first, *others]


def said(outcome: Outcome) -> tuple[dict[str, str], frozenset[str]]:
    """The part of an outcome that is compared with the host: the verb of each unit, and the refused units."""
    return {name: verb.value for name, verb in outcome.done.items()}, frozenset(outcome.refused)


def play(host: BootedHost, graph: Graph, release: int) -> tuple[bool, str]:
    """Play one graph: whether the model knows but one end of it, and what is wrong; empty: nothing."""
    rests = unit_graphs.bring_up(host, graph)
    names = sorted(
        {name for unit in graph.units.values() for others in unit.relations.values() for name in others}
        | set(graph.units)
    )
    loaded, before = unit_graphs.look(host, names)
    possible = outcomes(loaded, graph, release)
    answer = host.run("timeout", "20", "systemctl", graph.verb, "--", *graph.named, check=False)
    rests = unit_graphs.settle(host) and rests
    _, after = unit_graphs.look(host, names)
    unit_graphs.take_down(host, graph)
    sure = all(said(possible[0]) == said(outcome) for outcome in possible) and not any(
        outcome.restless for outcome in possible
    )
    if not rests:
        return False, ""
    happened = unit_graphs.done(before, after, graph)
    if (happened, bool(answer.returncode) and "canceled" not in answer.stderr) in [
        (said(outcome)[0], bool(outcome.refused)) for outcome in possible
    ] or not sure:
        return sure, ""
    states = {name: one.active for name, one in before.items()}
    return (
        sure,
        (
            f"{graph} on systemd {release}\nbefore {states}\nmodel   {said(possible[0])}\nsystemd"
            f" {happened}\n{answer.stderr}"
        ),
    )


def play_all(host: BootedHost, release: int, outside: Path, many: int) -> list[str]:
    """The problems of so many graphs whose end is sure."""
    first = int(SEED) if SEED else 1 + (random.SystemRandom().randrange(10**6) if FULL else 0)
    graphs = [unit_graphs.draw(seed) for seed in range(first, first + (1 if SEED else many * 3 // 2))]
    unit_graphs.write(host, graphs, outside)
    wrong, sure = [], 0
    for graph in graphs:
        is_sure, problem = play(host, graph, release)
        sure += is_sure
        wrong += [problem] if problem else []
        if sure == many:
            break
    assert SEED or sure == many, "too many graphs without a sure end"
    return wrong


@pytest.mark.parametrize("suite", RELEASES)
def test_random_graphs(suite: str, tmp_path: Path) -> None:
    """The units stop, start, restart and reload as the model said before, graph for graph."""
    with BootedHost(suite=suite, tool=False, limit=1400) as host:
        wrong = play_all(host, RELEASES[suite], tmp_path, MANY)

    assert not wrong, "\n".join([f"{len(wrong)} of {MANY}", *wrong])


def pairs(relations: Sequence[str]) -> list[Graph]:
    """Two units for each relation, running or not, and every verb for either of the two."""
    named = {
        relation: (f"p{relation.lower()}-one.service", f"p{relation.lower()}-two.service")
        for relation in relations
    }
    units = {one: Drawn({relation: [two]}) for relation, (one, two) in named.items()} | {
        two: Drawn() for _, two in named.values()
    }
    ones, twos = ([pair[which] for pair in named.values()] for which in (0, 1))
    return [
        Graph(0, units, [], running, verb, names)
        for verb in unit_graphs.VERBS
        for names in (ones, twos)
        for running in (list(units), ones, twos, [])
    ]


@pytest.mark.parametrize("suite", RELEASES)
def test_each_relation_with_each_verb(suite: str, tmp_path: Path) -> None:
    """Pairs of units with one relation each, running or not, and every verb for either of the two."""
    graphs = pairs(unit_graphs.RELATIONS)
    if suite != "bookworm" and not FULL:
        graphs = [graph for graph in graphs if len(graph.running) == len(graph.units)]
    with BootedHost(suite=suite, tool=False) as host:
        unit_graphs.write(host, graphs[:1], tmp_path)
        played = [play(host, graph, RELEASES[suite]) for graph in graphs]

    assert [] == [problem for _, problem in played if problem]
    assert len(played) == sum(sure for sure, _ in played)


def test_a_mistake_of_the_model_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The harness can fail: without what a stop hands on, a unit that requires the stopped one stops against
    the model.
    """
    hand_on = Transaction._hand_on  # where the mistake is planted
    monkeypatch.setattr(
        Transaction,
        "_hand_on",
        lambda self, job, node: hand_on(
            self, job, replace(node, relations={**node.relations, "RequiredBy": frozenset()})
        ),
    )
    graphs = [graph for graph in pairs(["Requires"]) if graph.verb == "stop"]
    with BootedHost(tool=False) as host:
        unit_graphs.write(host, graphs[:1], tmp_path)
        wrong = [problem for _, problem in (play(host, graph, 252) for graph in graphs) if problem]

    assert 2 == len(wrong)
    assert all("systemd {'prequires-one.service': 'stop'" in problem for problem in wrong)
