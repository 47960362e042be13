"""The next runs of a plan's jobs, before and after it.

They are shown beside the plan; nothing depends on them, and no approval covers them.
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
    """A row of the plan document for each job whose schedule is new or changes.

    `now` is a time stamp as in RFC 3339. A job that goes from one scheduler to the other is one row. The old
    schedule of a job that is not ours is not shown.
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
    host_timezone, at = host_zone(planned.request.view), datetime.fromisoformat(now)
    zone = host_timezone or "UTC"
    return [
        {
            "address": str(address),
            "timezone": zone,
            "assumed": not host_timezone,
            "before": timetable(before, zone, at),
            "after": timetable(after, zone, at),
        }
        for address, (before, after) in changed.items()
    ]


def _sides(changes: list[Change], memory: Memory) -> tuple[Document | None, Document | None]:
    """The document with the schedule of now, and the one with the schedule after the plan."""
    before = next((change.before for change in changes if change.before and _is_ours(change, memory)), None)
    after = next(
        (change.after for change in changes if change.verb is not Verb.DELETE and change.after), None
    )
    return before, after


def _is_ours(change: Change, memory: Memory) -> bool:
    """Whether the job was applied from a spec; one whose take-over has only begun was not."""
    row = memory.rows.get(change.address)
    return change.ours and (row is None or row.document is not None)
