"""A job that makes no archive though its time comes, without `max_age`: each skip is none of its failures."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest

from reconciler.jobs.health import due_runs, job_health
from reconciler.jobs.health.job_health import condition
from tests.jobs.places import Place
from tests.jobs.test_backup_doubt import at

pytestmark = pytest.mark.slow

HOUR, DAY = 3600, 86_400
TODAY = int(datetime(2026, 6, 1, 12).timestamp())  # noqa: DTZ001  # by the clock at the wall, as the timer has it


@pytest.fixture
def scheduled(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A job that a timer of this host runs, declared today at noon."""
    at(monkeypatch, TODAY)
    place.top.mkdir(exist_ok=True)
    monkeypatch.setattr(
        due_runs,
        "PLACES",
        ((str(place.top / "units"), "{}.timer"), (str(place.top / "cron.d"), "{}")),
    )
    return place


def declare(place: Place, schedule: str, *, cron: bool = False) -> None:
    """The file of its schedule, as old as the job."""
    path: Path = place.top / ("cron.d/backup-datasets" if cron else "units/backup-datasets.timer")
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_text(f"{schedule} root /bin/true\n" if cron else f"[Timer]\nOnCalendar={schedule}\n")
    os.utime(path, (TODAY, TODAY))


def reasons(place: Place, seconds: float) -> str:
    """The reasons why a job is not well so many seconds later."""
    return " ".join(condition(place.job, TODAY + int(seconds)).reasons)


@pytest.mark.parametrize(
    ("schedule", "cron", "well", "unwell"),
    [
        ("daily", False, 3.4 * DAY, 3.6 * DAY),
        ("hourly", False, 3.9 * HOUR, 4.1 * HOUR),
        ("Mon *-*-* 00:00", False, 21 * DAY, 23 * DAY),
        ("30 2 * * *", True, 3.5 * DAY, 3.7 * DAY),
    ],
)
def test_runs_that_made_no_archive(
    scheduled: Place, schedule: str, cron: bool, well: float, unwell: float
) -> None:
    """Two in a row may be left out, the third may not, and has its time."""
    scheduled.run()
    declare(scheduled, schedule, cron=cron)

    assert "" == reasons(scheduled, well)
    assert "the third run since was due" in reasons(scheduled, unwell)
    assert "journalctl -u backup-datasets" in reasons(scheduled, unwell)


def test_a_job_that_never_ran(scheduled: Place) -> None:
    """A job that never ran is well until its first time is over by a day, however far away that time is."""
    declare(scheduled, "2026-07-01 00:00")

    assert "" == reasons(scheduled, 30 * DAY)
    assert "its first run was due" in reasons(scheduled, 31 * DAY)
    declare(scheduled, "daily")
    assert "" == reasons(scheduled, 1.4 * DAY)
    assert "there is no good archive, and its first run was due" in reasons(scheduled, 1.6 * DAY)


def test_max_age_says_it_otherwise(scheduled: Place) -> None:
    """Where a person wrote how old an archive may be, that holds."""
    declare(scheduled, "daily")
    aged = scheduled.having(max_age=90.0 * DAY)
    aged.run()

    assert "" == reasons(aged, 80 * DAY)
    assert "max_age is 90d" in reasons(aged, 91 * DAY)


def test_a_job_that_never_ran_is_not_excused_by_max_age(
    scheduled: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first due time counts, from when the job or its schedule was declared last: a destination that was
    added meanwhile has its time as well.
    """
    declare(scheduled, "daily")
    aged = scheduled.having(max_age=90.0 * DAY)
    assert "" == reasons(aged, 1.4 * DAY)
    assert "there is no good archive, and its first run was due" in reasons(aged, 1.6 * DAY)

    declared = scheduled.top / "datasets.json"
    declared.write_text("")
    os.utime(declared, (TODAY + 50 * DAY, TODAY + 50 * DAY))
    monkeypatch.setattr(job_health, "path_of", lambda _: str(declared))
    assert "" == reasons(aged, 51.4 * DAY)
    assert "there is no good archive, and its first run was due" in reasons(aged, 51.6 * DAY)


@pytest.mark.parametrize("schedule", ["@reboot", "soon", ""])
def test_a_schedule_without_times(scheduled: Place, schedule: str) -> None:
    """Nothing is due, and nothing is said."""
    scheduled.run()
    declare(scheduled, schedule)

    assert "" == reasons(scheduled, 900 * DAY)


def test_a_new_schedule_begins_anew(scheduled: Place) -> None:
    """An archive that was recent enough for the schedule before is no fault of the new one."""
    scheduled.run()
    declare(scheduled, "daily")
    timer = scheduled.top / "units/backup-datasets.timer"
    os.utime(timer, (TODAY + 300 * DAY, TODAY + 300 * DAY))

    assert "" == reasons(scheduled, 301 * DAY)
    assert "third run" in reasons(scheduled, 304 * DAY)
