"""Units that this very run is a part of: to stop or restart one would end the run in the middle of what it does.

What such a unit needs stays owed, and the next apply that is no part of it does it. A start is among it: of a job that is still running
systemd would wait for its end, and so for ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from reconciler.core.actions import Step, Unit, UnitVerb

Inside = Callable[[str], bool]
"""Whether stopping this unit ends us."""

_TOUCHING = (UnitVerb.START, UnitVerb.RELOAD, UnitVerb.RESTART)
_WAITING = {UnitVerb.STOP: "a stop would end it", UnitVerb.START: "a start would wait for its end"}
WORDS = "this run is a part of it, and leaves that to the next apply that is not"


def nowhere(_unit: str) -> bool:
    """We are a part of no unit that anything is done to."""
    return False


def spared(steps: Iterable[Step], inside: Inside) -> Iterator[Step]:
    """The steps, with what would touch the process that we are a part of as effects that stay owed."""
    for step in steps:
        touching = isinstance(step.action, Unit) and step.action.verb in _TOUCHING
        every = frozenset(cause.address for cause in step.causes)
        ours = frozenset(cause.address for cause in step.causes if inside(cause.unit)) if touching else frozenset()
        if (rest := step.without(ours)) is not None:
            yield rest
        if ours and (mine := step.without(every - ours)) is not None:
            yield replace(mine, causes=tuple(replace(cause, kept=WORDS) for cause in mine.causes), held=True)


def refusal(steps: Iterable[Step], inside: Inside) -> str:
    """Why these cannot be done from here: one of them stops what we are a part of, or starts it. Empty if none does."""
    found = (step.action for step in steps if isinstance(step.action, Unit) and step.action.verb in _WAITING)
    unit, verb = next(((unit, action.verb) for action in found for unit in action.units if inside(unit)), ("", UnitVerb.STOP))
    return f"this run is a part of {unit} and {_WAITING[verb]}; run it from a login or from another unit" if unit else ""
