"""Any course of events, on a simulated host and in a tree: specs, edits by hand, kills, plans and rollbacks,
in any order.

`RECONCILER_SEED=17` replays one course; with `RECONCILER_FAULTS=1` there are a hundred of them, and as many
ways from A by B to C; every third of each on a tree as well.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests.sequences import draw
from tests.sequences.course import Course, addresses, difference
from tests.sequences.draw import BEFORE, OF_DIRECTORIES, OF_FILES, OF_UNITS, UNITS, Spec, Step
from tests.sequences.observer import Seen

pytestmark = pytest.mark.slow

FAULTS = os.environ.get("RECONCILER_FAULTS") == "1"
LENGTH = 8
SEED = os.environ.get("RECONCILER_SEED", "")
SEEDS = [int(SEED)] if SEED else list(range(100 if FAULTS else 2))

everywhere = pytest.mark.parametrize("running", [True, False], ids=["simulated", "tree"])
# On a tree each transaction waits for files, and nothing runs: every third will do.
seeded = pytest.mark.parametrize(
    ("seed", "running"),
    [*((seed, True) for seed in SEEDS), *((seed, False) for seed in SEEDS[::3])],
    ids=lambda value: {True: "simulated", False: "tree"}[value] if isinstance(value, bool) else str(value),
)
randoms = st.randoms(use_true_random=False)


@contextmanager
def a_place() -> Iterator[Path]:
    """A directory in memory, where there is such a file system: each transaction waits for the disk."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as directory:
        yield Path(directory) / "world"


def played(seed: int, *, running: bool, length: int = LENGTH) -> None:
    """One course; a failure tells its seed and what happened."""
    with a_place() as place:
        course = Course.begin(place, running=running)
        try:
            for step in draw.steps(draw.seeded(seed), length):
                course.step(step)
        except BaseException:
            print(f"RECONCILER_SEED={seed}", *course.story, sep="\n")
            raise


@seeded
def test_whatever_happens_nothing_is_lost(seed: int, running: bool) -> None:
    """After each apply: as the spec says, nothing left to do, a second one changes nothing, and what is not
    ours is as it was.
    """
    played(seed, running=running)


class Events(RuleBasedStateMachine):
    """The same by hypothesis, which shrinks what it finds."""

    running = True

    def __init__(self) -> None:
        super().__init__()
        self.directory = a_place()
        self.course = Course.begin(self.directory.__enter__(), running=self.running)
        self.spec: Spec = {}

    def teardown(self) -> None:
        """The world goes."""
        self.directory.__exit__(None, None, None)

    def happens(self, step: Step) -> None:
        """One thing more."""
        note(str(step))
        self.course.step(step)
        self.spec = step.spec or self.spec

    @rule(random=randoms)
    def apply(self, random: Random) -> None:
        """Apply another spec."""
        self.happens(Step("apply", draw.a_spec(random, self.spec)))

    @rule(random=randoms, at=st.integers(0, 40), another=st.booleans())
    def kill(self, random: Random, at: int, another: bool) -> None:
        """Begin to apply the same spec again, or another."""
        self.happens(Step("kill", draw.a_spec(random, self.spec) if another else self.spec, at))

    @precondition(lambda self: self.spec)
    @rule()
    def again(self) -> None:
        """Apply the last spec, to its end."""
        self.happens(Step("apply", self.spec))

    @rule(random=randoms)
    def hand(self, random: Random) -> None:
        """Somebody does something."""
        self.happens(Step("hand", hand=draw.a_hand(random)))

    @rule(random=randoms)
    def plan(self, random: Random) -> None:
        """Plan another spec, and leave it."""
        self.course.step(Step("plan", draw.a_spec(random, self.spec)))

    @rule()
    def roll_back(self) -> None:
        """Undo the last run."""
        self.happens(Step("rollback"))


@everywhere
@pytest.mark.skipif(bool(SEED), reason="one seed was asked for")
def test_any_course_of_events(running: bool) -> None:
    """As above, and what fails is told with the fewest events that it takes."""
    machine = type("Machine", (Events,), {"running": running})
    bounded = settings(
        max_examples=30 if FAULTS else 2,
        stateful_step_count=12 if FAULTS else 8,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
    run_state_machine_as_test(machine, settings=bounded)


# ---------------------------------------------------------------------------------------------- the way there


def after(way: list[Spec], *, running: bool) -> Seen:
    """The host after these specs, one after the other."""
    with a_place() as place:
        course = Course.begin(place, running=running)
        for spec in way:
            course.step(Step("apply", spec))
        return course.look()


@seeded
def test_the_way_does_not_matter(seed: int, running: bool) -> None:
    """A, B, C ends where A, C ends, in every file, directory, link and unit that is wholly ours."""
    random = draw.seeded(seed)
    one = draw.a_spec(random, {})
    two = draw.a_spec(random, one)
    three = draw.a_spec(random, two)
    # A directory with somebody's file in it stays when it leaves the spec, as the last one that declared it
    # has left it.
    names = addresses(three) | {name for name in addresses(one) if OF_DIRECTORIES.get("/srv/old") != name}
    there, straight = (
        essence(after(way, running=running), names) for way in ([one, two, three], [one, three])
    )

    assert straight == there, f"RECONCILER_SEED={seed}: {difference(straight, there)}"


def essence(seen: Seen, names: Container[str]) -> dict[str, object]:
    """The part of the host on which two ways must agree.

    Accounts keep every attribute that no spec mentions, and an object that was there before us stays as B has
    left it.
    """
    ours = {**OF_FILES, **OF_DIRECTORIES}
    known = {path for path, name in ours.items() if path not in BEFORE or name in names}
    known |= {
        path for path in seen.paths if path.startswith(f"{UNITS}/") and path.rpartition("/")[2] in OF_UNITS
    }
    paths = {path: replace(seen.paths[path], stamp=()) for path in known if path in seen.paths}
    return {**paths, "active": {name: state for name, state in seen.active.items() if state == "active"}}
