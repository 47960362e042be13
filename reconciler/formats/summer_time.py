"""Runs that fall into the hour that summer time leaves out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from reconciler.formats.calendar import Schedule


def gap_warning(schedule: Schedule, timezone: str, year: int) -> str:
    """What to tell about runs that fall into the hour that summer time leaves out, empty if none does.

    A timer skips such a run (systemd issue 5595). `timezone` is a name: for `host`, UTC and unknown ones nothing is said.
    """
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    zone = schedule.timezone or timezone
    if zone in ("host", "UTC") or schedule.reboot or len(schedule.hours) == 24:
        return ""
    try:
        place = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ""
    midnight = datetime(year, 1, 1, tzinfo=place)
    for day in (midnight + timedelta(days=n) for n in range(366)):
        if day.utcoffset() != (day + timedelta(days=1)).utcoffset() and _could_be(schedule, day):
            for hour in schedule.hours:
                run = day.replace(hour=hour, minute=schedule.minutes[0])
                if run.astimezone(UTC).astimezone(place).replace(tzinfo=None) != run.replace(tzinfo=None):
                    return (
                        f"On {run:%Y-%m-%d} there is no {run:%H:%M} in {zone}, where summer time begins: a timer leaves that run out. "
                        "`timezone: UTC` has no such days."
                    )
    return ""


def _could_be(schedule: Schedule, day: datetime) -> bool:
    on_day, on_weekday = day.day in schedule.days, day.isoweekday() % 7 in schedule.weekdays
    return day.month in schedule.months and ((on_day or on_weekday) if schedule.either else (on_day and on_weekday))
