"""How often a schedule comes, so that two can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from reconciler.formats.schedule import calendar, next_runs

_RUNS = 60
_FROM = datetime(2027, 1, 1, tzinfo=UTC)
"""Any time does: it is not about when."""
NEVER = float("inf")


def seconds_between(words: Sequence[str]) -> float | None:
    """The mean time between two runs of a job with all these calendars, in seconds; NEVER for what comes once
    or with the boot only. None where it cannot be told.
    """
    times = [word for word in words if word != "@reboot" and not word.startswith("OnBootSec=")]
    try:
        runs = next_runs.next_runs([calendar.parse(word) for word in times], _FROM, _RUNS)
    except ValueError:
        return None
    return (runs[-1] - runs[0]).total_seconds() / (len(runs) - 1) if len(runs) > 1 else NEVER
