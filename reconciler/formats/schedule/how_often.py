"""The mean time between two runs of a schedule: two schedules are compared by it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from reconciler.formats.schedule import calendar, next_runs

_RUNS = 60
_FROM = datetime(2027, 1, 1, tzinfo=UTC)
"""The start of the runs that are counted; any time would do."""
NEVER = float("inf")


def seconds_between(words: Sequence[str]) -> float | None:
    """The mean time between two runs of a job with all these calendars, in seconds; NEVER if it runs once, or
    at boot only; None where a calendar cannot be read.
    """
    times = [word for word in words if word != "@reboot" and not word.startswith("OnBootSec=")]
    try:
        runs = next_runs.next_runs([calendar.parse(word) for word in times], _FROM, _RUNS)
    except ValueError:
        return None
    return (runs[-1] - runs[0]).total_seconds() / (len(runs) - 1) if len(runs) > 1 else NEVER
