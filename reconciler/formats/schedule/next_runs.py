"""The next runs of a schedule, computed as the program does that will run it.

systemd looks for the next local time: it passes over one that summer time skips, and in an hour that comes
twice only the first counts. Debian's cron makes up for skipped runs, unless the minute or the hour begins
with `*`: those run whenever the clock shows their time. cronsim does as cron does; systemd's way is below,
and `systemd-analyze calendar` is its judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta

from reconciler.formats.schedule.calendar import Schedule, to_cron

LAST_YEAR = 2199
"""As far as systemd looks."""


def next_runs(
    schedules: Iterable[Schedule], after: datetime, most: int = 3, *, cron: bool = False
) -> list[datetime]:
    """The next runs of a job with all these calendars, in the time zone of `after`, which must have one; none
    for `@reboot`.

    `cron`: Debian's cron runs it. Raises ValueError for a schedule that cron cannot run.
    """
    way = _as_cron if cron else _as_timer
    every = (schedule for schedule in schedules if not schedule.reboot)
    runs = [run for schedule in every for run, _ in zip(way(schedule, after), range(most), strict=False)]
    # Sorted by seconds since the epoch: otherwise two runs in the hour that comes twice are equal.
    return [run for _, run in sorted({run.timestamp(): run for run in runs}.items())][:most]


def ends(schedules: Iterable[Schedule], after: datetime) -> bool:
    """Whether none of these calendars has a run after this time, in the time zone of `after`."""
    every = list(schedules)
    return not any(schedule.reboot or not schedule.years for schedule in every) and not next_runs(
        every, after, 1
    )


def could_be(schedule: Schedule, day: date) -> bool:
    """Whether the schedule runs on this day."""
    on_day, on_weekday = day.day in schedule.days, day.isoweekday() % 7 in schedule.weekdays
    right = (on_day or on_weekday) if schedule.either else (on_day and on_weekday)
    return right and day.month in schedule.months and (not schedule.years or day.year in schedule.years)


def times(schedule: Schedule) -> Iterator[time]:
    """The local times of a day at which the schedule runs."""
    return (
        time(hour, minute, second)
        for hour in schedule.hours
        for minute in schedule.minutes
        for second in schedule.seconds
    )


def exists(run: datetime) -> bool:
    """Whether this local time exists in its zone: summer time may skip it."""
    return run.astimezone(UTC).astimezone(run.tzinfo).replace(tzinfo=None) == run.replace(tzinfo=None)


def _as_cron(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    from cronsim import CronSim

    return CronSim(to_cron(schedule), after)


def _as_timer(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    wall = after.replace(tzinfo=None, fold=0)
    for day in _days(schedule, wall.date()):
        for at in times(schedule):
            run = datetime.combine(day, at, after.tzinfo)
            if run.replace(tzinfo=None) > wall and exists(run):
                # Within the repeated hour a later local time comes in its second pass.
                yield run if run.astimezone(UTC) > after.astimezone(UTC) else run.replace(fold=1)


def _days(schedule: Schedule, first: date) -> Iterator[date]:
    day = first
    last = max(schedule.years, default=LAST_YEAR)
    while day.year <= last:
        if day.month not in schedule.months or (schedule.years and day.year not in schedule.years):
            day = _next_month(day)
            continue
        if could_be(schedule, day):
            yield day
        day += timedelta(days=1)


def _next_month(day: date) -> date:
    return date(day.year + 1, 1, 1) if day.month == 12 else date(day.year, day.month + 1, 1)
