"""The public JSON form of a plan; the views for people are made from it alone.

Names are OpenTofu's where it has one. Consumers ignore keys they do not know; additions raise the minor
number of `format_version`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.core import revision
from reconciler.core.action_data import as_data, without_digests
from reconciler.core.actions import Gate, Unit
from reconciler.core.address import Address
from reconciler.core.approval import SEAL, seal
from reconciler.core.changes import Origin, Verb
from reconciler.core.diagnostic import errors
from reconciler.core.plan import Plan
from reconciler.core.state import Hold, OwedRow
from reconciler.core.steps import Step
from reconciler.render.diagnostics import diagnostic_data
from reconciler.render.masking import mask
from reconciler.render.plan.entries import Redaction, Texts, drift_entry, drifted, entries_of, failed, idle

FORMAT_VERSION = "1.1"


_COUNTED = {Verb.CREATE: "add", Verb.UPDATE: "change", Verb.DELETE: "destroy", Verb.FORGET: "forget"}


def plan_to_json(  # noqa: PLR0913  # all by keyword
    plan: Plan,
    *,
    basis: Mapping[str, Any],
    now: str,
    tool: str,
    texts: Texts | None = None,
    sensitive: frozenset[Address] = frozenset(),
    source_root: str = "",
    access: Sequence[Mapping[str, Any]] = (),
    exposure: Sequence[Mapping[str, Any]] = (),
    schedule: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The plan document.

    `basis` is the host that was read (`kind`: live, offline or snapshot). `now` is a UTC time stamp as in
    RFC 3339, `tool` our version. Addresses in `texts` get a unified diff. Addresses in `sensitive`, and those
    that are sensitive themselves, show only that they change. `source_root` is cut from file names. `access`
    are the rows of who gains or loses access, `exposure` those of systemd-analyze security, `schedule` those
    of the next runs.
    """
    reported = frozenset(change.address for change in plan.changes if change.verb is Verb.NONE)
    sight = Redaction(texts or {}, sensitive | _known_secrets(plan), source_root, reported)
    entries = entries_of(plan, sight)
    data = {
        "format_version": FORMAT_VERSION,
        "tool_version": tool,
        "timestamp": now,
        "host": {"name": plan.host},
        "spec": {**revision.as_data(plan.spec_commit), "digest": plan.spec_digest},
        "basis": (
            {"state_serial": plan.memory.serial, "state_lineage": plan.memory.lineage}
            | dict(basis)
            | _past(plan)
        ),
        "applyable": _is_applyable(plan),
        "complete": plan.complete,
        "partial": {"targets": list(plan.targets), "excludes": list(plan.excludes)} if plan.partial else None,
        "errored": bool(errors(plan.diagnostics)),
        "resource_changes": entries,
        "resource_drift": [
            drift_entry(change, sight) for change in plan.changes if drifted(change) or failed(change)
        ],
        "access": [mask(dict(row)) for row in access],
        "exposure": [dict(row) for row in exposure],
        "schedule": [dict(row) for row in schedule],
        "owed": [_owed(row, plan) for row in plan.owed],
        "holds": [hold_data(row) for row in plan.memory.holds],
        "unreadable": _unreadable(plan),
        "unknown": list(plan.unknown),
        "diagnostics": [diagnostic_data(item) for item in plan.diagnostics],
        "recorded": [str(part.address) for part in plan.converged],
        "steps": [step_data(step, sight.sensitive) for step in plan.steps],
        "summary": _summary(plan),
        "approval_digest": plan.fingerprint,
    }
    if plan.approval is not None:
        data["approval"] = plan.approval.as_data()
    data = _shareable(data, plan, basis, sight)
    return data | {SEAL: seal(data)} if plan.approval is not None else data


def _is_applyable(plan: Plan) -> bool:
    """Whether no guard refuses the plan, and an apply would do something."""
    refused = any(item.refusal for item in errors(plan.diagnostics))
    pending = any(change.verb is not Verb.NONE and not idle(plan, change.address) for change in plan.changes)
    return not refused and (pending or any(not step.held for step in plan.steps))


def _shareable(
    data: dict[str, Any], plan: Plan, basis: Mapping[str, Any], sight: Redaction
) -> dict[str, Any]:
    """The document without the digests that mean nothing elsewhere."""
    if not sight.sensitive:
        return data  # no digest was made with a key
    # Without a ledger the digests were made with a throw-away key, and cannot be compared.
    if not plan.memory.lineage:
        return dict(_without_digests(data))
    return dict(_without_digests(data, _ours(plan))) if basis.get("kind") == "snapshot" else data


def dump(data: Mapping[str, Any]) -> str:
    """The document as indented JSON with a line end.

    It is only ASCII, so that no terminal acts on texts of the host.
    """
    return json.dumps(data, indent=2) + "\n"


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


def _known_secrets(plan: Plan) -> frozenset[Address]:
    remembered = {row.address for row in plan.memory.rows.values() if row.sensitive}
    changed = {
        change.address
        for change in plan.changes
        if change.sensitive or (change.part and change.part.sensitive)
    }
    converged = {part.address for part in plan.converged if part.sensitive}
    return frozenset(remembered | changed | converged)


def _past(plan: Plan) -> dict[str, Any]:
    """The notes of a plan about the state that it was made from."""
    return {"interrupted_run": plan.memory.interrupted or None, "state_damaged": plan.memory.damaged or None}


def _summary(plan: Plan) -> dict[str, int]:
    """The counts of the changes that an apply would make; blocked and held ones are counted apart."""
    counts = dict.fromkeys(("import", "add", "change", "destroy", "forget", "drifted", "blocked", "held"), 0)
    counts["taken_along"] = len({effect.taken.unit for effect in plan.effects if effect.disruptive})
    for change in plan.changes:
        counts["drifted"] += drifted(change)
        if change.address in plan.held:
            counts["held"] += 1
            continue
        if change.address in plan.blocked:
            counts["blocked"] += 1
            continue
        counts["import"] += change.origin is Origin.ADOPTION and change.verb is not Verb.DELETE
        if change.verb in _COUNTED:
            counts[_COUNTED[change.verb]] += 1
    return counts


def _ours(plan: Plan) -> frozenset[str]:
    """The digests of declared contents: a snapshot has the digests of the host, but not the key for these."""
    documents = (change.after for change in plan.changes if change.sensitive and change.after)
    return frozenset(value for document in documents for value in document.values() if isinstance(value, str))


def _without_digests(node: Any, which: frozenset[str] | None = None) -> Any:
    """The data without keyed digests: all, or these."""
    if isinstance(node, list):
        return [_without_digests(item, which) for item in node]
    if not isinstance(node, dict):
        return node
    digest = str(node["digest"]) if node.keys() == {"digest"} else ""
    if digest.startswith("hmac:") and (which is None or digest in which):
        return {}
    return {key: _without_digests(value, which) for key, value in node.items()}


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


def _unreadable(plan: Plan) -> list[dict[str, Any]]:
    state = [{"address": None, "reason": plan.memory.unreadable}] if plan.memory.unreadable else []
    return state + [{"address": str(address), "reason": why} for address, why in plan.unreadable.items()]
