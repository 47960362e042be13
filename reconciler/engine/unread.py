"""Plans of users who may not read all: what they cannot know is told as unknown, never as a failure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.core.address import Address
from reconciler.core.changes import Change, Origin
from reconciler.core.diagnostic import Diagnostic, warning
from reconciler.core.secrets.secrecy import SECRET_CONTENT
from reconciler.engine import ordering
from reconciler.engine.inputs import Request, Situation

if TYPE_CHECKING:
    from reconciler.engine.units.dependents import Trial


def rows(situation: Situation) -> dict[Address, str]:
    """The parts that could not be looked at, and why."""
    closed = dict.fromkeys(situation.secret, SECRET_CONTENT)
    return closed | {
        address: observed.unreadable
        for address, observed in situation.observed.items()
        if observed.unreadable
    }


def of_unknown_owner(change: Change) -> Change:
    """The change as it is told while the ledger cannot be read: nobody knows whether the object is ours."""
    if change.origin is not Origin.ADOPTION:
        return change
    fields = tuple(
        replace(item, origin=Origin.UNKNOWN) if item.origin is Origin.ADOPTION else item
        for item in change.fields
    )
    return replace(change, origin=Origin.UNKNOWN, fields=fields)


def closed(trial: Trial, request: Request) -> dict[Address, str]:
    """The addresses that get no steps, each with the reason.

    A caller who may apply does nothing whose result nobody could see; one who only looks is shown all of it.
    """
    return dict(trial.unreadable) if request.onlooker else {**trial.unseen, **trial.unreadable}


def with_dependants(
    unreadable: Mapping[Address, str], needs: Mapping[Address, frozenset[Address]], changes: Iterable[Change]
) -> dict[Address, str]:
    """These changes and all that need one of them, with the reason: their outcome is not known either."""
    moving = {change.address for change in changes if change.moves}
    result = dict(unreadable)
    for address in ordering.sequence(needs):
        reason = next((result[need] for need in sorted(needs.get(address, ())) if need in result), "")
        if reason and address in moving:
            result.setdefault(address, reason)
    return result


def unknown_kinds(request: Request) -> Iterator[Diagnostic]:
    """Yield a warning for each kind that another version of the tool wrote into the ledger."""
    for name in sorted({address.kind for address in request.memory.rows} - request.kinds.keys()):
        yield warning(
            "unknown kind in the ledger",
            f"The ledger has {name} that this version does not know; they are left alone.",
            rule="ledger",
        )
