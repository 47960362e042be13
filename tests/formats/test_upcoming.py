"""When a schedule comes next, by our own reckoning: the judges are systemd-analyze for timers and cronsim for
cron.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.formats.schedule import calendar, dst, next_runs
from reconciler.formats.schedule.timetable import timetable
from tests.formats.test_calendar import BASE, EXPRESSIONS, FULL, judged, systemd

pytestmark = pytest.mark.slow

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "America/Santiago",
)
SPRING, AUTUMN = datetime(2026, 3, 28, 22, tzinfo=UTC), datetime(2026, 10, 24, 21, tzinfo=UTC)
CALENDARS = [
    *(
        "daily",
        "hourly",
        "weekly",
        "02:30",
        "*:0/30",
        "Mon..Fri 02:00",
        "*-*-01/2 00/7,5:00",
        "*-02-29",
        "Mon *-02-29",
        "2028-12-24 18:00",
    ),
    *("01..03:15:30", "Sun 02:30", "2026,2028..2030-1-1 00:00:15", "quarterly", "*-*-31 23:59:59"),
]


def schedules(text: str) -> list[calendar.Schedule]:
    """The calendars that a timer would have for it, each read again, as a plan reads
    them from a unit file.
    """
    return [calendar.parse(line) for line in calendar.to_oncalendar(calendar.parse(text))]


def by_systemd(text: str, base: datetime, zone: str, most: int) -> list[datetime]:
    """The next runs that systemd has for it, in UTC."""
    found = judged(calendar.to_oncalendar(calendar.parse(text)), most, base, zone)
    return sorted({run for runs in found for run in runs})[:most]


def by_us(text: str, base: datetime, zone: str, most: int) -> list[datetime]:
    """The same as we reckon them."""
    return [
        run.astimezone(UTC)
        for run in next_runs.next_runs(schedules(text), base.astimezone(ZoneInfo(zone)), most)
    ]


@systemd
def test_the_judge_sees_an_hour_too_many() -> None:
    """The run that summer time leaves out, and the hour that comes twice, make a difference to systemd;
    without them ours would differ.
    """
    in_winter = [
        (BASE.astimezone(BERLIN) + timedelta(days=day)).replace(hour=2, minute=30, second=0)
        for day in range(3)
    ]

    assert by_systemd("02:30", BASE, "Europe/Berlin", 3) == [run.astimezone(UTC) for run in in_winter]
    assert datetime(2026, 3, 30, 0, 30, tzinfo=UTC) == by_systemd("02:30", SPRING, "Europe/Berlin", 1)[0]
    hourly = by_systemd("hourly", AUTUMN, "Europe/Berlin", 6)

    assert timedelta(hours=6) == hourly[-1] - hourly[0]


@systemd
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    "base", [BASE, SPRING, AUTUMN, datetime(2026, 4, 4, 12, tzinfo=UTC), datetime(2026, 11, 1, 3, tzinfo=UTC)]
)
def test_calendars_come_when_systemd_says(zone: str, base: datetime) -> None:
    """The next thirty runs are systemd's, in time zones with and without summer time, on the days on which it
    begins and ends too.
    """
    for text in CALENDARS:
        assert by_systemd(text, base, zone, 30) == by_us(text, base, zone, 30)


@systemd
@settings(max_examples=1_000 if FULL else 100)
@given(EXPRESSIONS, st.sampled_from(ZONES), st.integers(0, 365 * 24 * 60))
@example("0 0 13 * 5", "Europe/Berlin", 0)
@example("30 2 29 2 *", "America/New_York", 0)
@example("*/5 1-3 * * *", "Australia/Lord_Howe", 94 * 24 * 60)
def test_what_cron_means_comes_when_systemd_says(expression: str, zone: str, minutes: int) -> None:
    """The next three runs of whatever a cron expression becomes are systemd's, from any minute of a year on.

    Within the hour that comes twice systemd asks the C library, which tells one of the two: from there on is
    not compared.
    """
    base = BASE + timedelta(minutes=minutes)
    local = base.astimezone(ZoneInfo(zone))
    if not _comes(expression) or local.fold or local.utcoffset() != (local + timedelta(hours=2)).utcoffset():
        return

    assert by_systemd(expression, base, zone, 3) == by_us(expression, base, zone, 3)


def _comes(expression: str) -> bool:
    try:
        calendar.parse(expression)
    except ValueError:
        return False
    return True


@given(EXPRESSIONS, st.integers(0, 365 * 24 * 60))
def test_both_ways_of_reckoning_agree_without_summer_time(expression: str, minutes: int) -> None:
    """In UTC the runs that cron has are those that a timer has."""
    if not _comes(expression):
        return
    base = BASE + timedelta(minutes=minutes)

    assert next_runs.next_runs([calendar.parse(expression)], base, cron=True) == by_us(
        expression, base, "UTC", 3
    )


def test_cron_makes_up_for_the_lost_hour() -> None:
    """Debian's cron runs a job of 02:30 when the clock has gone on to 03:00, once in autumn, and takes `*/30`
    as it comes.
    """
    fixed, open_ = [calendar.parse("30 2 * * *")], [calendar.parse("*/30 2 * * *")]
    spring = [
        run.astimezone(UTC) for run in next_runs.next_runs(fixed, SPRING.astimezone(BERLIN), 2, cron=True)
    ]
    autumn = [
        run.astimezone(UTC) for run in next_runs.next_runs(fixed, AUTUMN.astimezone(BERLIN), 2, cron=True)
    ]
    twice = [
        run.astimezone(UTC) for run in next_runs.next_runs(open_, AUTUMN.astimezone(BERLIN), 5, cron=True)
    ]

    assert [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 3, 30, 0, 30, tzinfo=UTC)] == spring
    assert [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 26, 1, 30, tzinfo=UTC)] == autumn
    assert [(25, 0, 0), (25, 0, 30), (25, 1, 0), (25, 1, 30), (26, 1, 0)] == [
        (run.day, run.hour, run.minute) for run in twice
    ]


def test_in_the_hour_that_comes_again_time_goes_on() -> None:
    """From the second 02:10 on, the next half hour is the second one, not the first, which is past."""
    again = datetime(2026, 10, 25, 2, 10, tzinfo=BERLIN, fold=1)
    found = next_runs.next_runs([calendar.parse("*:0/30")], again, 2)

    assert [datetime(2026, 10, 25, 1, 30, tzinfo=UTC), datetime(2026, 10, 25, 2, tzinfo=UTC)] == [
        run.astimezone(UTC) for run in found
    ]


@pytest.mark.parametrize(
    ("text", "over"),
    [
        *(
            ("2026-12-24 18:00", False),
            ("2026-01-01", True),
            ("2026..2030-02-29", False),
            ("daily", False),
            ("@reboot", False),
        ),
        *(
            ("2026-01-01 00:00:01", False),
            ("2026-01-01 00:00:00 Asia/Tokyo", True),
            ("Mon 2026-06-01 12:00", False),
        ),
    ],
)
def test_what_is_over(text: str, over: bool) -> None:
    """A schedule with years has an end; none other has."""
    assert over == next_runs.ends([calendar.parse(text)], BASE)


def timer(*lines: str, **more: Any) -> dict[str, Any]:
    """The document of a timer."""
    return {
        "unit": {"Timer": {"OnCalendar": list(lines), **more.pop("timer", {})}},
        "enabled": ["link"],
        "state": "running",
        **more,
    }


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            timer("*-*-* 02:00:00"),
            (["*-*-* 02:00:00"], ["2026-01-01T02:00:00+01:00", "2026-01-02T02:00:00+01:00"], "", False),
        ),
        (
            timer("*-*-* 02:00:00 UTC"),
            (["*-*-* 02:00:00 UTC"], ["2026-01-01T02:00:00+00:00", "2026-01-02T02:00:00+00:00"], "", False),
        ),
        (
            timer("*-*-13 00:00:00", "Fri *-*-* 00:00:00", timer={"RandomizedDelaySec": "10min"}),
            (
                ["*-*-13 00:00:00", "Fri *-*-* 00:00:00"],
                ["2026-01-02T00:00:00+01:00", "2026-01-09T00:00:00+01:00"],
                "10min",
                False,
            ),
        ),
        (timer("*-*~1"), (["*-*~1"], None, "", False)),
        (timer("*-*-* 02:00:00 No/Where"), (["*-*-* 02:00:00 No/Where"], None, "", False)),
        (timer(timer={"OnBootSec": "1min"}), (["OnBootSec=1min"], [], "", False)),
        (timer(timer={"OnUnitActiveSec": "1h"}), (["OnUnitActiveSec=1h"], None, "", False)),
        (
            timer("2026-*-* 00:00:00", state="stopped"),
            (["2026-*-* 00:00:00"], ["2026-01-02T00:00:00+01:00"], "", True),
        ),
        (
            {**timer("daily"), "enabled": [], "state": ""},
            (["daily"], ["2026-01-02T00:00:00+01:00"], "", True),
        ),
        ({"cron": {"schedule": "0 2 * * *"}}, (["0 2 * * *"], ["2026-01-01T02:00:00+01:00"], "", False)),
        ({"cron": {"schedule": "@reboot"}}, (["@reboot"], [], "", False)),
        ({"cron": {"?": ["nonsense"]}}, ([""], None, "", False)),
    ],
)
def test_what_a_plan_shows_of_a_schedule(
    document: dict[str, Any], expected: tuple[list[str], list[str] | None, str, bool]
) -> None:
    """The words of the unit or the crontab, up to three runs, the delay; what is somebody else's and not read
    is not known.
    """
    found = timetable(document, "Europe/Berlin", BASE)
    words, first, delay, stopped = expected

    assert found is not None
    assert (words, delay, stopped) == (found["schedule"], found["delay"], found["stopped"])
    assert first == (found["runs"] and found["runs"][: len(first or [])])
    assert found["runs"] is None or len(found["runs"]) in (0, 3)


def test_nothing_is_shown_where_nothing_is_scheduled() -> None:
    """Neither of nothing nor of a service."""
    assert timetable(None, "UTC", BASE) is timetable({"unit": {"Service": {}}}, "UTC", BASE) is None


def test_zones() -> None:
    """A zone of the tz database is known; a name that it lacks is not."""
    assert UTC == dst.zone("UTC")
    assert dst.zone("Nowhere/Land") is None
    assert dst.unknown("Nowhere/Land")
    assert not dst.unknown("Europe/Berlin")
