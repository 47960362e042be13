"""Ways to break an apply: it is gone at some moment, or an action fails."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self
from zlib import crc32

from reconciler.app.apply import Applied
from reconciler.app.plan.options import PlanOptions
from reconciler.app.specs import Loaded
from reconciler.core.actions import (
    Action,
    Unit,
)
from reconciler.core.host import ActionFailed, Receipt
from reconciler.host.state.store import Store
from tests.case import Case
from tests.worlds import World

FULL = os.environ.get("RECONCILER_FAULTS") == "1"
"""Whether this is a full form: every case in every respect."""
ALL_MOMENTS = os.environ.get("RECONCILER_MOMENTS") == "all"
"""Whether every case is killed at every moment."""


class Crash(BaseException):
    """The process is gone: nothing may catch this."""


@dataclass(slots=True)
class Moments:
    """Counts the moments of an apply, before each effect and each note in the journal.

    At moment `at` the process is gone.
    """

    at: int = -1
    seen: int = 0
    names: list[str] = field(default_factory=list)

    def pass_by(self, name: str) -> None:
        """One more moment."""
        self.names.append(name)
        self.seen += 1
        if self.seen - 1 == self.at:
            raise Crash(name)


def some(cases: Sequence[Any], turn: int) -> Sequence[Any]:
    """Every third case, another third for each `turn`; all of them in the full form."""
    return cases if FULL else cases[turn::3]


def sample(count: int, case: Case, every: int = 12) -> range:
    """Some of so many moments, one at least, in each case from another one on.

    Every twelfth, every third in `make test-faults`, all of them in `make test-cases`.
    """
    step = 1 if ALL_MOMENTS else 3 if FULL else every
    return range(crc32(case.name.encode()) % max(1, min(step, count)), count, step)


class Wrapped:
    """A host on which `before` is called before each action, and says what happens instead, if anything;
    `after` after it.
    """

    def __init__(
        self,
        host: Any,
        before: Callable[[Action], Receipt | None],
        after: Callable[[Action], None] = lambda _: None,
    ) -> None:
        self._host = host
        self._before = before
        self._after = after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._host, name)

    def execute(self, action: Action) -> Receipt:
        """The action, or what happens instead."""
        instead = self._before(action)
        if instead is not None:
            return instead
        receipt: Receipt = self._host.execute(action)
        self._after(action)
        return receipt


def watched(host: Any, moments: Moments) -> Wrapped:
    """A host on which the beginning and the end of every action is a moment."""

    def before(action: Action) -> None:
        moments.pass_by(type(action).__name__)

    def after(action: Action) -> None:
        moments.pass_by(f"after {type(action).__name__}")

    return Wrapped(host, before, after)


class WatchedStore:
    """The state store; every method of the journal is a moment."""

    def __init__(self, moments: Moments) -> None:
        self._moments = moments
        self._store: Store | None = None

    def open(self, *args: Any, **options: Any) -> Self:
        """As Store.open."""
        self._store = Store.open(*args, **options)
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._store is not None
        self._store.close()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name not in ("begin", "intend", "done", "failed", "skipped", "arm", "settle", "end"):
            return method

        def noted(*args: Any, **options: Any) -> Any:
            self._moments.pass_by(name)
            return method(*args, **options)

        return noted


def crashing(world: World, loaded: Loaded, options: PlanOptions, at: int) -> Moments:
    """Apply, and be gone at the moment `at`, if there is one; the moments that passed."""
    moments = Moments(at)
    with suppress(Crash):
        world.apply(loaded, options, watched(world.host(), moments), WatchedStore(moments))
    return moments


def failing(world: World, loaded: Loaded, options: PlanOptions, at: int, *, receipt: bool = False) -> Applied:
    """Apply with the action number `at` failing: with an exception, or, of unit verbs, with all units in the
    receipt.
    """
    count = iter(range(10_000))

    def before(action: Action) -> Receipt | None:
        if next(count) != at:
            return None
        if receipt and isinstance(action, Unit) and action.units:
            return Receipt(failed=dict.fromkeys(action.units, "broken on purpose"))
        raise ActionFailed("broken on purpose")

    return world.apply(loaded, options, Wrapped(world.host(), before))
