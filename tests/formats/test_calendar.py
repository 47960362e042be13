from __future__ import annotations

import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from itertools import takewhile

import pytest
from cronsim import CronSim, CronSimError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.formats.schedule import calendar, dst, next_runs

pytestmark = pytest.mark.slow

systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze, the judge of calendars"
)
BASE = datetime(2026, 1, 1, tzinfo=UTC)
FULL = bool(os.environ.get("RECONCILER_FAULTS"))
_MOST = 1_000_000 if FULL else 600
"""Runs that are compared from each start: all of a year, or ten hours with one in every minute."""
_STARTS = (
    (BASE,) if FULL else (BASE, BASE + timedelta(days=58, hours=23), BASE + timedelta(days=303, hours=11))
)

RANGES = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 7)}
NAMES = {
    "month": ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    "weekday": ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
}


@st.composite
def fields(draw: st.DrawFn, name: str) -> str:
    """One field of a cron expression, in every form."""
    low, high = RANGES[name]

    def term() -> str:
        first = draw(st.integers(low, high))
        last = draw(st.integers(first, high))
        step = draw(st.integers(1, high))
        named = name in NAMES and first - low < len(NAMES[name])
        forms = [
            "*",
            f"*/{step}",
            str(first),
            f"{first}-{last}",
            f"{first}-{last}/{step}" if first < last else str(last),
        ]
        return draw(st.sampled_from([*forms, NAMES[name][first - low]] if named else forms))

    return ",".join(term() for _ in range(draw(st.integers(1, 3))))


EXPRESSIONS = st.tuples(*(fields(name) for name in RANGES)).map(" ".join)


def judged(lines: list[str], most: int, base: datetime, zone: str = "UTC") -> list[list[datetime]]:
    """The first runs of each after this time, as systemd has them in this time zone, all asked at once."""
    command = [
        "systemd-analyze",
        "calendar",
        f"--iterations={most}",
        f"--base-time={base.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
        *lines,
    ]
    environment = {**os.environ, "TZ": zone, "LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0"}
    said = subprocess.run(
        command, check=True, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL
    ).stdout
    found: list[list[datetime]] = []
    local = zone == "UTC"
    for text in said.splitlines():
        name, _, value = text.strip().partition(": ")
        if name == "Normalized form":
            found.append([])
        elif name == ("Next elapse" if local else "(in UTC)") or (local and name.startswith("Iter. #")):
            found[-1] += (
                [datetime.strptime(value, "%a %Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)]
                if value != "never"
                else []
            )
        elif name == "Next elapse" and value.endswith(" UTC"):
            raise AssertionError(f"systemd does not know {zone}")
    return found


def runs(line: str, most: int, base: datetime = BASE) -> list[datetime]:
    """The first runs after a time, as systemd has them."""
    return judged([line], most, base)[0]


def both(
    expression: str, lines: list[str], base: datetime = BASE, most: int = _MOST
) -> tuple[list[datetime], list[datetime]]:
    """The runs of a year, or the first ones if they are many: as cron has them, and as systemd has them."""
    found = judged(lines, most, base)
    ends = [times[-1] for times in found if len(times) == most]
    until = min([base + timedelta(days=366), *ends])
    ours = sorted({time for times in found for time in times if time <= until})
    theirs = list(takewhile(lambda time: time <= until, CronSim(expression, base)))
    return theirs, ours


@systemd
def test_the_judge_sees_a_difference() -> None:
    """Another hour, a missing half of an either-or, another step, and a run that is missing are all told
    apart.
    """
    for expression, lines in (
        ("0 2 * * *", ["*-*-* 03:00:00"]),
        ("0 0 13 * 5", ["Fri *-*-13 00:00:00"]),
        ("*/7 * * * *", ["*-*-* *:00/6:00"]),
        ("*/7 * * * *", ["*-*-* *:00,07,14,21,28,35,42,49:00"]),
    ):
        theirs, ours = both(expression, lines)

        assert theirs != ours


@systemd
@settings(max_examples=300 if FULL else 80)
@given(EXPRESSIONS)
@example("*/7 * * * *")
@example("0 */7 * * *")
@example("0 0 */3 */5 1")
@example("0 0 13 * 5")
def test_a_timer_runs_when_cron_would(expression: str) -> None:
    """For a year the calendars that a cron expression becomes have exactly its runs, as systemd and an
    evaluator of cron see them.

    With RECONCILER_FAULTS every single run of the year is compared; otherwise of those with very many the
    first, from three days on.
    """
    if not _comes(expression):
        with pytest.raises(ValueError, match="never comes"):
            calendar.parse(expression)
        return
    lines = calendar.to_oncalendar(calendar.parse(expression))
    for base in _STARTS:
        theirs, ours = both(expression, lines, base)

        assert theirs == ours
        if len(theirs) < _MOST:  # that was the year
            break


WORDS = {
    "@yearly": 1,
    "@annually": 1,
    "@monthly": 12,
    "@weekly": 52,
    "@daily": 365,
    "@midnight": 365,
    "@hourly": 8760,
}


@systemd
def test_the_words_of_cron_run_all_year() -> None:
    """Each word comes as often in a year as it says, at the times that systemd and an evaluator of cron have
    for it.
    """
    for word, often in WORDS.items():
        schedule = calendar.parse(word)
        theirs, ours = both(
            calendar.to_cron(schedule), calendar.to_oncalendar(schedule), BASE - timedelta(seconds=1), 10_000
        )

        assert theirs == ours
        assert often <= len(ours) <= often + 24  # a year and a day


def _comes(expression: str) -> bool:
    """Whether cron ever runs it."""
    try:
        return next(CronSim(expression, BASE), None) is not None
    except CronSimError:
        return False


@systemd
@pytest.mark.parametrize(
    ("expression", "lines"),
    [
        ("0 2 * * *", ["*-*-* 02:00:00"]),
        ("*/7 * * * *", ["*-*-* *:00..56/7:00"]),
        ("*/10 8-18/2 * * *", ["*-*-* 08..18/2:00/10:00"]),
        ("*/10 8-18 * * 1-5", ["Mon..Fri *-*-* 08..18:00/10:00"]),
        ("0 12 13 * fri", ["*-*-13 12:00:00", "Fri *-*-* 12:00:00"]),
        ("0 0 */2 * 1", ["Mon *-*-01..31/2 00:00:00"]),
        ("0 0 * * 0", ["Sun *-*-* 00:00:00"]),
        ("0 0 * * 7", ["Sun *-*-* 00:00:00"]),
        ("0 0 * * 5-7", ["Fri..Sun *-*-* 00:00:00"]),
        ("0 0 30 2 mon", ["Mon *-02-* 00:00:00"]),
        ("15 3 1,15 JAN,Jul *", ["*-01,07-01,15 03:15:00"]),
        ("0 0 29 2 *", ["*-02-29 00:00:00"]),
    ],
)
def test_how_cron_is_written_for_systemd(expression: str, lines: list[str]) -> None:
    """These calendars, in the very form that systemd itself gives them."""
    found = calendar.to_oncalendar(calendar.parse(expression))

    assert lines == found
    for line in found:
        said = subprocess.run(
            ["systemd-analyze", "calendar", line], check=True, capture_output=True, text=True
        ).stdout
        assert f"Normalized form: {line}" in said


@systemd
@pytest.mark.parametrize(
    "text",
    [
        *(
            "minutely",
            "hourly",
            "daily",
            "weekly",
            "monthly",
            "quarterly",
            "semiannually",
            "yearly",
            "annually",
            "Weekly",
        ),
        *(
            "02:00",
            "2:5",
            "Mon..Fri 02:00",
            "Mon..Wed,sat,SUNDAY 1:2:3",
            "*:0/30",
            "*-*-01/2 00/7,5:00",
            "1..5/2:3",
        ),
        *("Mon", "*-02-29", "2026-12-24 18:00", "2026/2-01-01", "2026,2028..2030-1-1 00:00:15", "12-24"),
    ],
)
def test_a_calendar_is_read_as_systemd_reads_it(text: str) -> None:
    """Our form of a calendar has the same runs as the calendar itself."""
    ours = calendar.to_oncalendar(calendar.parse(text))

    assert 1 == len(ours)
    assert runs(text, 50) == runs(ours[0], 50) != []


@pytest.mark.parametrize(
    ("word", "cron"),
    [
        *(
            ("@daily", "0 0 * * *"),
            ("@midnight", "0 0 * * *"),
            ("@weekly", "0 0 * * 0"),
            ("@monthly", "0 0 1 * *"),
        ),
        *(("@yearly", "0 0 1 1 *"), ("@annually", "0 0 1 1 *"), ("@hourly", "0 * * * *")),
    ],
)
def test_the_words_of_cron(word: str, cron: str) -> None:
    """Each is the expression that crontab(5) says."""
    assert calendar.parse(cron).hours == calendar.parse(word).hours
    assert cron == calendar.to_cron(calendar.parse(word))


def test_a_zone_is_added_where_none_is_written() -> None:
    """`host` adds nothing, and the zone in the schedule wins."""
    assert ["*-*-* 02:00:00"] == calendar.to_oncalendar(calendar.parse("0 2 * * *"), "host")
    assert ["*-*-* 02:00:00 UTC"] == calendar.to_oncalendar(calendar.parse("0 2 * * *"), "UTC")
    assert ["*-*-* 02:00:00 Europe/Berlin"] == calendar.to_oncalendar(
        calendar.parse("02:00 Europe/Berlin"), "UTC"
    )


def test_reboot_is_no_time() -> None:
    """It has no calendar and no next run, and is cron's own word."""
    schedule = calendar.parse("@reboot")

    assert schedule.reboot
    assert "@reboot" == calendar.to_cron(schedule)
    assert [] == next_runs.next_runs([schedule], BASE)
    assert [] == next_runs.next_runs([schedule], BASE, cron=True)
    with pytest.raises(ValueError, match="OnBootSec"):
        calendar.to_oncalendar(schedule)


@pytest.mark.parametrize(
    ("text", "cron"),
    [
        *(
            ("daily", "0 0 * * *"),
            ("weekly", "0 0 * * 1"),
            ("Mon..Fri 02:30", "30 2 * * 1-5"),
            ("*:0/15", "*/15 * * * *"),
        ),
        *(
            ("*:5/15", "5-50/15 * * * *"),
            ("Sat,Sun 4:00", "0 4 * * 0,6"),
            ("quarterly", "0 0 1 */3 *"),
            ("*-*-01/2 3:00", "0 3 */2 * *"),
        ),
    ],
)
def test_a_calendar_for_cron(text: str, cron: str) -> None:
    """Calendars that cron can run, as it has them."""
    found = calendar.to_cron(calendar.parse(text))

    assert calendar.to_oncalendar(calendar.parse(text)) == calendar.to_oncalendar(calendar.parse(found))
    assert cron == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("02:00:30", "seconds"),
        ("2026-12-24 18:00", "years"),
        ("daily UTC", "time zone"),
        ("Mon *-*-01 00:00", "one or the other"),
    ],
)
def test_what_cron_cannot_run(text: str, why: str) -> None:
    """Refused, by name, with the way out."""
    with pytest.raises(ValueError, match=why):
        calendar.to_cron(calendar.parse(text))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        *(("", "empty"), ("x", "neither"), ("@never", "@reboot"), ("0 2 * * * *", "6 fields")),
        *(
            ("61 * * * *", "61 is no minute"),
            ("* 24 * * *", "24 is no hour"),
            ("* * 0 * *", "0 is no day"),
            ("* * * 13 *", "no month"),
        ),
        *(
            ("* * * foo *", "jan, feb"),
            ("* * * * 8", "8 is no day of the week"),
            ("* 22-2 * * *", "backwards"),
            ("٣ * * * *", "no minute"),
        ),
        *(
            ("5/15 * * * *", "5-59/15"),
            ("*/0 * * * *", "step"),
            ("*/60 * * * *", "step"),
            ("* * * * 3-3/2", "write 3"),
        ),
        *(("0 0 L * *", "no day"), ("0 0 * * 5#2", "5#2")),
        *(("0 0 30 2 *", "never comes"), ("0 0 31 2,4,6,9,11 *", "never comes")),
        *(
            ("*-02-30", "never comes"),
            ("Mon 2026-12-24", "never comes"),
            ("2020-01-01", "2020 is over"),
            ("2019..2025-*-1", "2025 is over"),
        ),
        *(
            ("*:*/5", "0/5"),
            ("Fri..Mon 2:00", "backwards"),
            ("25:00", "25 is no hour"),
            ("1..70:00", "70 is no hour"),
        ),
        *(("*-02~01", "neither"), ("2:00 nowhere/Land", "neither"), ("1-2-3-4 5:00", "neither")),
    ],
)
def test_what_is_no_schedule(text: str, why: str) -> None:
    """Each is refused with what is wrong."""
    with pytest.raises(ValueError, match=why.replace("*", r"\*")):
        calendar.parse(text)


@given(
    st.text(st.sampled_from("0123456789*/-,.: @abcdefghijklmnopqrstuvwxyzMTWFSU~#\n"), max_size=30)
    | EXPRESSIONS
)
def test_nothing_raises_anything_else(text: str) -> None:
    """Whatever the text, it is a schedule or a ValueError; what is a schedule has at least one calendar,
    unless it is for the boot.
    """
    try:
        schedule = calendar.parse(text)
    except ValueError:
        return
    assert schedule.reboot or 1 <= len(calendar.to_oncalendar(schedule)) <= 2


def test_the_hour_that_summer_time_leaves_out() -> None:
    """Told for a run in it, in a zone that has it, on a day on which it runs; never for UTC or an unknown
    zone.
    """
    half_past_two = calendar.parse("30 2 * * *")

    assert "2027-03-28" in dst.gap_warning(half_past_two, "Europe/Berlin", 2027)
    assert "2027-03-14" in dst.gap_warning(half_past_two, "America/New_York", 2027)
    assert "" == dst.gap_warning(half_past_two, "UTC", 2027)
    assert "" == dst.gap_warning(half_past_two, "host", 2027)
    assert "" == dst.gap_warning(half_past_two, "Nowhere/Land", 2027)
    assert "" == dst.gap_warning(calendar.parse("30 4 * * *"), "Europe/Berlin", 2027)
    assert "" == dst.gap_warning(calendar.parse("30 2 1 * *"), "Europe/Berlin", 2027)
    assert "" == dst.gap_warning(calendar.parse("30 2 * * 1"), "Europe/Berlin", 2027)
