"""Any course of events: specs, edits by hand, kills, plans and rollbacks, on a simulated host and in a tree."""

from __future__ import annotations

import os
from random import Random

import pytest

from tests.sequences import draw
from tests.sequences.course import Course
from tests.test_cases import place as place  # noqa: PLC0414  # a fixture

everywhere = pytest.mark.parametrize("running", [True, False], ids=["simulated", "tree"])
SEEDS = [int(os.environ["RECONCILER_SEED"])] if "RECONCILER_SEED" in os.environ else range(int(os.environ.get("N", "5")))


@everywhere
@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed(place, seed, running):
    course = Course.begin(place / "world", running=running)
    try:
        for step in draw.steps(Random(seed), 8):
            course.step(step)
    except BaseException:
        print("\n".join(course.story))
        raise
