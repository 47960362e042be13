"""How exposed the services of a plan are, before and after it.

Shown beside the plan; nothing depends on it.
"""

from __future__ import annotations

from typing import Any

from reconciler.app.plan.planned import Planned
from reconciler.core.changes import Change, Verb
from reconciler.core.host import HostView


def exposures(planned: Planned) -> list[dict[str, Any]]:
    """A row for each service with a unit file of ours that is new or whose unit changes, as the plan document
    has it.
    """
    if planned.plan is None or planned.request is None:
        return []
    changes = [
        change
        for change in planned.plan.changes
        if _counts(change) and change.address not in planned.plan.blocked
    ]
    if not changes:
        return []
    from reconciler.formats.systemd.directives import OLDEST
    from reconciler.kinds.shared.systemd_release import release

    found = release(planned.request.view) or OLDEST
    return [
        {
            "address": str(change.address),
            "release": found,
            "before": _score(_before(change), found),
            "after": _score(change.after, found),
        }
        for change in changes
    ]


def score(document: Any, view: HostView) -> dict[str, Any] | None:
    """The exposure of one unit file as observed on this host; None without one."""
    if not document or "unit" not in document:
        return None
    from reconciler.formats.systemd.directives import OLDEST
    from reconciler.kinds.shared.systemd_release import release

    return _score(document, release(view) or OLDEST)


def _counts(change: Change) -> bool:
    if change.address.kind != "services" or change.address.part or "unit" not in (change.after or {}):
        return False
    return change.verb is Verb.CREATE or (change.verb is Verb.UPDATE and change.touches("unit"))


def _before(change: Change) -> Any:
    """The value before a change of ours; nothing is told of what is not ours."""
    return change.before if change.ours else None


def _score(document: Any, release: int) -> dict[str, Any] | None:
    if not document or "unit" not in document:
        return None
    from reconciler.formats.systemd.exposure import exposure, level

    tenths = exposure(document["unit"], release)
    return {"score": tenths / 10, "level": level(tenths)}
