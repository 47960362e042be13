"""Everything known about one resource: what is declared, applied and there, what it needs, and what would be done about it."""

from __future__ import annotations

from typing import Any

from reconciler.app.graphing import references
from reconciler.app.planning import Planned
from reconciler.core.actions import as_data
from reconciler.core.address import Address
from reconciler.core.changes import Change, Origin, Verb
from reconciler.render.masking import mask
from reconciler.render.plan_json import FAILED, hold_data, origin_of


def explain(planned: Planned, address: Address) -> dict[str, Any] | None:
    """The facts about a resource with all its parts; None when neither spec nor ledger knows it."""
    plan, situation, request = planned.plan, planned.situation, planned.request
    if plan is None or situation is None or request is None:
        return None
    every = sorted(found for found in situation.observed if address in (found, found.resource))
    if not every:
        return None
    edges = references(request.spec, request.kinds)
    declared = next((one for one in request.spec.resources if one.address == address.resource), None)
    return {
        "address": str(address),
        "source": str(declared.source) if declared else None,
        "needs": [str(one) for one in edges.get(address.resource, ())],
        "needed_by": [str(one) for one, needed in edges.items() if address.resource in needed],
        "parts": [_part(planned, one) for one in every],
        "steps": [
            {**mask(as_data(step.action)), "held": step.held, "why": sorted({cause.reason for cause in step.causes if cause.reason})}
            for step in plan.steps
            if any(cause.address in every for cause in step.causes)
        ],
        "owed": [{"verb": row.verb, "unit": row.unit, "why": row.why, "run": row.run} for row in plan.owed if row.address in every],
        "blocked": {str(one): plan.blocked[one] for one in every if one in plan.blocked},
        "holds": [hold_data(hold) for hold in plan.memory.holds if any(hold.covers(one) for one in every)],
        "held": {str(one): plan.held[one] for one in every if one in plan.held},
    }


def _part(planned: Planned, address: Address) -> dict[str, Any]:
    assert planned.situation is not None and planned.plan is not None
    part, row = planned.situation.parts.get(address), planned.situation.rows.get(address)
    seen = planned.situation.observed[address]
    change = next((one for one in planned.plan.changes if one.address == address), None)
    return {
        "address": str(address),
        "declared": mask(part.document) if part else None,
        "applied": mask(row.document) if row else None,
        "observed": mask(seen.document),
        "unreadable": seen.unreadable or None,
        "ours": row is not None,
        "made_by_us": row.created if row else None,
        "protected": row.protect if row else None,
        "applied_from": row.source or None if row else None,
        "origin": origin_of(change) if change else None,
        "state": _state(change),
    }


_STATES = {
    Origin.INTENT: "not as declared",
    Origin.DRIFT: "changed on the host by hand",
    Origin.CONFLICT: "changed on the host by hand, and in the spec",
    Origin.ADOPTION: "exists, is not ours, and differs",
    Origin.UPGRADE: "not as this version of the tool writes it",
    Origin.REMOVED: "not in the spec",
}


def _state(change: Change | None) -> str:
    if change is None:
        return "as declared"
    if origin_of(change) == FAILED:
        return "failed; nobody changed it"
    words = "not there yet" if change.verb is Verb.CREATE and change.origin is Origin.INTENT else _STATES[change.origin]
    return f"{words} ({change.reason})" if change.reason else words
