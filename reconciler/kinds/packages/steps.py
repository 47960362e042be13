"""A changed package as a part of the one transaction."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.actions import ChangePackages
from reconciler.core.changes import Change, Verb
from reconciler.core.steps import Cause, Step


def actions(change: Change) -> Iterator[Step]:
    """One transaction: to remove it, or to install, upgrade, hold or release it."""
    name, cause = change.address.name, (Cause(change.address),)
    if change.verb is Verb.DELETE:
        yield Step(ChangePackages(remove=(name,)), cause)
        return
    after = change.after or {}
    comes = change.verb is Verb.CREATE or change.touches("installed") or change.touches("at_least")
    wish = f"{name}>={after['at_least']}" if "at_least" in after else name
    holds = after.get("hold") if change.verb is Verb.CREATE or change.touches("hold") else None
    yield Step(
        ChangePackages(
            install=(wish,) if comes else (),
            hold=(name,) if holds is True else (),
            unhold=(name,) if holds is False and change.verb is not Verb.CREATE else (),
        ),
        cause,
    )
