"""How much a harness does, and what it says of itself afterwards."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

FULL = "RECONCILER_FAULTS"
"""With this variable set to 1 every harness runs in full; otherwise a seeded sample."""

SEED = "RECONCILER_FAULTS_SEED"
"""The seed of the samples.

When it is not set: always the same one in the short form, so that a change is judged by what it changes, and
a new one each time in the full form. A test that fails prints the one it had.
"""
_ALWAYS = 1

_FIGURES = Path(__file__).resolve().parents[2] / "build" / "faults"


def full() -> bool:
    """Whether this is the full form."""
    return os.environ.get(FULL) == "1"


def processes() -> int:
    """How many processes a harness may use by itself: all processors in the full form, and one where several
    tests run at a time.
    """
    return len(os.sched_getaffinity(0)) if full() and "PYTEST_XDIST_WORKER" not in os.environ else 1


def seeded() -> tuple[int, random.Random]:
    """The seed of this run, and chance that comes from it."""
    seed = int(os.environ.get(SEED) or (random.SystemRandom().randrange(10**6) if full() else _ALWAYS))
    return seed, random.Random(seed)  # noqa: S311  # a sample, no secret


def note(harness: str, **figures: Any) -> None:
    """One line for people; in the full form also a file of its own, of which docs/reliability.md has its
    figures.
    """
    print(f"{harness}: " + ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in figures.items()))
    if full():
        _FIGURES.mkdir(parents=True, exist_ok=True)
        (_FIGURES / f"{harness.replace(' ', '-')}.json").write_text(json.dumps(figures, indent=2) + "\n")
