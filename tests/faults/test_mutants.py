"""Every planted bug is caught by the harness that is there for it, and by a test
that passes without the bug.
"""

from __future__ import annotations

import time

import pytest

from tests.faults import mutants
from tests.faults.figures import full, note
from tests.faults.mutants import IN_SHORT, MUTANTS, Mutant

pytestmark = pytest.mark.slow

CHOSEN = [mutant for mutant in MUTANTS if full() or mutant.name in IN_SHORT]


@pytest.mark.timeout(1800)
def test_planted_bugs_are_caught() -> None:
    """With each bug a test fails; without any, all of these tests pass."""
    started = time.monotonic()
    with mutants.copied() as place:
        code, out = mutants.run(place, mutants.all_tests(CHOSEN))
        verdicts = [mutants.judge(mutant, place) for mutant in CHOSEN]
    missed = [f"{one.mutant.name}: exit {one.code}\n{one.out[-800:]}" for one in verdicts if not one.caught]
    print(mutants.table(verdicts))
    note("mutants", points=len(CHOSEN), violations=len(missed), seconds=round(time.monotonic() - started))

    assert 0 == code, out[-2000:]
    assert [] == missed


def test_there_are_enough() -> None:
    """At least fifteen, each with a name of its own, and the short form has some that exist."""
    names = [mutant.name for mutant in MUTANTS]

    assert 15 <= len(names) == len(set(names))
    assert set(IN_SHORT) <= set(names)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_does_not_rot(mutant: Mutant) -> None:
    """The text that it changes stands in the source exactly once."""
    assert "" == mutants.rotten(mutant)


def test_rot_would_be_noticed() -> None:
    """A text that is not there, or twice, is told."""
    for old in ("no such text anywhere", "import"):
        assert "times in" in mutants.rotten(Mutant("x", "host/files/dir_entry.py", ((old, "y"),), (), ""))
    assert "changes nothing" in mutants.rotten(
        Mutant("x", "host/files/dir_entry.py", (("import errno\n", "import errno\n"),), (), "")
    )


def test_a_bug_that_stops_the_import_is_not_caught() -> None:
    """A mutant that only breaks Python proves nothing: it is not counted."""
    assert not mutants.Verdict(MUTANTS[0], 2, "", 0.0).caught
    assert not mutants.Verdict(MUTANTS[0], 0, "", 0.0).caught
