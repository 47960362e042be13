"""Whether the newest archive of a destination is too old: for the schedule of its job, or for its `max_age`.

Runs that were due and made no archive were skipped softly each time, never begun, or are not scheduled any
more. None of these is a failure by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from reconciler.core.basics.frozen import frozen
from reconciler.formats.backups import manifest as manifests
from reconciler.formats.backups.job import Job
from reconciler.formats.schedule import calendar, cron_job, next_runs
from reconciler.formats.schedule.timetable import spoken
from reconciler.formats.systemd import timespan, unit

MOST = 3
"""The number of successive runs that may be due without an archive: a disk may be plugged in once a week."""
_DAY = 86_400
_SKEW = 86_400
"""Seconds by which an archive may be newer than the clock before a message says so."""
LATE = 1.5
"""The number of spans between drills after which one is late: each run may make up for it."""
PLACES = (("/etc/systemd/system", "{}.timer"), ("/etc/cron.d", "{}"))
"""The directories and names of the files with the schedule of a unit."""


@frozen
class Due:
    """The schedule of a job."""

    words: tuple[str, ...]
    """The schedule as its file spells it."""
    since: int
    """When that file was written, in seconds since the epoch."""

    def missed(self, newest: int | None, now: int) -> str:
        """Why the newest archive is too old for the schedule; empty if it is not. `newest` None: there is
        none.

        The last of the runs has a day to make its archive, or until the next run if that is sooner.
        """
        after = max(self.since, newest or 0)
        runs = self._runs(after, MOST + 1 if newest is not None else 2)
        last = MOST - 1 if newest is not None else 0
        if len(runs) <= last:
            return ""
        time = min(_DAY, runs[last + 1] - runs[last]) if runs[last + 1 :] else _DAY
        if now <= runs[last] + time:
            return ""
        ago = timespan.words(now - runs[last])
        if newest is None:
            return f"there is no good archive, and its first run was due {ago} ago"
        age = timespan.words(now - newest)
        return f"the newest good archive is {age} old, and the third run since was due {ago} ago"

    def _runs(self, after: int, most: int) -> Sequence[int]:
        times = [word for word in self.words if word != "@reboot" and not word.startswith("OnBootSec=")]
        try:
            schedules = [calendar.parse(word) for word in times]
            runs = next_runs.next_runs(schedules, datetime.fromtimestamp(after).astimezone(), most)
        except ValueError:  # somebody changed it to a form that is not read here
            return ()
        return [int(run.timestamp()) for run in runs]


def due_by(directory: str, text: str, since: int) -> Due:
    """The schedule in a file of one of PLACES, which was written at `since`."""
    document: Mapping[str, Any] = (
        {"cron": cron_job.parse(text)} if directory.endswith("cron.d") else {"unit": unit.parse(text)}
    )
    return Due(spoken(document), since)


def late(job: Job, newest: int | None, schedule: Due | None, declared: int | None, now: int) -> str:
    """Why the newest archive of a destination is too old, or newer than the clock; empty if it is neither.

    `newest` None: there is none. `declared` is when the job file was written last, as far as that is known.
    """
    missed = _missed(job, newest, schedule, declared, now)
    if missed:
        return f"{missed}: journalctl -u backup-{job.name}"
    if newest is None:
        overdue = bool(job.max_age) and declared is not None and now - declared > job.max_age
        return f"there is no good archive, and max_age is {timespan.words(job.max_age)}" if overdue else ""
    if newest > now + _SKEW:
        return f"the newest archive is of {manifests.timestamp(newest)}: the clock was wrong then, or is now"
    if job.max_age and now - newest > job.max_age:
        age = timespan.words(now - newest)
        return f"the newest good archive is {age} old, and max_age is {timespan.words(job.max_age)}"
    return ""


def _missed(job: Job, newest: int | None, schedule: Due | None, declared: int | None, now: int) -> str:
    """Why the newest archive is too old for the job's own schedule; empty if it is not, or if the job has a
    `max_age`, which then decides.

    A destination without any archive had its first run due after it was named, whatever `max_age` is.
    """
    if schedule is None or (newest is not None and job.max_age):
        return ""
    if newest is None:
        schedule = replace(schedule, since=max(schedule.since, declared or 0))
    return schedule.missed(newest, now)


def overdue(most: float, last: int | None, begun: Sequence[int | None], now: int) -> str:
    """For how long something has not happened, in words; empty if that is not too long, or there is no limit.

    Where it never happened, the time counts from the newest of `begun` on.
    """
    since = last if last is not None else max((time for time in begun if time is not None), default=now)
    if not most or now - since <= most:
        return ""
    return f"for {timespan.words(now - since)}"
