"""The order in which several workers take the tests: none is lost, and nobody ends with a long one."""

from __future__ import annotations

import pytest

from tests.long_first import shares


@pytest.mark.parametrize("workers", [2, 3, 4])
@pytest.mark.parametrize(("long", "short"), [(0, 0), (0, 7), (5, 0), (1, 1), (7, 100), (40, 3)])
def test_every_test_is_dealt_once_and_long_ones_first(long: int, short: int, workers: int) -> None:
    """Each worker has its turn of the long ones before any short one, and every test is with one worker."""
    dealt = shares([f"long {n}" for n in range(long)], [f"short {n}" for n in range(short)], workers)

    assert sorted(name for share in dealt for name in share) == sorted(
        [f"long {n}" for n in range(long)] + [f"short {n}" for n in range(short)]
    )
    assert all(share == sorted(share, key=lambda name: not name.startswith("long")) for share in dealt)
    assert all(name in dealt[n % workers] for n in range(long) for name in [f"long {n}"])


def test_shares_are_the_runs_that_xdist_deals() -> None:
    """Where the short ones fill them up, the shares have the lengths of worksteal's first runs."""
    assert [35, 36, 36] == [len(share) for share in shares(list(range(7)), list(range(100)), 3)]
