"""Runs that summer time skips or repeats."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

from reconciler.formats.schedule import next_runs
from reconciler.formats.schedule.calendar import Schedule, to_cron


def zone(name: str) -> tzinfo | None:
    """The time zone of this name; None where there is none, or this machine has no data about it."""
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def unknown(name: str) -> bool:
    """Whether there is no such time zone.

    Where this machine has no data about time zones at all, every name counts as known.
    """
    return zone(name) is None and zone("Europe/Berlin") is not None


def gap_warning(schedule: Schedule, timezone: str, year: int, *, cron: bool = False) -> str:
    """The warning about runs in the hour that summer time skips, or in the one that comes twice when it ends;
    empty if neither changes anything.

    A timer skips a run in the former (systemd issue 5595), and runs once in the latter. cron makes up for the
    former and does not repeat the latter, but for minutes or hours that begin with `*`. There is no warning
    for runs in every hour of the day, nor where `timezone` is `host`, UTC or unknown. `cron`: cron runs it.
    """
    name = schedule.timezone or timezone
    quiet = schedule.reboot or len(schedule.hours) == 24 or (cron and not _by_the_clock(schedule))
    zone_info = None if quiet or name in ("host", "UTC") else zone(name)
    if zone_info is None:
        return ""
    midnight = datetime(year, 1, 1, tzinfo=zone_info)
    days = (midnight + timedelta(days=n) for n in range(366))
    warnings = (
        _warning(schedule, day, name, cron=cron)
        for day in days
        if _changes(day) and next_runs.could_be(schedule, day)
    )
    return next(filter(None, warnings), "")


def _by_the_clock(schedule: Schedule) -> bool:
    """Whether cron runs it at every time that the clock shows, also at a repeated one."""
    return any(field.startswith("*") for field in to_cron(schedule).split()[:2])


def _changes(day: datetime) -> bool:
    return day.utcoffset() != (day + timedelta(days=1)).utcoffset()


def _warning(schedule: Schedule, day: datetime, name: str, *, cron: bool) -> str:
    expected = [datetime.combine(day, at, day.tzinfo) for at in next_runs.times(schedule)]
    way_out = (
        "write `scheduler: timer` with `timezone: UTC`, which has no such days"
        if cron
        else "`timezone: UTC` has no such days"
    )
    runs = next_runs.next_runs([schedule], day - timedelta(seconds=1), len(expected) * 2 + 1, cron=cron)
    runs = [run for run in runs if run.date() == day.date()]
    if len(runs) < len(expected):
        lost = next((run for run in expected if not next_runs.exists(run)), expected[0])
        explanation = (
            f"there is no {lost:%H:%M} in {name}, where summer time begins: {'cron' if cron else 'a timer'}"
            " leaves that run out"
        )
    elif len(runs) > len(expected):
        again = next((run for run in runs if run.fold), expected[0])
        explanation = f"{again:%H:%M} comes twice in {name}, where summer time ends: cron runs it both times"
    else:
        return ""
    return f"On {day:%Y-%m-%d} {explanation}. {way_out[0].upper()}{way_out[1:]}."
