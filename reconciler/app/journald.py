"""The messages of a run to systemd's journal; they are sent always, beside any report (`app.report`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from reconciler.core.result import Status
from reconciler.host.systemd.journal import send
from reconciler.render.apply import final_line

if TYPE_CHECKING:
    from reconciler.app.apply import Applied

OUTCOME, ENDED, DRIFTED = (
    "3a7f2cb5e0d94b5f8d1b6f4f1c0a9e21",
    "9c1de4a27b3f4c6fa5e80d2b7a6c4f13",
    "e5b0c8d1f6a74d0c9b21c7a3d84f5e60",
)
"""MESSAGE_ID of the entries: the outcome of a resource, the end of an apply, a change outside of the spec."""

_PRIORITY = {Status.FAILED: "3", Status.SKIPPED: "4"}
_INFO, _WARNING, _ERROR = "6", "4", "3"


def journal_apply(applied: Applied) -> None:
    """Send the outcome of each resource, and of the apply: `journalctl RECONCILER_RUN=12`.

    Nothing is sent if nothing was to be done.
    """
    result = applied.result
    if result is None or not result.run:
        return
    send(_apply_entries(applied))


def _apply_entries(applied: Applied) -> Iterator[Mapping[str, str]]:
    result = applied.result
    assert result is not None
    plan = result.plan
    common = {
        "SYSLOG_IDENTIFIER": "reconciler",
        "RECONCILER_RUN": str(result.run),
        "RECONCILER_HOST": plan.host,
    }
    common |= {"RECONCILER_COMMIT": plan.spec_commit} if plan.spec_commit else {}
    for address, outcome in result.outcomes.items():
        reason = f": {outcome.reason}" if outcome.reason else ""
        yield {
            "MESSAGE": f"{address}: {outcome.status}{reason}",
            "MESSAGE_ID": OUTCOME,
            "PRIORITY": _PRIORITY.get(outcome.status, _INFO),
            "RECONCILER_ADDRESS": str(address),
            "RECONCILER_RESULT": str(outcome.status),
            **common,
        }
    yield {
        "MESSAGE": final_line(result),
        "MESSAGE_ID": ENDED,
        "PRIORITY": _ERROR if result.failed else _INFO,
        "RECONCILER_RESULT": "failed" if result.failed else "applied",
        **common,
    }


def journal_drift(data: Mapping[str, Any]) -> None:
    """Send an entry for each object that was changed outside of the spec; `data` is a plan's public form."""
    common = {"SYSLOG_IDENTIFIER": "reconciler", "MESSAGE_ID": DRIFTED, "RECONCILER_RESULT": "drift"}
    send(
        {
            "MESSAGE": f"{address}: changed outside of the spec",
            "PRIORITY": _WARNING,
            "RECONCILER_ADDRESS": address,
            **common,
        }
        for address in drifting(data)
    )


def drifting(data: Mapping[str, Any]) -> list[str]:
    """The addresses of the objects that were changed outside of the spec; `data` is a plan's public form."""
    return [
        str(entry["address"])
        for entry in data.get("resource_drift", ())
        if isinstance(entry, dict) and "address" in entry
    ]
