"""A pytest plugin: where several workers share the tests, each begins with some of those that take longest.

Else the run ends with one worker in the middle of a long test and the others idle. A test that is not named
here takes seconds at most.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

import pytest

T = TypeVar("T")

LONG = (
    "tests/faults/test_booted.py",
    "tests/faults/test_kill.py::test_killed_anywhere",
    "tests/faults/test_errors.py::test_an_error_anywhere",
    "tests/faults/test_mutants.py::test_planted",
    "tests/sequences/test_sequences.py::test_any_course_of_events",
    "tests/booted/test_half_made_accounts.py",
    "tests/faults/test_power.py::test_nothing_is_lost",
    "tests/faults/test_races.py::test_a_user_who_swaps",
    "tests/faults/test_errors.py",
    "tests/cli/test_one_at_a_time.py::test_twelve",
    "tests/faults/test_kill.py",
    "tests/faults/",
    "tests/booted/",
)
"""By the beginnings of their names: those first that take longest."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long ones where each worker begins. All workers come to the same order, as they must."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers < 2:
        return
    ranks = {
        id(item): next((rank for rank, start in enumerate(LONG) if item.nodeid.startswith(start)), len(LONG))
        for item in items
    }
    long = sorted((item for item in items if ranks[id(item)] < len(LONG)), key=lambda item: ranks[id(item)])
    short = [item for item in items if ranks[id(item)] == len(LONG)]
    items[:] = [item for share in shares(together(long), short, workers) for item in share]


def together(items: Sequence[pytest.Item]) -> list[list[pytest.Item]]:
    """The tests, where those of a module that share a fixture of its own are one entry: each worker would
    set it up.
    """
    entries: dict[str, list[pytest.Item]] = {}
    for item in items:
        module = item.nodeid.partition("::")[0]
        entries.setdefault(module if _shares_a_fixture(item, module) else item.nodeid, []).append(item)
    return list(entries.values())


def _shares_a_fixture(item: pytest.Item, module: str) -> bool:
    known = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    return any(
        fixture.scope == "module" and fixture.baseid == module
        for fixtures in known.values()
        for fixture in fixtures
    )


def shares(long: Sequence[Sequence[T]], short: Sequence[T], workers: int) -> list[list[T]]:
    """The items that each worker gets at first (xdist's worksteal deals the list out in equal runs): long
    ones in turn, then short ones.
    """
    left, count = list(short), sum(map(len, long))
    result: list[list[T]] = []
    for worker in range(workers):
        size = (count + len(short) - sum(len(share) for share in result)) // (workers - worker)
        mine = [item for entry in long[worker::workers] for item in entry]
        room = max(0, size - len(mine))
        result.append([*mine, *left[:room]])
        del left[:room]
    return result
