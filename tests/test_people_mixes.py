"""Random mixes of people who come, change and leave: the plan's steps are the apply's, and a rollback brings
everybody back.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from reconciler.app.plan.options import PlanOptions
from reconciler.app.specs import Loaded
from reconciler.core.action_data import as_data
from reconciler.core.actions import Action
from reconciler.core.host import Receipt
from reconciler.engine import ordering
from reconciler.host.simulation.host import SimulatedHost
from reconciler.render.plan.phrases import action_words
from tests import worlds
from tests.case import parse
from tests.people_mixes import ALLOWED, people
from tests.test_cases import place as place  # noqa: PLC0414  # a fixture
from tests.test_cases import steps_of
from tests.test_rollback_cases import rolled_back

pytestmark = pytest.mark.slow

_ALLOW = PlanOptions(allow=ALLOWED)
_BATCH = 20


class Noting:
    """A host that notes what is done to it, in the words of a plan."""

    def __init__(self, host: SimulatedHost) -> None:
        self._host = host
        self.done: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._host, name)

    def execute(self, action: Action) -> Receipt:
        """Do it, and note it."""
        self.done.append(action_words(as_data(action), all_units=True))
        return self._host.execute(action)


def _loaded(spec: dict[str, Any]) -> Loaded:
    return parse("users/mix", {"about": "", "spec": spec}).loaded()


def _members(world: worlds.World) -> dict[str, tuple[str, frozenset[str]]]:
    """The primary group and the other groups of everybody who can log in."""
    accounts = {
        path: world.host().read(path).decode() for path in ("/etc/passwd", "/etc/group", "/etc/shadow")
    }
    rows = {path: [line.split(":") for line in text.splitlines()] for path, text in accounts.items()}
    names = {row[2]: row[0] for row in rows["/etc/group"]}
    shut = {row[0] for row in rows["/etc/shadow"] if row[7] == "1"}
    groups = {
        row[0]: frozenset(group[0] for group in rows["/etc/group"] if row[0] in group[3].split(","))
        for row in rows["/etc/passwd"]
    }
    return {row[0]: (names[row[3]], groups[row[0]]) for row in rows["/etc/passwd"] if row[0] not in shut}


def _check(seed: int, place: Path) -> None:
    draw = Random(seed)  # noqa: S311  # a mix that can be drawn again
    first, second = _loaded(people(draw)), _loaded(people(draw))
    world = worlds.simulated(place)
    made = world.apply(first, _ALLOW)
    assert made.result is not None, made.planned.diagnostics
    assert not made.result.failed, (seed, made.result.outcomes)
    before, plan = _members(world), world.plan(second, _ALLOW).plan
    assert plan is not None
    assert not plan.blocked, (seed, plan.blocked)
    noting = Noting(world.host())
    applied = world.apply(second, _ALLOW, host=noting)

    assert applied.result is not None, (seed, applied.planned.diagnostics)
    assert not applied.result.failed, (seed, applied.result.outcomes)
    assert [step for step in steps_of(plan) if not step.startswith("(held)")] == noting.done, seed
    assert world.plan(second, _ALLOW).plan_is_empty, seed
    if noting.done:
        undone = rolled_back(world)
        assert not undone.diagnostics, (seed, undone.diagnostics)
        assert before == _members(world), seed


@pytest.mark.parametrize("start", range(0, 200, _BATCH))
def test_what_a_plan_shows_is_what_an_apply_does(start: int, place: Path) -> None:
    """Every step, in that order, and nothing else; the next plan is empty; a rollback gives everybody their
    groups back.
    """
    for seed in range(start, start + _BATCH):
        _check(seed, place / str(seed))


def test_a_planted_mistake_is_found(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Accounts that take the next free number before those with their own number are found out."""
    monkeypatch.setattr(ordering, "_NUMBERS", {})

    assert any(_is_found(seed, place / str(seed)) for seed in range(100))


def _is_found(seed: int, place: Path) -> bool:
    try:
        _check(seed, place)
    except AssertionError:
        return True
    return False
