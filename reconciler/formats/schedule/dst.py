"""Runs that summer time leaves out, or brings twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

from reconciler.formats.schedule import next_runs
from reconciler.formats.schedule.calendar import Schedule, to_cron


def zone(name: str) -> tzinfo | None:
    """The time zone of this name; None where there is none, or this machine has no data of it."""
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def unknown(name: str) -> bool:
    """Whether there is no such time zone.

    Where this machine has no data of time zones at all, every name is believed.
    """
    return zone(name) is None and zone("Europe/Berlin") is not None


def gap_warning(schedule: Schedule, timezone: str, year: int, *, cron: bool = False) -> str:
    """The warning about runs in the hour that summer time leaves out, or that comes twice when it ends.

    It is empty if that changes nothing. A timer skips a run in the one (systemd issue 5595), and runs once in
    the other. cron makes up for the one and does not repeat the other, but for minutes or hours that begin
    with `*`. Runs in every hour of the day are not told of. `timezone` is a name: for `host`, UTC and unknown
    ones nothing is said. `cron`: as cron takes it.
    """
    name = schedule.timezone or timezone
    quiet = schedule.reboot or len(schedule.hours) == 24 or (cron and not _by_the_clock(schedule))
    place = None if quiet or name in ("host", "UTC") else zone(name)
    if place is None:
        return ""
    midnight = datetime(year, 1, 1, tzinfo=place)
    days = (midnight + timedelta(days=n) for n in range(366))
    told = (
        _told(schedule, day, name, cron=cron)
        for day in days
        if _changes(day) and next_runs.could_be(schedule, day)
    )
    return next(filter(None, told), "")


def _by_the_clock(schedule: Schedule) -> bool:
    """Whether cron takes the times as they come."""
    return any(field.startswith("*") for field in to_cron(schedule).split()[:2])


def _changes(day: datetime) -> bool:
    return day.utcoffset() != (day + timedelta(days=1)).utcoffset()


def _told(schedule: Schedule, day: datetime, name: str, *, cron: bool) -> str:
    wanted = [datetime.combine(day, at, day.tzinfo) for at in next_runs.times(schedule)]
    way_out = (
        "write `scheduler: timer` with `timezone: UTC`, which has no such days"
        if cron
        else "`timezone: UTC` has no such days"
    )
    found = next_runs.next_runs([schedule], day - timedelta(seconds=1), len(wanted) * 2 + 1, cron=cron)
    found = [run for run in found if run.date() == day.date()]
    if len(found) < len(wanted):
        lost = next((run for run in wanted if not next_runs.exists(run)), wanted[0])
        what = (
            f"there is no {lost:%H:%M} in {name}, where summer time begins: {'cron' if cron else 'a timer'}"
            " leaves that run out"
        )
    elif len(found) > len(wanted):
        again = next((run for run in found if run.fold), wanted[0])
        what = f"{again:%H:%M} comes twice in {name}, where summer time ends: cron runs it both times"
    else:
        return ""
    return f"On {day:%Y-%m-%d} {what}. {way_out[0].upper()}{way_out[1:]}."
