"""The public JSON form of a plan; the views for people are made from it alone.

Names are OpenTofu's where it has one. Consumers ignore keys they do not know; additions raise the minor
number of `format_version`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reconciler.core import revision
from reconciler.core.diagnostic import errors

if TYPE_CHECKING:
    from reconciler.core.address import Address
    from reconciler.core.plan import Plan
    from reconciler.render.plan.entries import Texts

FORMAT_VERSION = "1.1"
_COUNTS = ("import", "add", "change", "destroy", "forget", "drifted", "blocked", "held", "taken_along")
"""The keys of the summary."""


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
    findings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The plan document.

    `basis` is the host that was read (`kind`: live, offline or snapshot). `now` is a UTC time stamp as in
    RFC 3339, `tool` our version. Addresses in `texts` get a unified diff. Addresses in `sensitive`, and those
    that are sensitive themselves, show only that they change. `source_root` is cut from file names. `access`
    are the rows of who gains or loses access, `exposure` those of systemd-analyze security, `schedule` those
    of the next runs. `findings` are those of the security audit that it causes and mends; the document has
    them where there are any.
    """
    secret = sensitive | _known_secrets(plan)
    data: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "tool_version": tool,
        "timestamp": now,
        "host": {"name": plan.host},
        "spec": {**revision.as_data(plan.spec_commit), "digest": plan.spec_digest},
        "basis": _basis(plan, basis),
        "applyable": False,
        "complete": plan.complete,
        "partial": {"targets": list(plan.targets), "excludes": list(plan.excludes)} if plan.partial else None,
        "errored": bool(errors(plan.diagnostics)),
        "resource_changes": [],
        "resource_drift": [],
        "access": [],
        "exposure": [dict(row) for row in exposure],
        "schedule": [dict(row) for row in schedule],
        "owed": [],
        "holds": [],
        "unreadable": _unreadable(plan),
        "unknown": list(plan.unknown),
        "diagnostics": _diagnostics(plan),
        "recorded": [str(part.address) for part in plan.converged],
        "steps": [],
        "summary": dict.fromkeys(_COUNTS, 0),
        "approval_digest": plan.fingerprint,
    }
    if access or not _is_settled(plan):
        from reconciler.render.plan.pending import counts, pending  # brings what only changes need

        data |= pending(plan, texts or {}, secret, source_root, access)
        data["summary"] |= counts(plan)
    if findings is not None:
        data["findings"] = dict(findings)
    if plan.approval is not None:
        data["approval"] = plan.approval.as_data()
    data = _shareable(data, plan, basis, secret)
    return data if plan.approval is None else _sealed(data)


def _basis(plan: Plan, host: Mapping[str, Any]) -> dict[str, Any]:
    """The state and the host that the plan was made from."""
    state = {"state_serial": plan.memory.serial, "state_lineage": plan.memory.lineage}
    return state | dict(host) | _past(plan)


def _diagnostics(plan: Plan) -> list[dict[str, Any]]:
    if not plan.diagnostics:
        return []
    from reconciler.render.diagnostics import diagnostic_data

    return [diagnostic_data(item) for item in plan.diagnostics]


def _is_settled(plan: Plan) -> bool:
    """Whether the host is as declared, and nothing is due or on hold."""
    parts = (plan.changes, plan.steps, plan.effects, plan.owed, plan.blocked, plan.held, plan.memory.holds)
    return not any(parts)


def _sealed(data: dict[str, Any]) -> dict[str, Any]:
    from reconciler.core.approval import SEAL, seal

    return data | {SEAL: seal(data)}


def _shareable(
    data: dict[str, Any], plan: Plan, basis: Mapping[str, Any], secret: frozenset[Address]
) -> dict[str, Any]:
    """The document without the digests that mean nothing elsewhere."""
    if not secret:
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


def _unreadable(plan: Plan) -> list[dict[str, Any]]:
    state = [{"address": None, "reason": plan.memory.unreadable}] if plan.memory.unreadable else []
    return state + [{"address": str(address), "reason": why} for address, why in plan.unreadable.items()]
