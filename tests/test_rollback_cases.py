"""Every case, applied and rolled back: the host is as it was before, to the byte, and the spec is wanted
again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from reconciler.app import rollback
from reconciler.app.rollback import RollbackOptions, RolledBack, roll_back
from reconciler.core.actions import Action, SetAccess, Unit
from reconciler.core.basics.digest import digest
from reconciler.engine.undo import undo_paths
from reconciler.engine.undo.undo_units import Units
from reconciler.host.state.history import open_history
from reconciler.host.state.store import Store
from tests.breaking import Crash, Moments, WatchedStore, sample, some, watched
from tests.case import Case, all_cases
from tests.pictures import Picture, picture
from tests.test_cases import place as place  # noqa: PLC0414  # a fixture
from tests.test_cases import plan_of, world_of
from tests.worlds import World, swapped

pytestmark = pytest.mark.slow

_FREE = [case for case in all_cases() if not case.refused]


def rolled_back(
    world: World, options: RollbackOptions | None = None, host: Any = None, store: Any = Store
) -> RolledBack:
    """Roll back as the command does, on the host or on one that is wrapped."""
    there = host or world.host()
    places = (("open_host", lambda *_: there), ("state_directory", lambda *_: world.state), ("Store", store))
    with swapped(*((rollback, name, what) for name, what in places)):
        return roll_back(replace(options or RollbackOptions(), root="/"), lambda _: True, lambda _: None, 0)


ACCOUNT_FILES = frozenset(
    f"/etc/{name}" for name in ("passwd", "shadow", "group", "gshadow", "subuid", "subgid")
)


def wanted_by(world: World, case: Case) -> list[tuple[Any, ...]]:
    """The changes that the plan for the case's spec wants.

    There is no key before the first apply: the digest of a secret is another one each time.
    """
    plan = plan_of(world, case)
    return [
        (str(one.address), one.verb, one.origin, tuple(item.path for item in one.fields))
        for one in plan.changes
    ]


def exceptions(before: Picture, after: Picture, done: RolledBack) -> set[str]:
    """Paths that may differ after a rollback, each for a reason that the rollback tells: nobody's data is
    deleted, and no account.
    """
    assert done.planned is not None
    told = " ".join(why for reasons in done.planned.reversal.kept.values() for why in reasons)
    found: set[str] = set()
    for path in after.paths.keys() - before.paths.keys():
        if f"{path} stays: " in told or any(f"{above} stays: " in told for above in parents(path)):
            found.add(path)
        if after.paths[path][0] == "file" and any(
            getattr(step.action, "path", "") == path for step in done.planned.reversal.steps
        ):
            # Somebody's file of keys: its lines are gone, the empty file is his.
            assert digest(b"") == after.paths[path][-1], path
            found.add(path)
    found |= {
        path
        for path in before.paths
        if any(f"{at} does not come back: " in told for at in (path, *parents(path)))
    }
    if "user " in told or "group " in told:
        found |= ACCOUNT_FILES
    if "packages stay as that run left them" in told:
        found |= {"/var/lib/dpkg", "/var/lib/dpkg/status"}
    if "stays complete" in told:
        # A number that had no name has one now.
        found |= {
            path
            for path in before.paths.keys() & after.paths.keys()
            if before.paths[path][:3] == after.paths[path][:3]
        }
    return found


def parents(path: str) -> Iterator[str]:
    """Every directory above."""
    while path := path.rpartition("/")[0]:
        yield path


# Everything that is done on a tree is done on a simulated host as well.
@pytest.mark.parametrize(
    ("case", "running"),
    [*((case, True) for case in _FREE), *((case, False) for case in some(_FREE, 0))],
    ids=lambda value: {True: "simulated", False: "tree"}[value] if isinstance(value, bool) else value.name,
)
def test_a_rollback_brings_everything_back(case: Case, running: bool, place: Path) -> None:
    """A rollback undoes everything that an apply did: type, mode, owner, content and links of everything,
    units, what is owed, and the ledger.
    """
    world = world_of(case, place / "world", running=running)
    before, wanted, plan = picture(world), wanted_by(world, case), plan_of(world, case)
    applied = world.apply(case.loaded(), case.options)
    if applied.result is None or not any(not step.held for step in plan.steps):
        return
    if not any(change.verb for change in plan.changes) and all(
        isinstance(step.action, Unit) for step in plan.steps
    ):
        return  # processes that had something older: there is nothing to bring back
    done = rolled_back(world)
    after = picture(world)
    allowed = exceptions(before, after, done)

    assert not done.diagnostics, done.diagnostics
    assert done.result is not None or (done.planned and done.planned.reversal.kept)
    assert done.result is None or not done.result.failed, done.result.outcomes
    assert {path: facts for path, facts in before.paths.items() if path not in allowed} == {
        path: facts for path, facts in after.paths.items() if path not in allowed
    }
    assert {name: state[1:] for name, state in before.units.items()} == {
        name: state[1:] for name, state in after.units.items()
    }
    assert before.owed == after.owed
    if not allowed:
        # A part that was as declared stays known as ours: there was nothing to undo about it.
        found = {part.address for part in plan.converged}
        assert before.ledger == {
            address: row for address, row in after.ledger.items() if address not in found
        }
        assert wanted == wanted_by(world, case)


# -------------------------------------------------------------------------------------------- the test itself

_PUT_BACK = undo_paths._put_back


def _with_another_mode(action: Action | None) -> Action | None:
    return replace(action, mode="0777") if isinstance(action, SetAccess) else action


@pytest.mark.parametrize(
    ("where", "what"),
    [
        pytest.param(
            "reconciler.engine.undo.undo_paths._put_back",
            lambda *given: _with_another_mode(_PUT_BACK(*given)),
            id="another mode",
        ),
        pytest.param(
            "reconciler.engine.undo.rollback.rows_after", lambda *_: ([], []), id="the ledger is left"
        ),
        pytest.param(
            "reconciler.engine.undo.undo_steps.unit_steps", lambda *_, **__: Units(), id="units are left"
        ),
    ],
)
def test_a_planted_mistake_is_found(where: str, what: Callable[..., Any], place: Path) -> None:
    """The test above fails for a rollback that brings back another mode, forgets the ledger, or leaves units
    as they are.
    """
    tried = [
        case
        for case in _FREE
        if case.kind in ("files", "services") and len(case.expected(running=True).steps) > 0
    ]

    assert any(_is_found(case, where, what, place / str(n)) for n, case in enumerate(tried))


def _is_found(case: Case, where: str, what: Callable[..., Any], place: Path) -> bool:
    try:
        with mock.patch(where, what):
            test_a_rollback_brings_everything_back(case, running=True, place=place)
    except AssertionError:
        return True
    return False


# ------------------------------------------------------------------------------------ kills, and the way back


def _applied(case: Case, place: Path) -> World | None:
    """The world after the case's apply, if that did anything."""
    world = world_of(case, place, running=True)
    plan = plan_of(world, case)
    applied = world.apply(case.loaded(), case.options)
    return world if applied.result is not None and any(not step.held for step in plan.steps) else None


def crashing(world: World, at: int) -> Moments:
    """Roll back run by run, and be gone at the moment `at`, if there is one; the moments that passed."""
    moments = Moments(at)
    with suppress(Crash):
        rolled_back(world, None, watched(world.host(), moments), WatchedStore(moments))
    return moments


@pytest.mark.parametrize("case", some(_FREE, 1), ids=lambda case: case.name)
def test_a_killed_rollback_is_finished_by_the_same_one(case: Case, place: Path) -> None:
    """Killed anywhere, and the same rollback again: all is as after one undisturbed rollback."""
    start = _applied(case, place / "start")
    if start is None:
        return
    undone = last_run_of(start)
    undisturbed = start.copied(place / "undisturbed")
    moments = crashing(undisturbed, at=-1)
    expected = picture(undisturbed)
    for at in sample(len(moments.names), case):
        name = moments.names[at]
        world = start.copied(place / f"crash-{at}")
        crashing(world, at)
        done = rolled_back(world, RollbackOptions(run=undone))
        found = picture(world)

        assert not done.diagnostics, f"after a crash at moment {at}, {name}: {done.diagnostics}"
        assert (expected.paths, expected.ledger) == (
            found.paths,
            found.ledger,
        ), f"after a crash at moment {at}, {name}, of {moments.names}"
        assert {unit: words[1] for unit, words in expected.units.items()} == {
            unit: words[1] for unit, words in found.units.items()
        }


def last_run_of(world: World) -> int:
    """The number of the last run."""
    history = open_history(world.state)
    assert history is not None
    with history:
        return history.last_standing()[0]


@pytest.mark.parametrize("case", some(_FREE, 2), ids=lambda case: case.name)
def test_after_a_killed_rollback_an_apply_converges(case: Case, place: Path) -> None:
    """Killed anywhere, and then the spec applied: all is as the spec says, as if
    there had been no rollback.
    """
    start = _applied(case, place / "start")
    if start is None:
        return
    moments = crashing(start.copied(place / "undisturbed"), at=-1)
    between = [
        at for at, name in enumerate(moments.names) if name.startswith("after")
    ]  # the host is neither as before nor as after
    for at in (between[number] for number in sample(len(between), case)):
        name = moments.names[at]
        world = start.copied(place / f"crash-{at}")
        crashing(world, at)
        # A part that was broken in the case is broken again after a rollback: the case's own options, and
        # adoption for what is theirs again.
        world.apply(case.loaded(), replace(case.options, adopt=True))
        left = [step for step in plan_of(world, case).steps if not step.held]

        assert [] == left, f"after a crash at moment {at}, {name}, of {moments.names}"


@pytest.mark.parametrize("case", some(_FREE, 0), ids=lambda case: case.name)
def test_a_rollback_can_be_rolled_back(case: Case, place: Path) -> None:
    """A rollback of a rollback does again what the first undid: the host is as the apply left it."""
    world = _applied(case, place / "world")
    if world is None:
        return
    applied = picture(world)
    first = rolled_back(world)
    if first.result is None or first.planned is None or not first.planned.plan.steps:
        return  # an empty file in a home stays: there is nothing to do again
    second = rolled_back(world, RollbackOptions(unprotect=case.options.unprotect))
    found = picture(world)

    assert not second.diagnostics, second.diagnostics
    assert second.result is None or not second.result.failed, second.result.outcomes
    assert second.planned is not None
    if second.planned.reversal.past.undoes:
        allowed = exceptions(applied, found, second)
        assert {path: facts for path, facts in applied.paths.items() if path not in allowed} == {
            path: facts for path, facts in found.paths.items() if path not in allowed
        }
        assert {unit: words[1] for unit, words in applied.units.items()} == {
            unit: words[1] for unit, words in found.units.items()
        }
