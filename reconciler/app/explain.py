"""`explain`: the facts about one resource: how it is declared, was applied and is observed, what it needs,
and the steps that an apply would take.
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
from reconciler.render.plan.pending import hold_data
from reconciler.render.plan.values import NOT_SHOWN


def explain(planned: Planned, address: Address) -> dict[str, Any] | None:
    """The facts about a resource with all its parts; None when neither spec nor ledger knows it."""
    plan, situation, request = planned.plan, planned.situation, planned.request
    if plan is None or situation is None or request is None:
        return None
    parts = sorted(part for part in situation.observed if address in (part, part.resource))
    if not parts:
        return None
    edges = references(request.spec, request.kinds)
    declared = next((item for item in request.spec.resources if item.address == address.resource), None)
    return {
        "address": str(address),
        "source": str(declared.source) if declared else None,
        "needs": [str(name) for name in edges.get(address.resource, ())],
        "needed_by": [str(user) for user, needed in edges.items() if address.resource in needed],
        "ledger_unreadable": plan.memory.unreadable or None,
        "parts": [_part(planned, part) for part in parts],
        "steps": [
            _step(step, causes)
            for step in plan.steps
            if (causes := [cause for cause in step.causes if cause.address in parts])
        ],
        "owed": [
            {"verb": row.verb, "unit": row.unit, "why": row.why, "run": row.run}
            for row in plan.owed
            if row.address in parts
        ],
        "blocked": {str(part): plan.blocked[part] for part in parts if part in plan.blocked},
        "holds": [hold_data(hold) for hold in plan.memory.holds if any(hold.covers(part) for part in parts)],
        "held": {str(part): plan.held[part] for part in parts if part in plan.held},
    }


def _step(step: Step, causes: Sequence[Cause]) -> dict[str, Any]:
    """The part of a step that these causes ask for: one call may start the units of other resources too."""
    data = mask(without_digests(as_data(step.action)))
    units = {cause.unit for cause in causes if cause.unit}
    if units and data.get("units"):
        data["units"] = [unit for unit in data["units"] if unit in units]
    return {**data, "held": step.held, "why": sorted({cause.reason for cause in causes if cause.reason})}


def _part(planned: Planned, address: Address) -> dict[str, Any]:
    assert planned.situation is not None and planned.plan is not None
    part, row = planned.situation.parts.get(address), planned.situation.rows.get(address)
    observed = planned.situation.observed[address]
    change = next((change for change in planned.plan.changes if change.address == address), None)
    return {
        "address": str(address),
        "declared": mask(part.document) if part else None,
        "applied": mask(_applied(row, observed.document)) if row else None,
        "observed": mask(observed.document if row else _of_others(observed.document)),
        "unreadable": observed.unreadable or None,
        "ours": None if planned.plan.memory.unreadable else row is not None,
        "made_by_us": row.created if row else None,
        "protected": row.protect if row else None,
        "applied_from": row.source or None if row else None,
        "origin": origin_of(change) if change else None,
        "state": "not known" if observed.unreadable else _state(change),
    }


def _of_others(document: Document | None) -> Document | None:
    """The document of an object that is not ours, without the texts in it.

    Whoever can write a spec must not read the host with it.
    """
    return document and {key: NOT_SHOWN if is_text(key, value) else value for key, value in document.items()}


def _applied(row: LedgerRow, observed: Document | None) -> Document | None:
    """The document that was applied last; after an apply that failed, the part of it that is on the host."""
    if row.pending is None or observed is None:
        return row.document
    return _in_force(row.document or {}, row.pending, observed) or row.document


def _in_force(before: Document, pending: Document, observed: Document) -> Document:
    in_force = {key: value for key, value in before.items() if key in pending or key in observed}
    for key, value in pending.items():
        there = observed.get(key)
        if isinstance(value, dict) and isinstance(there, dict):
            in_force[key] = _in_force(before.get(key) or {}, value, there)
        elif value == there:
            in_force[key] = value
    return in_force


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
