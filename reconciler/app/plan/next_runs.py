"""When the jobs of a plan come next, before and after it.

Shown beside the plan; nothing depends on it, and no approval covers it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from reconciler.app.plan.planned import Planned
from reconciler.core.address import Address
from reconciler.core.changes import Change, Document, Verb
from reconciler.core.state import Memory
from reconciler.formats.schedule.timetable import spoken, timetable
from reconciler.kinds.shared.timezone import host_zone

_PARTS = ("timer", "cron")


def upcoming(planned: Planned, now: str) -> list[dict[str, Any]]:
    """A row for each job whose schedule is new or changes, as the plan document has it.

    `now` is a time stamp as in RFC 3339. A job that goes from one scheduler to the other is one row. The
    schedule before is not told for what is not ours.
    """
    if planned.plan is None or planned.request is None:
        return []
    sides: dict[Address, list[Change]] = {}
    for change in planned.plan.changes:
        idle = change.address in planned.plan.blocked or change.address in planned.plan.held
        if (
            change.address.part in _PARTS
            and change.verb in (Verb.CREATE, Verb.UPDATE, Verb.DELETE)
            and not idle
        ):
            sides.setdefault(change.address.resource, []).append(change)
    changed = {address: _sides(changes, planned.plan.memory) for address, changes in sides.items()}
    changed = {
        address: both for address, both in changed.items() if both[1] and spoken(both[0]) != spoken(both[1])
    }
    if not changed:
        return []
    known, at = host_zone(planned.request.view), datetime.fromisoformat(now)
    zone = known or "UTC"
    return [
        {
            "address": str(address),
            "timezone": zone,
            "assumed": not known,
            "before": timetable(before, zone, at),
            "after": timetable(after, zone, at),
        }
        for address, (before, after) in changed.items()
    ]


def _sides(changes: list[Change], memory: Memory) -> tuple[Document | None, Document | None]:
    """The document that has the schedule now, and the one that will have it."""
    before = next((change.before for change in changes if change.before and _is_ours(change, memory)), None)
    after = next(
        (change.after for change in changes if change.verb is not Verb.DELETE and change.after), None
    )
    return before, after


def _is_ours(change: Change, memory: Memory) -> bool:
    """Whether it was applied from a spec, and not only begun to be taken over."""
    row = memory.rows.get(change.address)
    return change.ours and (row is None or row.document is not None)
