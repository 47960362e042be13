"""Units that this very run is a part of, or would end with.

To stop or restart one would end the run in the middle of its work. Whatever such a unit needs stays owed, and
the next apply that is no part of it does it. This includes a start and a reload of a unit that we are a part
of: systemd would wait for the end of a job that is still running, and so for ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from reconciler.core.actions import Unit, UnitVerb
from reconciler.core.host import UnitRelation
from reconciler.core.steps import Step

Inside = Callable[[str], UnitRelation]
"""The relation of a unit to this run."""

_TOUCHING = {
    UnitRelation.NONE: (),
    UnitRelation.TIED: (UnitVerb.RESTART,),
    UnitRelation.PART: (UnitVerb.START, UnitVerb.RELOAD, UnitVerb.RESTART),
}
_ENDING = {
    (UnitRelation.PART, UnitVerb.STOP): "this run is a part of {} and a stop would end it",
    (UnitRelation.PART, UnitVerb.START): "this run is a part of {} and a start would wait for its end",
    (
        UnitRelation.TIED,
        UnitVerb.STOP,
    ): "a stop of {} would end a unit that is tied to it and that this run is a part of",
}
WORDS = {
    UnitRelation.PART: "this run is a part of it, and leaves that to the next apply that is not",
    UnitRelation.TIED: (
        "a unit that is tied to it would end, and this run with it; it is left to the next apply that is no"
        " part of that"
    ),
}


def nowhere(_unit: str) -> UnitRelation:
    """We are a part of no unit that anything is done to."""
    return UnitRelation.NONE


def spared(steps: Iterable[Step], inside: Inside) -> Iterator[Step]:
    """The steps, with those that would end this run, or wait for its end, turned into owed effects."""
    for step in steps:
        action = step.action
        if not isinstance(action, Unit) or action.verb not in _TOUCHING[UnitRelation.PART]:
            yield step
            continue
        every = frozenset(cause.address for cause in step.causes)
        ours = {
            cause.address: bond
            for cause in step.causes
            if action.verb in _TOUCHING[bond := inside(cause.unit)]
        }
        if (rest := step.without(frozenset(ours))) is not None:
            yield rest
        if ours and (mine := step.without(every - ours.keys())) is not None:
            yield replace(
                mine,
                causes=tuple(
                    replace(cause, kept=WORDS[ours[cause.address]], passing=True) for cause in mine.causes
                ),
                held=True,
            )


def refusal(steps: Iterable[Step], inside: Inside) -> str:
    """Why these steps cannot be done from here: one ends a unit that this run is part of, or waits for its
    end. Empty if none does.
    """
    actions = (
        step.action
        for step in steps
        if isinstance(step.action, Unit) and step.action.verb in (UnitVerb.STOP, UnitVerb.START)
    )
    asked = ((unit, (inside(unit), action.verb)) for action in actions for unit in action.units)
    why = next((_ENDING[what].format(unit) for unit, what in asked if what in _ENDING), "")
    return f"{why}; run it from a login or from another unit" if why else ""
