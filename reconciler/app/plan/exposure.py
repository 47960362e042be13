"""The exposure of a plan's services before and after it, by `systemd-analyze security`.

It is asked on a live host only, and only where somebody wants it; nothing depends on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.app.plan.planned import Planned
from reconciler.core.changes import Change, Verb
from reconciler.host.live import LiveHost
from reconciler.host.systemd.unit_exposure import Exposure, of_files, of_texts
from reconciler.kinds.services.observe import unit_of


def exposures(planned: Planned) -> list[dict[str, Any]]:
    """A row of the plan document for each service with a unit file of ours that is new or changes; none where
    systemd does not say.
    """
    if planned.plan is None or planned.request is None or not isinstance(planned.host, LiveHost):
        return []
    changes = [
        change
        for change in planned.plan.changes
        if _counts(change) and change.address not in planned.plan.blocked
    ]
    before = of_files(_present(planned, changes))
    after = of_texts({unit_of(change.address): _text(change) for change in changes})
    return [
        {"address": str(change.address), "before": _data(before.get(unit)), "after": _data(after[unit])}
        for change in changes
        if (unit := unit_of(change.address)) in after
    ]


def present_exposures(paths: Sequence[str]) -> dict[str, dict[str, Any] | None]:
    """The exposure of these unit files by unit name; units for which systemd says none are left out."""
    return {unit: _data(exposure) for unit, exposure in of_files(paths).items()}


def _counts(change: Change) -> bool:
    if change.address.kind != "services" or change.address.part or "unit" not in (change.after or {}):
        return False
    return change.verb is Verb.CREATE or (change.verb is Verb.UPDATE and change.touches("unit"))


def _present(planned: Planned, changes: Sequence[Change]) -> list[str]:
    """The unit files on disk that are ours; nothing is said about others."""
    assert planned.request is not None
    return [
        path
        for change in changes
        if change.ours and "unit" in (change.before or {})
        for path in planned.request.kinds[change.address.kind].paths(change.address)
    ]


def _text(change: Change) -> str:
    from reconciler.formats.systemd.unit import render

    return render((change.after or {})["unit"])


def _data(exposure: Exposure | None) -> dict[str, Any] | None:
    return None if exposure is None else {"score": exposure[0], "level": exposure[1]}
