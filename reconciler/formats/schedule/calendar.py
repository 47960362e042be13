"""Schedules: a cron expression or a systemd calendar, and each as the other (crontab(5), systemd.time(7)).

Both are read into the same sets of numbers. A schedule that the two schedulers would read differently, or
would never run, is refused. Only the plain forms of systemd's calendars are read: `~` (days from the month's
end) and fractions of a second are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date

from reconciler.core.basics.frozen import frozen
from reconciler.core.basics.lazy_regex import Late

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_WEEK = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LONGEST = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
_FIRST_YEAR = 2026
"""The year in which this program was written: whatever the clock of a host says, earlier years are over."""
AFTER_BOOT = "1min"
"""The time after the boot when a timer runs a job that cron would run at its own start (`@reboot`)."""


@frozen
class _Field:
    """A field of numbers; `names` begin at `low`."""

    word: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    width: int = 2

    @property
    def all(self) -> tuple[int, ...]:
        """Every number it may have."""
        return tuple(range(self.low, self.high + 1))


_MINUTE, _HOUR, _SECOND = _Field("minute", 0, 59), _Field("hour", 0, 23), _Field("second", 0, 59)
_DAY, _MONTH = _Field("day of the month", 1, 31), _Field("month", 1, 12, _MONTHS)
_WEEKDAY = _Field("day of the week", 0, 7, _DAYS)
_YEAR = _Field("year", 1970, 2199, width=4)
_EVERY_DAY_OF_WEEK = tuple(range(7))
_CRON_FIELDS = (_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY)


@frozen
class Schedule:
    """The times at which something runs. Numbers are sorted."""

    text: str
    """The schedule as it was written."""
    minutes: tuple[int, ...] = (0,)
    hours: tuple[int, ...] = (0,)
    days: tuple[int, ...] = _DAY.all
    months: tuple[int, ...] = _MONTH.all
    weekdays: tuple[int, ...] = _EVERY_DAY_OF_WEEK
    """Days of the week from 0, Sunday."""
    seconds: tuple[int, ...] = (0,)
    years: tuple[int, ...] = ()
    """Empty: every year."""
    either: bool = False
    """Whether the day of the month or the day of the week is enough, as in cron when both are restricted."""
    cron: str = ""
    """The cron expression that it was written as (aliases resolved); empty for a systemd calendar."""
    timezone: str = ""
    """The time zone that stands behind a systemd calendar."""
    reboot: bool = False
    """Whether it runs once after each boot: then the numbers do not count."""


_CRON_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_CALENDAR_WORDS = {
    "minutely": "*-*-* *:*:00",
    "hourly": "*-*-* *:00:00",
    "daily": "*-*-* 00:00:00",
    "weekly": "Mon *-*-* 00:00:00",
    "monthly": "*-*-01 00:00:00",
    "quarterly": "*-01,04,07,10-01 00:00:00",
    "semiannually": "*-01,07-01 00:00:00",
    "yearly": "*-01-01 00:00:00",
    "annually": "*-01-01 00:00:00",
}
_FORMS = 'write a cron expression ("0 2 * * *", "@daily") or a systemd calendar ("Mon..Fri 02:00", "daily")'
_CRON_TERM = Late(r"(?:(?P<star>\*)|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d+))?", re.ASCII)
_CALENDAR_TERM = Late(r"(?:(?P<star>\*)|(?P<first>\d+)(?:\.\.(?P<last>\d+))?)(?:/(?P<step>\d+))?", re.ASCII)
_DATE = Late(r"(?:(?P<year>[\d*,./]+)-)?(?P<month>[\d*,./]+)-(?P<day>[\d*,./]+)", re.ASCII)
_TIME = Late(r"(?P<hour>[\d*,./]+):(?P<minute>[\d*,./]+)(?::(?P<second>[\d*,./]+))?", re.ASCII)
_ZONE = Late(r"[A-Z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,2}", re.ASCII)


def parse(text: str) -> Schedule:
    """Read a schedule. Raises ValueError that says what is wrong and what to write instead."""
    words = text.split()
    if not words:
        raise ValueError(f"the schedule is empty: {_FORMS}")
    if words[0].startswith("@"):
        schedule = _alias(" ".join(words).lower())
    elif len(words) == 5 and ":" not in text:
        schedule = _cron(" ".join(words))
    elif len(words) > 4 and ":" not in text:
        five = "minute, hour, day of the month, month, day of the week"
        raise ValueError(f"{text!r} has {len(words)} fields, a cron expression has five: {five}")
    else:
        schedule = _calendar(words)
    if schedule.years and schedule.years[-1] < _FIRST_YEAR:
        raise ValueError(f"{text!r} never comes: {schedule.years[-1]} is over")
    if not _ever(schedule):
        raise ValueError(f"{text!r} never comes: there is no such day")
    return replace(schedule, text=text)


def _alias(word: str) -> Schedule:
    if word == "@reboot":
        return Schedule(word, cron=word, reboot=True)
    if word not in _CRON_WORDS:
        raise ValueError(f"{word!r} is not known: there are {', '.join((*_CRON_WORDS, '@reboot'))}")
    return _cron(_CRON_WORDS[word])


def _cron(expression: str) -> Schedule:
    fields = expression.split()
    minutes, hours, days, months, weekdays = (
        _cron_field(field, text) for field, text in zip(_CRON_FIELDS, fields, strict=True)
    )
    weekdays = tuple(sorted({day % 7 for day in weekdays}))
    either = not fields[2].startswith("*") and not fields[4].startswith("*")
    return Schedule(expression, minutes, hours, days, months, weekdays, either=either, cron=expression)


def _cron_field(field: _Field, text: str) -> tuple[int, ...]:
    numbers: set[int] = set()
    for term in text.split(","):
        match = _CRON_TERM.fullmatch(term)
        if match is None:
            raise ValueError(
                f"{term!r} is no {field.word} of a cron expression: write *, a number, a range such as 1-5,"
                " or */10"
            )
        if match["step"] and match["first"] and not match["last"]:
            raise ValueError(
                f"{term!r}: in cron a step follows * or a range, write"
                f" {match['first']}-{field.high}/{match['step']}"
            )
        if match["step"] and match["first"] and match["first"] == match["last"]:
            raise ValueError(
                f"{term!r} is one number, and not every program takes it so: write {match['first']}"
            )
        numbers |= set(_numbers(field, match, term))
    return tuple(sorted(numbers))


def _numbers(field: _Field, match: re.Match[str], term: str, last: int | None = None) -> range:
    """The numbers of one term. `last` is the end of a start with a step and no end of its own."""
    step = int(match["step"] or 1)
    if not 1 <= step <= field.high:
        raise ValueError(
            f"{term!r}: a step of {step} is none for the {field.word}, which goes from {field.low} to"
            f" {field.high}"
        )
    if match["star"]:
        return range(field.low, (6 if field is _WEEKDAY else field.high) + 1, step)
    first = _number(field, match["first"])
    end = (
        _number(field, match["last"])
        if match["last"]
        else first
        if last is None or not match["step"]
        else last
    )
    if end < first:
        raise ValueError(
            f"{term!r} goes backwards: write the {field.word} as two ranges, with a comma between them"
        )
    return range(first, end + 1, step)


def _number(field: _Field, text: str) -> int:
    if text.isdecimal():
        number = int(text[:9])
    elif text.lower() in field.names:
        number = field.names.index(text.lower()) + field.low
    else:
        raise ValueError(
            f"{text!r} is no {field.word}"
            + (f": write a number, or {', '.join(field.names)}" if field.names else "")
        )
    if not field.low <= number <= field.high:
        raise ValueError(f"{text} is no {field.word}: it goes from {field.low} to {field.high}")
    return number


def _calendar(words: Sequence[str]) -> Schedule:
    remaining = list(words)
    zone = ""
    if len(remaining) > 1 and _ZONE.fullmatch(remaining[-1]) and _weekdays(remaining[-1]) is None:
        zone = remaining.pop()
    if len(remaining) == 1 and remaining[0].lower() in _CALENDAR_WORDS:
        remaining = _CALENDAR_WORDS[remaining[0].lower()].split()
    weekdays = _weekdays(remaining[0])
    if weekdays is not None:
        remaining.pop(0)
    day = _DATE.fullmatch(remaining[0]) if remaining else None
    if day:
        remaining.pop(0)
    time = _TIME.fullmatch(remaining[0]) if remaining else None
    if time:
        remaining.pop(0)
    if remaining:
        raise ValueError(f"{remaining[0]!r} is neither a day of the week, a date nor a time: {_FORMS}")
    year, month, month_day = (day["year"] or "*", day["month"], day["day"]) if day else ("*", "*", "*")
    hour, minute, second = (time["hour"], time["minute"], time["second"] or "0") if time else ("0", "0", "0")
    return Schedule(
        " ".join(words),
        _component(_MINUTE, minute),
        _component(_HOUR, hour),
        _component(_DAY, month_day),
        _component(_MONTH, month),
        _EVERY_DAY_OF_WEEK if weekdays is None else weekdays,
        _component(_SECOND, second),
        () if year == "*" else _component(_YEAR, year),
        timezone=zone,
    )


def _component(field: _Field, text: str) -> tuple[int, ...]:
    numbers: set[int] = set()
    for term in text.split(","):
        match = _CALENDAR_TERM.fullmatch(term)
        if match is None:
            forms = f"write *, a number, a range such as 1..5, or {field.low}/10"
            raise ValueError(f"{term!r} is no {field.word} of a systemd calendar: {forms}")
        if match["star"] and (match["step"] or term != text):
            raise ValueError(
                f"{text!r}: in a systemd calendar * stands alone, write {field.low}/{match['step'] or 10}"
            )
        numbers |= set(_numbers(field, match, term, field.high))
    return tuple(sorted(numbers))


def _weekdays(text: str) -> tuple[int, ...] | None:
    """The days of the week that a word of a calendar names; None if it names none."""
    days: set[int] = set()
    for term in text.split(","):
        ends = [_day_of_week(name) for name in term.split("..")]
        if len(ends) > 2 or None in ends:
            return None
        first, last = ends[0] or 0, ends[-1] or 0
        if last < first:
            raise ValueError(
                f"{term!r} goes backwards: a week begins with Mon, write two ranges with a comma between them"
            )
        days |= set(range(first, last + 1))
    return tuple(sorted((day + 1) % 7 for day in days))


def _day_of_week(name: str) -> int | None:
    """The number of a day, from Monday, by its name in full or its first three letters; None for other
    words.
    """
    names = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    return next((n for n, day in enumerate(names) if name.lower() in (day, day[:3])), None)


def _ever(schedule: Schedule) -> bool:
    """Whether any day is in the schedule."""
    days = [
        (month, day) for month in schedule.months for day in schedule.days if day <= _LONGEST.get(month, 31)
    ]
    if schedule.either or schedule.reboot or (days and not schedule.years):
        return True
    return any(_is_day(year, month, day, schedule.weekdays) for year in schedule.years for month, day in days)


def _is_day(year: int, month: int, day: int, weekdays: Iterable[int]) -> bool:
    try:
        return date(year, month, day).isoweekday() % 7 in weekdays
    except ValueError:
        return False


# ------------------------------------------------------------------------------------------ as systemd has it


def to_oncalendar(schedule: Schedule, timezone: str = "host") -> list[str]:
    """The OnCalendar= values: two for cron's "day of the month or day of the week", else one.

    `timezone` is `host` (none is written) or a name; the time zone of the schedule itself wins. Raises
    ValueError for `@reboot`.
    """
    if schedule.reboot:
        raise ValueError("@reboot is no time of the calendar: it is OnBootSec=")
    if schedule.either:
        both = (replace(schedule, weekdays=_EVERY_DAY_OF_WEEK), replace(schedule, days=_DAY.all))
        calendars = [_one_calendar(part, timezone) for part in both if _ever(replace(part, either=False))]
        return list(dict.fromkeys(calendars))
    return [_one_calendar(schedule, timezone)]


def _one_calendar(schedule: Schedule, timezone: str) -> str:
    week = (
        ""
        if len(schedule.weekdays) == 7
        else _runs([(day - 1) % 7 for day in schedule.weekdays], _WEEK, "..") + " "
    )
    years = _spelled(_YEAR, schedule.years, "..") if schedule.years else "*"
    dates = f"{years}-{_spelled(_MONTH, schedule.months, '..')}-{_spelled(_DAY, schedule.days, '..')}"
    clock = ((_HOUR, schedule.hours), (_MINUTE, schedule.minutes), (_SECOND, schedule.seconds))
    times = (_spelled(field, numbers, "..") for field, numbers in clock)
    zone = schedule.timezone or ("" if timezone == "host" else timezone)
    return f"{week}{dates} {':'.join(times)}" + (f" {zone}" if zone else "")


def _spelled(field: _Field, numbers: Sequence[int], to: str) -> str:
    """The numbers of a field as text, as short as systemd (`to` is `..`) or cron (`-`) allows."""
    if len(numbers) == len(field.all):
        return "*"
    cron, first, last = to == "-", numbers[0], numbers[-1]
    name = {number: str(number) if cron else f"{number:0{field.width}}" for number in field.all}
    step = numbers[1] - first if len(numbers) > 2 else 1
    if step == 1 or tuple(numbers) != tuple(range(first, last + 1, step)):
        return _runs(numbers, name, to)
    to_the_end = last + step > field.high
    if cron and to_the_end and first == field.low:
        return f"*/{step}"
    # If an open step does not divide the field, systemd 252 leaves out the first run of the next day: 00/7
    # goes from 23:56 to 00:07.
    if not cron and to_the_end and len(field.all) % step == 0:
        return f"{name[first]}/{step}"
    return f"{name[first]}{to}{name[last]}/{step}"


def _runs(numbers: Iterable[int], names: Sequence[str] | Mapping[int, str], to: str) -> str:
    """The numbers as a list in which three or more successive ones are a range."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(
        f"{names[run[0]]}{to}{names[run[-1]]}" if len(run) > 2 else ",".join(names[number] for number in run)
        for run in runs
    )


# --------------------------------------------------------------------------------------------- as cron has it


def to_cron(schedule: Schedule) -> str:
    """The five fields of a crontab, or @reboot. Raises ValueError that says what cron cannot do."""
    if schedule.cron:
        return schedule.cron
    for wrong, reason in (
        (schedule.timezone, "knows no time zone but the host's: leave it out, or write `scheduler: timer`"),
        (schedule.seconds != (0,), "knows no seconds: end the time with :00, or write `scheduler: timer`"),
        (schedule.years, "knows no years: write * for the year, or `scheduler: timer`"),
    ):
        if wrong:
            raise ValueError(f"cron cannot run {schedule.text!r}: it {reason}")
    week = (
        "*"
        if len(schedule.weekdays) == 7
        else _runs(schedule.weekdays, [str(day) for day in _EVERY_DAY_OF_WEEK], "-")
    )
    day = _spelled(_DAY, schedule.days, "-")
    if week != "*" and not day.startswith("*"):
        raise ValueError(
            f"cron cannot run {schedule.text!r}: it takes a day of the week and a day of the month for one or"
            " the other, not both; write `scheduler: timer`"
        )
    times = (
        _spelled(field, numbers, "-")
        for field, numbers in ((_MINUTE, schedule.minutes), (_HOUR, schedule.hours))
    )
    return " ".join((*times, day, _spelled(_MONTH, schedule.months, "-"), week))
