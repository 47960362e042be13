"""Every case, applied and rolled back: the host is as it was before, to the byte, and the spec is wanted again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from reconciler.app import rolling_back
from reconciler.app.rolling_back import RollbackOptions, RolledBack, roll_back
from reconciler.core.actions import Action
from reconciler.core.digest import digest
from reconciler.host.state import Store
from tests.case import Case, all_cases
from tests.test_cases import place as place  # noqa: PLC0414  # a fixture
from tests.test_cases import plan_of, world_of
from tests.worlds import Crash, Moments, Picture, WatchedStore, World, Wrapped, picture

_FREE = [case for case in all_cases() if not case.refused]
applying = pytest.mark.parametrize("case", _FREE, ids=lambda case: case.name)
everywhere = pytest.mark.parametrize("running", [True, False], ids=["simulated", "tree"])


@contextmanager
def _patched(host: Any, state: str, store: Any) -> Iterator[None]:
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(rolling_back, "open_host", return_value=host))
        stack.enter_context(mock.patch.object(rolling_back, "state_directory", return_value=state))
        stack.enter_context(mock.patch.object(rolling_back, "Store", store))
        yield


def rolled_back(world: World, options: RollbackOptions | None = None, host: Any = None, store: Any = Store) -> RolledBack:
    """Roll back as the command does, on the host or on one that is wrapped."""
    with _patched(host or world.host(), world.state, store):
        return roll_back(replace(options or RollbackOptions(), root="/"), lambda _: True, lambda _: None, 0)


ACCOUNT_FILES = frozenset(f"/etc/{name}" for name in ("passwd", "shadow", "group", "gshadow", "subuid", "subgid"))


def wanted_by(world: World, case: Case) -> list[tuple[Any, ...]]:
    """What the plan for the case's spec wants. Before the first apply there is no key: the digest of a secret is another one each time."""
    plan = plan_of(world, case)
    return [(str(one.address), one.verb, one.origin, tuple(item.path for item in one.fields)) for one in plan.changes]


def exceptions(before: Picture, after: Picture, done: RolledBack) -> set[str]:
    """Paths that may differ after a rollback, each for a reason that the rollback tells: nobody's data is deleted, and no account."""
    assert done.planned is not None
    told = " ".join(why for reasons in done.planned.reversal.kept.values() for why in reasons)
    found: set[str] = set()
    for path in after.paths.keys() - before.paths.keys():
        if f"{path} stays: " in told or any(f"{above} stays: " in told for above in parents(path)):
            found.add(path)
        if after.paths[path][0] == "file" and any(getattr(step.action, "path", "") == path for step in done.planned.reversal.steps):
            # Somebody's file of keys: its lines are gone, the empty file is his.
            assert digest(b"") == after.paths[path][-1], path
            found.add(path)
    if "user " in told or "group " in told:
        found |= ACCOUNT_FILES
    if "stays complete" in told:
        # A number that had no name has one now.
        found |= {path for path in before.paths.keys() & after.paths.keys() if before.paths[path][:3] == after.paths[path][:3]}
    return found


def parents(path: str) -> Iterator[str]:
    """Every directory above."""
    while path := path.rpartition("/")[0]:
        yield path


@applying
@everywhere
def test_a_rollback_brings_everything_back(case: Case, running: bool, place: Path) -> None:
    """What an apply did, a rollback undoes: type, mode, owner, content and links of everything, units, what is owed, and the ledger."""
    world = world_of(case, place / "world", running=running)
    before, wanted, plan = picture(world), wanted_by(world, case), plan_of(world, case)
    applied = world.apply(case.loaded(), case.options)
    if applied.result is None or not any(not step.held for step in plan.steps):
        return
    done = rolled_back(world)
    after = picture(world)
    allowed = exceptions(before, after, done)

    assert not done.diagnostics, done.diagnostics
    assert done.result is not None or done.planned.reversal.kept
    assert done.result is None or not done.result.failed, done.result.outcomes
    assert {path: facts for path, facts in before.paths.items() if path not in allowed} == {
        path: facts for path, facts in after.paths.items() if path not in allowed
    }
    assert {name: state[1:] for name, state in before.units.items()} == {name: state[1:] for name, state in after.units.items()}
    assert before.owed == after.owed
    if not allowed:
        # What was found as declared stays known as ours: there was nothing to undo about it.
        found = {part.address for part in plan.converged}
        assert before.ledger == {address: row for address, row in after.ledger.items() if address not in found}
        assert wanted == wanted_by(world, case)
