"""The units that systemd takes along: the rules by hand.

That they are systemd's own is shown in tests/booted/test_unit_graphs.py.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Collection, Iterable, Mapping

import pytest

from reconciler.core.actions import UnitVerb
from reconciler.core.host import UnitNode
from reconciler.formats.systemd_jobs.taken_along import Effect, take_along
from reconciler.host.simulation.relations import INVERSES

BOTH_WAYS = {**INVERSES, **{inverse: name for name, inverse in INVERSES.items()}}


def units(
    own: Mapping[str, Mapping[str, Collection[str]]], *running: str, **flags: str
) -> dict[str, UnitNode]:
    """Services with these relations and their inverses."""
    both: dict[str, dict[str, set[str]]] = {name: {} for name in own}
    for name, relations in own.items():
        for relation, others in relations.items():
            for other in others:
                both[name].setdefault(relation, set()).add(other)
                both.setdefault(other, {}).setdefault(BOTH_WAYS[relation], set()).add(name)
    return {
        name: UnitNode(
            "loaded" if name in own else "not-found",
            "active" if name in running else "inactive",
            {key: frozenset(others) for key, others in relations.items()},
            {"Type": "exec", **flags},
        )
        for name, relations in both.items()
    }


@pytest.mark.parametrize("verb", [UnitVerb.STOP, UnitVerb.RESTART])
def test_a_chain_says_by_which_relation_through_which_unit(verb: UnitVerb) -> None:
    """Who requires what is stopped goes with it, whatever lies between, and the chain leads to the unit that
    was named.
    """
    own = {"a": {}, "b": {"Requires": ["a"]}, "c": {"PartOf": ["b"]}, "d": {"Wants": ["a"]}}
    outcome = take_along(units(own, "a", "b", "c", "d"), verb, ["a"])

    assert {"b": Effect(verb, ("RequiredBy", "a")), "c": Effect(verb, ("ConsistsOf", "b"))} == outcome.effects
    assert dict.fromkeys("abc", verb) == outcome.done
    assert ({} if verb is UnitVerb.RESTART else dict.fromkeys("abc", False)) == outcome.active


def test_what_is_down_is_not_restarted_along() -> None:
    """A restart is handed on to what runs only; a start brings what is required."""
    own = {"a": {}, "b": {"Requires": ["a"]}}

    assert {} == take_along(units(own, "a"), UnitVerb.RESTART, ["a"]).effects
    assert {"b": UnitVerb.START} == take_along(units(own, "a"), UnitVerb.START, ["b"]).done
    assert {"a": Effect(UnitVerb.START, ("Requires", "b"))} == take_along(
        units(own), UnitVerb.START, ["b"]
    ).effects


def test_refusals_are_in_systemds_words() -> None:
    """A requirement that is missing or masked, contradictions and circles refuse the request as a whole."""
    missing = units({"b": {"Requires": ["a"], "Wants": ["c"]}})
    masked = {**missing, "a": UnitNode("masked", "inactive", {}, {})}
    circle = units({"a": {"Requires": ["b"], "After": ["b"]}, "b": {"Requires": ["a"], "After": ["a"]}})
    contradiction = units({"a": {"Requires": ["b", "c"]}, "b": {"Conflicts": ["c"]}, "c": {}})
    verified = units({"a": {"Requisite": ["b"], "After": ["b"]}, "b": {}})

    assert {"b": "Unit a not found."} == take_along(missing, UnitVerb.START, ["b"]).refused
    assert {"b": "Unit a is masked."} == take_along(masked, UnitVerb.START, ["b"]).refused
    assert {"b": "Transaction order is cyclic. See system logs for details."} == take_along(
        circle, UnitVerb.START, ["b"]
    ).refused
    assert (
        "Transaction contains conflicting jobs"
        in take_along(contradiction, UnitVerb.START, ["a"]).refused["a"]
    )
    assert {"a": "A dependency job for a failed."} == take_along(verified, UnitVerb.START, ["a"]).refused
    assert {} == take_along(missing, UnitVerb.START, ["b"]).done


def backwards(names: Iterable[str]) -> list[str]:
    """The order that is not the usual one."""
    return sorted(names, reverse=True)


@pytest.mark.parametrize("release", [252, 257])
def test_two_contradictions_of_which_either_may_be_solved_first(release: int) -> None:
    """systemd solves them in an order of its own: what is upheld either stops for the conflict, or runs on
    beside it.
    """
    graph = units({"a": {"Wants": ["b"]}, "b": {"Upholds": ["c"]}, "c": {"Conflicts": ["a"]}}, "b", "c")
    ends = [
        take_along(graph, UnitVerb.RESTART, ["a"], release=release, order=order).done
        for order in (sorted, backwards)
    ]

    assert [{"a": UnitVerb.START, "c": UnitVerb.STOP}, {"a": UnitVerb.START}] == ends


def test_nothing_happens_to_what_nothing_is_known_of() -> None:
    """A unit that was not asked about is taken to stay as it is: sysinit.target is no reason to refuse."""
    node = UnitNode(
        "loaded",
        "inactive",
        {"Requires": frozenset({"sysinit.target"}), "Conflicts": frozenset({"shutdown.target"})},
        {},
    )
    outcome = take_along({"a.service": node}, UnitVerb.START, ["a.service"])

    assert ({}, {}, {"a.service": True}) == (outcome.effects, outcome.refused, outcome.active)


def test_what_is_started_for_ever_is_said() -> None:
    """Who upholds what ends at once has it started again and again."""
    graph = units({"a": {}, "b": {"Upholds": ["a"]}}, Type="oneshot")
    graph["b"] = UnitNode("loaded", "inactive", graph["b"].relations, {})

    assert {"a"} == take_along(graph, UnitVerb.START, ["b"]).restless


def test_ten_thousand_units_in_a_chain() -> None:
    """The time grows with the number of units, and no chain is too deep."""
    names = [f"u{number}" for number in range(10_000)]
    own = {name: {"Requires": [below], "After": [below]} for below, name in itertools.pairwise(names)}
    graph = units({names[0]: {}, **own}, *names)
    begun = time.perf_counter()

    assert dict.fromkeys(names, UnitVerb.RESTART) == take_along(graph, UnitVerb.RESTART, [names[0]]).done
    assert time.perf_counter() - begun < 20
