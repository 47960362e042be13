"""The event stream of `apply --json`: one object per line, in Terraform's terms.

`now` is a UTC time stamp as RFC 3339 has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.core.address import Address
from reconciler.core.diagnostic import Diagnostic, Severity
from reconciler.core.result import ApplyResult, Status
from reconciler.core.steps import Step
from reconciler.render.apply import counts, final_line
from reconciler.render.backup_views.progress import progress_line
from reconciler.render.diagnostics import diagnostic_data
from reconciler.render.plan.pending import step_data
from reconciler.render.plan.text import final_line as plan_line
from reconciler.render.terminal import visible

FORMAT_VERSION = "1.0"

Event = dict[str, Any]


def line(event: Mapping[str, Any]) -> str:
    """An event as one line of JSON with its line end.

    It is only ASCII, so that no terminal acts on texts of the host.
    """
    import json  # the text views do not need it

    return json.dumps(event, separators=(",", ":")) + "\n"


def version(tool: str, *, now: str) -> Event:
    """The first event of a stream."""
    return _event("version", f"reconciler {tool}", now, tool_version=tool, format_version=FORMAT_VERSION)


def log(message: str, *, now: str, level: str = "info") -> Event:
    """An event that has no type of its own; `level` is info, warn or error."""
    return _event("log", message, now, level=level)


def diagnostic(item: Diagnostic, *, now: str) -> Event:
    """A problem."""
    error = item.severity is Severity.ERROR
    message = f"{'Error' if error else 'Warning'}: {item.summary}"
    return _event(
        "diagnostic", message, now, level="error" if error else "warn", diagnostic=diagnostic_data(item)
    )


def planned_changes(plan: Mapping[str, Any], *, now: str) -> list[Event]:
    """The events of a plan document: drift, then changes, then the summary."""
    drifts = [
        _event(
            "resource_drift",
            f"{entry['address']}: Drift detected ({entry['change']['actions'][0]})",
            now,
            change={"resource": _resource(entry), "action": entry["change"]["actions"][0]},
        )
        for entry in plan["resource_drift"]
    ]
    changes = [
        planned_change(entry, now=now)
        for entry in plan["resource_changes"]
        if entry["change"]["actions"] != ["no-op"]
    ]
    return [*drifts, *changes, change_summary(plan, now=now)]


def planned_change(entry: Mapping[str, Any], *, now: str) -> Event:
    """One entry of `resource_changes`."""
    action = entry["change"]["actions"][0]
    change = {
        "resource": _resource(entry),
        "action": action,
        "reason": entry["action_reason"],
        "blocked": entry["blocked"],
    }
    change |= {"held": entry["held"]} if entry.get("held") else {}
    return _event("planned_change", f"{entry['address']}: Plan to {action}", now, change=change)


def change_summary(plan: Mapping[str, Any], *, now: str) -> Event:
    """The counts of a plan document."""
    counted = plan["summary"]
    changes = {name: counted[name] for name in ("add", "change", "import", "forget")} | {
        "remove": counted["destroy"],
        "operation": "plan",
    }
    return _event("change_summary", plan_line(plan), now, changes=changes)


def apply_progress(
    number: int, total: int, step: Step, *, now: str, sensitive: frozenset[Any] = frozenset()
) -> Event:
    """The event of a step that is about to run. `number` counts from 1."""
    hook = {"number": number, "total": total, "step": step_data(step, sensitive)}
    return _event("apply_progress", progress_line(number, total, step), now, hook=hook)


def apply_complete(entry: Mapping[str, Any], *, now: str, seconds: float) -> Event:
    """The event of a resource that was observed to be as declared."""
    action = entry["change"]["actions"][0]
    hook = {"resource": _resource(entry), "action": action, "elapsed_seconds": round(seconds, 3)}
    return _event(
        "apply_complete", f"{entry['address']}: {action} complete after {seconds:.1f}s", now, hook=hook
    )


def apply_errored(entry: Mapping[str, Any], *, now: str, status: Status, reason: str) -> Event:
    """The event of a resource that failed, or was skipped since another one failed, or is held (no error)."""
    hook = {
        "resource": _resource(entry),
        "action": entry["change"]["actions"][0],
        "status": status.value,
        "reason": reason,
    }
    level = {Status.FAILED: "error", Status.SKIPPED: "warn"}.get(status, "info")
    kind = "apply_held" if status is Status.HELD else "apply_errored"
    return _event(kind, f"{entry['address']}: {status.value}: {reason}", now, level=level, hook=hook)


def outcomes(result: ApplyResult, entries: Sequence[Mapping[str, Any]], *, now: str) -> list[Event]:
    """The outcome of each resource, then the summary. `entries` are `resource_changes`."""
    by_address = {entry["address"]: entry for entry in entries}
    events = []
    for address, outcome in result.outcomes.items():
        entry = by_address.get(str(address)) or _unplanned(address)
        if outcome.status is Status.UNCHANGED:
            continue
        if outcome.status is Status.APPLIED and str(address) in by_address:
            events.append(apply_complete(entry, now=now, seconds=result.seconds))
        elif outcome.status is not Status.APPLIED:
            events.append(apply_errored(entry, now=now, status=outcome.status, reason=outcome.reason))
    return [*events, apply_summary(result, now=now)]


def _unplanned(address: Address) -> dict[str, Any]:
    """The stand-in for the entry of a part that the plan could not observe."""
    named = {
        "address": str(address),
        "type": address.kind,
        "name": address.name,
        "part": address.part or None,
    }
    return named | {"change": {"actions": ["no-op"]}}


def apply_summary(result: ApplyResult, *, now: str) -> Event:
    """The last event of an apply."""
    counted = counts(result)
    changes: Event = {
        name: counted[name] for name in ("add", "change", "import", "forget", "failed", "skipped", "held")
    }
    changes |= {"remove": counted["destroy"], "operation": "apply"}
    level = "error" if result.failed else "info"
    return _event(
        "change_summary",
        final_line(result),
        now,
        level=level,
        changes=changes,
        run=result.run,
        owed=len(result.owed),
    )


def _event(type_: str, message: str, now: str, *, level: str = "info", **more: Any) -> Event:
    head = {
        "@level": level,
        "@message": visible(message),
        "@module": "reconciler",
        "@timestamp": now,
        "type": type_,
    }
    return head | more


def _resource(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "addr": entry["address"],
        "resource": entry["address"],
        "resource_type": entry["type"],
        "resource_name": entry["name"],
        "part": entry["part"],
    }
