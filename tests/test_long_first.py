"""The order in which several workers take the tests: none is lost, and nobody ends with a long one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.long_first import shares, together


@pytest.mark.parametrize("workers", [2, 3, 4])
@pytest.mark.parametrize(("long", "short"), [(0, 0), (0, 7), (5, 0), (1, 1), (7, 100), (40, 3)])
def test_every_test_is_dealt_once_and_long_ones_first(long: int, short: int, workers: int) -> None:
    """Each worker has its turn of the long ones before any short one, and every test is with one worker."""
    dealt = shares([[f"long {n}"] for n in range(long)], [f"short {n}" for n in range(short)], workers)

    assert sorted(name for share in dealt for name in share) == sorted(
        [f"long {n}" for n in range(long)] + [f"short {n}" for n in range(short)]
    )
    assert all(share == sorted(share, key=lambda name: not name.startswith("long")) for share in dealt)
    assert all(name in dealt[n % workers] for n in range(long) for name in [f"long {n}"])


def test_shares_are_the_runs_that_xdist_deals() -> None:
    """Where the short ones fill them up, the shares have the lengths of worksteal's first runs."""
    assert [35, 36, 36] == [len(share) for share in shares([[n] for n in range(7)], list(range(100)), 3)]


def test_what_shares_a_fixture_stays_with_one_worker() -> None:
    """An entry of several tests is not dealt out among the workers."""
    assert [[0, 1, 2], [3, 4], [5, 6, 7]] == shares([[0, 1, 2], [3, 4], [5]], [6, 7], 3)


def test_only_tests_with_a_fixture_of_their_module_are_one_entry() -> None:
    """A host that a module boots once is booted by one worker; other tests are dealt out one by one."""
    shared = [_item(name, MODULE, "module") for name in "ab"]
    alone = [_item("c", MODULE, "function"), _item("d", "", "module"), _item("e", "", "session")]

    assert [shared, *([item] for item in alone)] == together([shared[0], *alone, shared[1]])


MODULE = "tests/booted/test_one.py"


def _item(name: str, baseid: str, scope: str) -> Any:
    """A test with one fixture."""
    info = SimpleNamespace(name2fixturedefs={"host": [SimpleNamespace(scope=scope, baseid=baseid)]})
    return SimpleNamespace(nodeid=f"{MODULE}::{name}", _fixtureinfo=info)
