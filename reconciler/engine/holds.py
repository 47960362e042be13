"""The effect of holds on a plan.

A held resource is left alone, what needs it waits, and effects that others cause there are owed until the
hold ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from reconciler.core.actions import Unit
from reconciler.core.address import Address
from reconciler.core.changes import Change, Verb
from reconciler.core.state import Hold, OwedRow
from reconciler.core.steps import Step
from reconciler.engine import compare
from reconciler.engine.inputs import Request


def words(hold: Hold) -> str:
    """Who holds it, until when and why."""
    until = datetime.fromtimestamp(hold.until, UTC).strftime("%Y-%m-%d %H:%M UTC")
    by = f" by {hold.by}" if hold.by else ""
    return f"held{by} until {until}: {hold.why}"


def reason(holds: Iterable[Hold], address: Address) -> str:
    """Why this address is left alone; empty if it is not."""
    return next((words(hold) for hold in holds if hold.covers(address)), "")


def held(holds: Iterable[Hold], changes: Iterable[Change], owed: Iterable[OwedRow]) -> dict[Address, str]:
    """The parts that are left alone although something is due, each with the reason. Parts that only report
    drift are told as ever.
    """
    due = (
        *(change.address for change in changes if change.verb is not Verb.NONE),
        *(row.address for row in owed),
    )
    return {address: why for address in dict.fromkeys(due) if (why := reason(holds, address))}


def waiting(changes: Iterable[Change], out: Mapping[Address, str], request: Request) -> dict[Address, str]:
    """Removals that wait for a held removal: a directory goes after its content."""
    if not any(change.verb is Verb.DELETE and change.address in out for change in changes):
        return {}
    going = {change.address: change for change in changes if change.verb is Verb.DELETE}
    others = frozenset(
        name for change in changes if change.address not in out for name in _fields_of(change, request)
    )
    reasons: dict[Address, str] = {}
    for address in going:
        kind = request.kinds[address.kind]
        remaining = (
            change
            for waiting_address, change in going.items()
            if waiting_address not in out and waiting_address not in reasons
        )
        vanishing = frozenset(name for change in remaining for name in compare.leaving(change, request.kinds))
        if address not in out and kind.reason_to_keep(request.view, address, vanishing | others):
            reasons[address] = "waits for what is held in it"
    return reasons


def _fields_of(change: Change, request: Request) -> Iterable[str]:
    return () if change.verb is Verb.DELETE else compare.leaving(change, request.kinds)


def owing(steps: Iterable[Step], why_held: Callable[[Address], str]) -> Iterator[Step]:
    """The steps, with effects on the process of a held resource turned into owed ones, like `on_change:
    none`.
    """
    for step in steps:
        every = frozenset(cause.address for cause in step.causes)
        mine = (
            frozenset(address for address in every if why_held(address))
            if isinstance(step.action, Unit)
            else frozenset()
        )
        for part, waits in ((step.without(mine), step.held), (step.without(every - mine), True)):
            if part is not None:
                yield replace(part, held=waits)
