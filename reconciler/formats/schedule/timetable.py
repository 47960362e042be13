"""The schedule of a timer or a file in /etc/cron.d, from its document, and its next runs.

It is for display only: nothing is decided by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from reconciler.formats.schedule import calendar, dst, next_runs

_RUNS = 3
_TRIGGERS = ("OnActiveSec", "OnBootSec", "OnStartupSec", "OnUnitActiveSec", "OnUnitInactiveSec")


def spoken(document: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The words of a schedule: the values of OnCalendar=, or the fields of cron; other triggers of a timer as
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
    """The timetable that a plan shows for one side of a change; None: there is none.

    It has `schedule`, `runs` (RFC 3339, null: not known), the greatest `delay`, and `stopped`. `zone` is the
    name of the host's time zone, `now` any aware time.
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
    """Whether a timer is not started; where no systemd answers, whether it will not be."""
    state, starts = document.get("state", ""), document.get("enabled", True)
    return state != "running" if state else not starts


def _runs(words: Sequence[str], zone: str, now: datetime, *, cron: bool) -> list[str] | None:
    times = [word for word in words if word != "@reboot" and not word.startswith("OnBootSec=")]
    try:
        schedules = [calendar.parse(word) for word in times]
    except ValueError:  # somebody else's, in a form that is not read here
        return None
    runs: list[datetime] = []
    for schedule in schedules:
        zone_info = dst.zone(schedule.timezone or zone)
        if zone_info is None:
            return None
        runs += next_runs.next_runs([schedule], now.astimezone(zone_info), _RUNS, cron=cron)
    return [run.isoformat() for _, run in sorted({run.timestamp(): run for run in runs}.items())[:_RUNS]]


def _timer(document: Mapping[str, Any]) -> Mapping[str, Any]:
    timer = (document.get("unit") or {}).get("Timer")
    return timer if isinstance(timer, Mapping) else {}


def _lines(timer: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = timer.get(name, ())
    return (value,) if isinstance(value, str) else tuple(value)
