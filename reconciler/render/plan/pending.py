"""The parts of a plan's document that are empty where nothing is to be done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.core.action_data import as_data, without_digests
from reconciler.core.actions import Gate, Unit
from reconciler.core.address import Address
from reconciler.core.changes import Origin, Verb
from reconciler.core.diagnostic import errors
from reconciler.core.plan import Plan
from reconciler.core.state import Hold, OwedRow
from reconciler.core.steps import Step
from reconciler.render.masking import mask
from reconciler.render.plan.entries import Redaction, Texts, drift_entry, drifted, entries_of, failed, idle

_COUNTED = {Verb.CREATE: "add", Verb.UPDATE: "change", Verb.DELETE: "destroy", Verb.FORGET: "forget"}


def pending(
    plan: Plan,
    texts: Texts,
    secret: frozenset[Address],
    source_root: str,
    access: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The parts of the document; the arguments are those of `plan_to_json`."""
    reported = frozenset(change.address for change in plan.changes if change.verb is Verb.NONE)
    sight = Redaction(texts, secret, source_root, reported)
    return {
        "applyable": _is_applyable(plan),
        "resource_changes": entries_of(plan, sight),
        "resource_drift": [
            drift_entry(change, sight) for change in plan.changes if drifted(change) or failed(change)
        ],
        "access": [mask(dict(row)) for row in access],
        "owed": [_owed(row, plan) for row in plan.owed],
        "holds": [hold_data(row) for row in plan.memory.holds],
        "steps": [step_data(step, secret) for step in plan.steps],
    }


def _is_applyable(plan: Plan) -> bool:
    """Whether no guard refuses the plan, and an apply would do something."""
    refused = any(item.refusal for item in errors(plan.diagnostics))
    pending = any(change.verb is not Verb.NONE and not idle(plan, change.address) for change in plan.changes)
    return not refused and (pending or any(not step.held for step in plan.steps))


def hold_data(row: Hold) -> dict[str, Any]:
    """A hold as JSON; the times are seconds since the epoch."""
    masked: dict[str, Any] = mask({"why": row.why})
    return {
        "address": str(row.address),
        "by": row.by,
        "why": masked["why"],
        "since": row.since,
        "until": row.until,
    }


def step_data(step: Step, sensitive: frozenset[Address] = frozenset()) -> dict[str, Any]:
    """One step as JSON.

    `expects` is left out of a step with sensitive content.
    """
    data: dict[str, Any] = mask(without_digests(as_data(step.action)))
    if any(cause.address in sensitive or cause.address.resource in sensitive for cause in step.causes):
        data.pop("expects", None)
    causes = [
        {"address": str(cause.address), "why": cause.reason, "unit": cause.unit} for cause in step.causes
    ]
    return data | {"phase": step.phase.name.lower(), "held": step.held, "causes": causes}


def counts(plan: Plan) -> dict[str, int]:
    """The counts of the changes that an apply would make; blocked and held ones are counted apart."""
    numbers = Counter[str]()
    numbers["taken_along"] = len({effect.taken.unit for effect in plan.effects if effect.disruptive})
    for change in plan.changes:
        numbers["drifted"] += drifted(change)
        if change.address in plan.held:
            numbers["held"] += 1
            continue
        if change.address in plan.blocked:
            numbers["blocked"] += 1
            continue
        numbers["import"] += change.origin is Origin.ADOPTION and change.verb is not Verb.DELETE
        if change.verb in _COUNTED:
            numbers[_COUNTED[change.verb]] += 1
    return numbers


def _owed(row: OwedRow, plan: Plan) -> dict[str, Any]:
    now, objection = any(_carries_out(step, row) for step in plan.steps), plan.keeps(row)
    return (
        {
            "kind": row.verb,
            "unit": row.unit,
            "address": str(row.address),
            "why": "; ".join(filter(None, (row.why, objection))),
            "held": (row.held and not now) or row.address in plan.held,
            "derived": row.derived,
            "now": now,
            "run": row.run,
            "since": row.since,
        }
        | ({"kept": objection} if objection else {})
        | ({"on_hold": True} if row.address in plan.held else {})
    )


def _carries_out(step: Step, row: OwedRow) -> bool:
    """Whether this step carries out the effect that is owed."""
    if isinstance(step.action, Gate):
        return (row.verb, row.unit) == ("gate", step.action.unit)
    if step.held or not isinstance(step.action, Unit) or step.action.verb.value != row.verb:
        return False
    return not row.unit or row.unit in step.action.units
