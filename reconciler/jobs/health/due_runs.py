"""Runs of a backup job that were due and made no archive: skipped softly each time, never begun, or not
scheduled any more. None of these is a failure by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError
from reconciler.formats.schedule import calendar, cron_job, next_runs
from reconciler.formats.schedule.timetable import spoken
from reconciler.formats.systemd import timespan, unit
from reconciler.host.archives.private_directory import Directory, look

MOST = 3
"""The number of successive runs that may be due without an archive: a disk may be plugged in once a week."""
_DAY = 86_400
_PLACES = (("/etc/systemd/system", "backup-{}.timer"), ("/etc/cron.d", "backup-{}"))


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


def due(job: str) -> Due | None:
    """The schedule that is on the host; None where there is none, or it cannot be read."""
    for directory, name in _PLACES:
        path = f"{directory}/{name.format(job)}"
        try:
            facts = look(path)
            if facts is None:
                continue
            with Directory(directory) as opened:
                text = opened.read(name.format(job)).decode("utf-8", "replace")
        except HostError:
            continue
        document = (
            {"cron": cron_job.parse(text)} if directory.endswith("cron.d") else {"unit": unit.parse(text)}
        )
        return Due(spoken(document), int(facts.st_mtime))
    return None
