"""The schedule that a timer or a file of cron's has, from its document, and when it comes next.

For display: nothing is decided by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from reconciler.formats.schedule import calendar, dst, next_runs

_RUNS = 3
_TRIGGERS = ("OnActiveSec", "OnBootSec", "OnStartupSec", "OnUnitActiveSec", "OnUnitInactiveSec")


def spoken(document: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The words of a schedule: the lines of OnCalendar=, the fields of cron; what else starts a timer as
    `OnBootSec=1min`.
    """
    if not document:
        return ()
    if "cron" in document:
        return (str(document["cron"].get("schedule", "")),)
    timer = _timer(document)
    return (
        *_lines(timer, "OnCalendar"),
        *(f"{name}={value}" for name in _TRIGGERS for value in _lines(timer, name)),
    )


def timetable(document: Mapping[str, Any] | None, zone: str, now: datetime) -> dict[str, Any] | None:
    """The timetable that a plan shows of one side.

    It has `schedule`, `runs` (RFC 3339, null: not known), `delay` at most and `stopped`. None: there is none.
    `zone` is the name of the host's time zone, `now` any aware time.
    """
    words = spoken(document)
    if document is None or not words:
        return None
    return {
        "schedule": list(words),
        "runs": _runs(words, zone, now, cron="cron" in document),
        "delay": "".join(_lines(_timer(document), "RandomizedDelaySec")),
        "stopped": _stopped(document),
    }


def _stopped(document: Mapping[str, Any]) -> bool:
    """Whether it is not started, or, where no systemd says so, will not be."""
    state, starts = document.get("state", ""), document.get("enabled", True)
    return state != "running" if state else not starts


def _runs(words: Sequence[str], zone: str, now: datetime, *, cron: bool) -> list[str] | None:
    times = [word for word in words if word != "@reboot" and not word.startswith("OnBootSec=")]
    try:
        schedules = [calendar.parse(word) for word in times]
    except ValueError:  # somebody else's, in a form that is not read here
        return None
    found: list[datetime] = []
    for schedule in schedules:
        place = dst.zone(schedule.timezone or zone)
        if place is None:
            return None
        found += next_runs.next_runs([schedule], now.astimezone(place), _RUNS, cron=cron)
    return [run.isoformat() for _, run in sorted({run.timestamp(): run for run in found}.items())[:_RUNS]]


def _timer(document: Mapping[str, Any]) -> Mapping[str, Any]:
    found = (document.get("unit") or {}).get("Timer")
    return found if isinstance(found, Mapping) else {}


def _lines(timer: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = timer.get(name, ())
    return (value,) if isinstance(value, str) else tuple(value)
