"""Everything known about one resource: what is declared, applied and there, what it needs, and what would be
done about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.app.graph import references
from reconciler.app.plan.planned import Planned
from reconciler.core.action_data import as_data, without_digests
from reconciler.core.address import Address
from reconciler.core.changes import Change, Document, Origin, Verb
from reconciler.core.state import LedgerRow
from reconciler.core.steps import Cause, Step
from reconciler.render.masking import mask
from reconciler.render.plan.entries import FAILED, is_text, origin_of
from reconciler.render.plan.json import hold_data
from reconciler.render.plan.values import NOT_SHOWN


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
        "ledger_unreadable": plan.memory.unreadable or None,
        "parts": [_part(planned, one) for one in every],
        "steps": [
            _step(step, causes)
            for step in plan.steps
            if (causes := [one for one in step.causes if one.address in every])
        ],
        "owed": [
            {"verb": row.verb, "unit": row.unit, "why": row.why, "run": row.run}
            for row in plan.owed
            if row.address in every
        ],
        "blocked": {str(one): plan.blocked[one] for one in every if one in plan.blocked},
        "holds": [hold_data(hold) for hold in plan.memory.holds if any(hold.covers(one) for one in every)],
        "held": {str(one): plan.held[one] for one in every if one in plan.held},
    }


def _step(step: Step, causes: Sequence[Cause]) -> dict[str, Any]:
    """A step, as far as these causes are behind it: one call may start the units of others too."""
    data = mask(without_digests(as_data(step.action)))
    units = {cause.unit for cause in causes if cause.unit}
    if units and data.get("units"):
        data["units"] = [unit for unit in data["units"] if unit in units]
    return {**data, "held": step.held, "why": sorted({cause.reason for cause in causes if cause.reason})}


def _part(planned: Planned, address: Address) -> dict[str, Any]:
    assert planned.situation is not None and planned.plan is not None
    part, row = planned.situation.parts.get(address), planned.situation.rows.get(address)
    seen = planned.situation.observed[address]
    change = next((one for one in planned.plan.changes if one.address == address), None)
    return {
        "address": str(address),
        "declared": mask(part.document) if part else None,
        "applied": mask(_applied(row, seen.document)) if row else None,
        "observed": mask(seen.document if row else _of_others(seen.document)),
        "unreadable": seen.unreadable or None,
        "ours": None if planned.plan.memory.unreadable else row is not None,
        "made_by_us": row.created if row else None,
        "protected": row.protect if row else None,
        "applied_from": row.source or None if row else None,
        "origin": origin_of(change) if change else None,
        "state": "not known" if seen.unreadable else _state(change),
    }


def _of_others(document: Document | None) -> Document | None:
    """The document of what is not ours, without what somebody wrote into it.

    Whoever can write a spec must not read the host with it.
    """
    return document and {key: NOT_SHOWN if is_text(key, value) else value for key, value in document.items()}


def _applied(row: LedgerRow, observed: Document | None) -> Document | None:
    """The document that was applied last; after an apply that did not get through, what it wrote and is
    there.
    """
    if row.pending is None or observed is None:
        return row.document
    return _in_force(row.document or {}, row.pending, observed) or row.document


def _in_force(before: Document, pending: Document, observed: Document) -> Document:
    found = {key: value for key, value in before.items() if key in pending or key in observed}
    for key, value in pending.items():
        there = observed.get(key)
        if isinstance(value, dict) and isinstance(there, dict):
            found[key] = _in_force(before.get(key) or {}, value, there)
        elif value == there:
            found[key] = value
    return found


_STATES = {
    Origin.INTENT: "not as declared",
    Origin.DRIFT: "changed on the host by hand",
    Origin.CONFLICT: "changed on the host by hand, and in the spec",
    Origin.ADOPTION: "exists, is not ours, and differs",
    Origin.UNKNOWN: "exists, and differs",
    Origin.UPGRADE: "not as this version of the tool writes it",
    Origin.REMOVED: "not in the spec",
}


def _state(change: Change | None) -> str:
    if change is None:
        return "as declared"
    if origin_of(change) == FAILED:
        return "failed; nobody changed it"
    words = (
        "not there yet"
        if change.verb is Verb.CREATE and change.origin is Origin.INTENT
        else _STATES[change.origin]
    )
    return f"{words} ({mask(change.reason)})" if change.reason else words
