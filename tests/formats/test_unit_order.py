"""In which order a call of systemctl names units: the rules by hand. tests/booted/test_taken_along.py has
what systemd makes of it.
"""

from __future__ import annotations

import itertools
import time

import pytest

from reconciler.core.actions import UnitVerb
from reconciler.formats.systemd_jobs.start_order import in_order
from tests.formats.test_unit_jobs import units

UP = (UnitVerb.START, UnitVerb.RESTART)


@pytest.mark.parametrize("verb", UP)
@pytest.mark.parametrize("relation", ["Requires", "Requisite", "BindsTo", "After"])
def test_what_is_needed_comes_first(verb: UnitVerb, relation: str) -> None:
    """Before what hangs on it or is ordered behind it; all else stays where it is."""
    graph = units({"b": {relation: ["c"]}, "a": {}, "c": {}, "d": {}})

    assert ("a", "c", "b", "d") == in_order(verb, ["a", "b", "c", "d"], graph)
    assert ("c", "a", "b") == in_order(verb, ["c", "a", "b"], graph)
    assert ("b", "a", "c") == in_order(UnitVerb.RELOAD, ["b", "a", "c"], graph)


@pytest.mark.parametrize("relation", ["Wants", "PartOf", "Conflicts", "PropagatesStopTo"])
def test_what_needs_nothing_stays(relation: str) -> None:
    """Relations that make no start hang on another one change no order."""
    assert ("b", "a") == in_order(UnitVerb.START, ["b", "a"], units({"b": {relation: ["a"]}, "a": {}}))


def test_by_way_of_units_that_are_not_named() -> None:
    """A unit that is started along needs what the call names behind it."""
    graph = units({"a": {"Requires": ["x"]}, "x": {"Requisite": ["b"]}, "b": {}})

    assert ("b", "a") == in_order(UnitVerb.START, ["a", "b"], graph)


def test_the_order_counts_more_than_the_need() -> None:
    """A unit that is required and ordered after another comes after it: systemd starts it along, and lets it
    wait.
    """
    graph = units({"a": {"Requires": ["b"], "Before": ["b"]}, "b": {}})

    assert ("a", "b") == in_order(UnitVerb.START, ["b", "a"], graph)


@pytest.mark.parametrize("relation", ["Requires", "Requisite", "BindsTo", "After", "Upholds"])
def test_a_stop_goes_the_other_way(relation: str) -> None:
    """A unit that hangs on another one, or keeps it up, is stopped before it."""
    assert ("b", "a") == in_order(UnitVerb.STOP, ["a", "b"], units({"b": {relation: ["a"]}, "a": {}}))


def test_who_upholds_is_stopped_first_whatever_the_order() -> None:
    """As long as the one that upholds has no stop to do, systemd starts again what is stopped."""
    graph = units({"a": {"After": ["b"]}, "b": {"Upholds": ["a"]}}, "a", "b")

    assert ("b", "a") == in_order(UnitVerb.STOP, ["a", "b"], graph)


def test_circles_end() -> None:
    """Needs that go round in a circle leave every name in, once."""
    graph = units({name: {"Requires": ["abc"[n - 1]]} for n, name in enumerate("abc")})

    assert [("a", "b", "c"), ("c", "a", "b")] == [
        in_order(UnitVerb.START, names, graph) for names in ("cab", "bca")
    ]


def test_ten_thousand_units_in_a_chain() -> None:
    """No chain is too deep, and the time grows with the number of units."""
    names = [f"u{number}" for number in range(10_000)]
    graph = units(
        {
            names[0]: {},
            **{name: {"Requires": [below], "After": [below]} for below, name in itertools.pairwise(names)},
        }
    )
    begun = time.perf_counter()

    assert tuple(names) == in_order(UnitVerb.START, names[::-1], graph)
    assert time.perf_counter() - begun < 5
