"""The messages of a run to systemd's journal: always, whoever else is told (`app.report`)."""

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
"""MESSAGE_ID of the entries: how a resource fared, how an apply ended, what was changed on the host outside
of the spec.
"""

_PRIORITY = {Status.FAILED: "3", Status.SKIPPED: "4"}
_INFO, _WARNING, _ERROR = "6", "4", "3"


def journal_apply(applied: Applied) -> None:
    """How each resource fared, and how it ended: `journalctl RECONCILER_RUN=12`.

    Nothing, if nothing was to be done.
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
    """Each object that was changed outside of the spec, from a plan's public form."""
    common = {"SYSLOG_IDENTIFIER": "reconciler", "MESSAGE_ID": DRIFTED, "RECONCILER_RESULT": "drift"}
    send(
        {
            "MESSAGE": f"{name}: changed outside of the spec",
            "PRIORITY": _WARNING,
            "RECONCILER_ADDRESS": name,
            **common,
        }
        for name in drifting(data)
    )


def drifting(data: Mapping[str, Any]) -> list[str]:
    """The addresses of what was changed outside of the spec, of a plan's public form."""
    return [
        str(entry["address"])
        for entry in data.get("resource_drift", ())
        if isinstance(entry, dict) and "address" in entry
    ]
