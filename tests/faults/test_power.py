"""A power cut at any moment of a real apply: ledger and files are whole, nothing is forgotten, and the next
apply brings about the rest.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.host.state import open as state_open
from tests.faults.disk import FILE_SYSTEMS, apart, disk, need
from tests.faults.figures import full, note, seeded
from tests.faults.power import Bench

pytestmark = pytest.mark.slow

CUTS = {True: 510, False: 12}
"""On each file system, in the full and in the short form."""
PLANTED = 60
"""At the most, until the first violation."""


def _sweep(
    kind: str, place: Path, cuts: int, seed: int, plant: Callable[[], None] | None = None
) -> tuple[int, int, list[str]]:
    """Cuts made, how many of them killed an apply, and what was wrong."""

    def work() -> tuple[int, int, list[str]]:
        with disk(kind, place / "disk") as found:
            bench = Bench(found, place, plant=plant or (lambda: None))
            bench.begin()
            bench.run(cuts, seed, enough=1 if plant else cuts)
            return bench.cuts, bench.interrupted, bench.violations

    need(kind)
    return apart(work)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", FILE_SYSTEMS)
def test_nothing_is_lost(kind: str, tmp_path: Path) -> None:
    """After each cut every file is the old or the new one, the ledger is believed, the old is in the undo
    store, and apply converges.
    """
    seed, _ = seeded()
    started = time.monotonic()
    cuts, interrupted, wrong = _sweep(kind, tmp_path, CUTS[full()], seed)
    note(
        f"power {kind}",
        points=cuts,
        killed=interrupted,
        violations=len(wrong),
        seconds=round(time.monotonic() - started),
    )

    assert [] == wrong[:5], f"seed {seed}"
    assert cuts == CUTS[full()]
    assert cuts * 2 // 3 < interrupted < cuts


def _no_fsync() -> None:
    vars(os)["fsync"] = lambda _: None


def _lazy_database() -> None:
    state_open._PRAGMAS = tuple(said.replace("FULL", "OFF") for said in state_open._PRAGMAS)  # type: ignore[assignment]  # as many


PLANTS = [
    ("ext4", _no_fsync),
    ("xfs", _lazy_database),
    *([("xfs", _no_fsync), ("ext4", _lazy_database)] if full() else []),
]


@pytest.mark.parametrize(("kind", "plant"), PLANTS)
def test_the_cuts_catch_what_is_not_flushed(kind: str, plant: Callable[[], None], tmp_path: Path) -> None:
    """The harness can fail: without fsync of our own files, and with a database that does not wait for the
    disk, both lose something.
    """
    cuts, _, wrong = _sweep(kind, tmp_path, PLANTED, 7, plant)
    note(f"power {kind} planted {plant.__name__[1:].replace('_', ' ')}", points=cuts, found=len(wrong))

    assert wrong
