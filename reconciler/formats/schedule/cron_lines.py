"""Lines of anybody's file in /etc/cron.d, as Debian's cron reads them: one that it cannot read makes it
ignore the whole file.

Sources: crontab(5), and entry.c, env.c and database.c of cron 3.0pl1 as Debian 12 and 13 have it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from reconciler.core.basics.frozen import frozen
from reconciler.core.basics.lazy_regex import Late

_VARIABLE = Late(r"(?:\"[^\"]*\"|'[^']*'|[^\s=\"']+)\s*=.*")
_NICKNAMES = ("reboot", "yearly", "annually", "monthly", "weekly", "daily", "midnight", "hourly")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[str, int, int, Sequence[str]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, ("", *_MONTHS)),
    ("day of the week", 0, 7, _DAYS),
)
_RANGE = Late(r"(?:(?P<all>\*)|(?P<first>[0-9A-Za-z]+)(?:-(?P<last>[0-9A-Za-z]+))?)(?:/(?P<step>\d+))?")


@frozen
class Flaw:
    """One fault for which cron would not read a file."""

    line: int
    """The number of the line; 0 for the file as a whole."""
    why: str


def flaws(text: str) -> Iterator[Flaw]:
    """The faults for which cron ignores the file, except accounts that the host does not have."""
    if text and not text.endswith("\n"):
        yield Flaw(0, "the last line has no line end")
    for number, line in _lines(text):
        why = _flaw(line)
        if why:
            yield Flaw(number, why)


def users(text: str) -> tuple[str, ...]:
    """The accounts as which jobs run. cron ignores a file that names one which the host does not have."""
    rows = (_split(line) for _, line in _lines(text) if not _flaw(line) and not _VARIABLE.fullmatch(line))
    return tuple(dict.fromkeys(user for _, user, _ in rows))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip(" \t")
        if line and not line.startswith("#"):
            yield number, line


def _split(line: str) -> tuple[list[str], str, str]:
    """The words of the schedule, the account, and the command."""
    count = 1 if line.startswith("@") else len(_FIELDS)
    words = re.split(r"[ \t]+", line, maxsplit=count + 1)
    words += [""] * (count + 2 - len(words))
    return words[:count], words[count], words[count + 1]


def _flaw(line: str) -> str:
    if _VARIABLE.fullmatch(line):
        return ""
    if "\r" in line:
        return "the line ends as on Windows (CR LF)"
    schedule, user, command = _split(line)
    why = _nickname(schedule[0]) if line.startswith("@") else _times(schedule)
    if why:
        return why
    if not command:
        return f"no command follows {user or 'the schedule'}: a line of /etc/cron.d is SCHEDULE USER COMMAND"
    return ""


def _nickname(word: str) -> str:
    return (
        ""
        if word[1:].lower() in _NICKNAMES
        else f"{word} is none of {', '.join('@' + name for name in _NICKNAMES)}"
    )


def _times(words: Sequence[str]) -> str:
    for word, (name, least, most, names) in zip(words, _FIELDS, strict=True):
        if not all(_in_range(part, least, most, names) for part in word.split(",")):
            return f"{word!r} is no {name}: numbers from {least} to {most}, with `-`, `/` and `,`"
    return ""


def _in_range(part: str, least: int, most: int, names: Sequence[str]) -> bool:
    match = _RANGE.fullmatch(part)
    if match is None or (match["step"] is not None and not int(match["step"])):
        return False
    if match["all"]:
        return True
    numbers = [_number(word, names) for word in (match["first"], match["last"]) if word is not None]
    return all(number is not None and least <= number <= most for number in numbers)


def _number(word: str, names: Sequence[str]) -> int | None:
    if word.isdecimal():
        return int(word)
    return names.index(word.lower()) if word.lower() in names else None
