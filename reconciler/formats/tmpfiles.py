"""Lines of tmpfiles.d(5), as far as they can be judged without systemd: systemd-tmpfiles only logs a wrong
one.

Source: tmpfiles.c of systemd 252 and 257. A release may know more letters, so any letter passes as a type.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.basics.frozen import frozen
from reconciler.core.basics.lazy_regex import Late
from reconciler.formats.schedule.cron_lines import Flaw

_TYPE = Late(r"[A-Za-z][-!+=~^$?]*")
_WORD = Late(r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'|(\S+)")
_MODE = Late(r"-|[:~]*[0-7]{1,4}")


@frozen
class Removal:
    """A line that removes."""

    path: str
    whole: bool
    """Whether it removes everything in the path, with or without the path itself."""
    glob: bool
    """Whether the path is a pattern."""
    text: str
    """The line."""


def removals(text: str) -> Iterator[Removal]:
    """The lines that remove something at once (r, R, D) or once it is old (directories with an age)."""
    for words, line in _lines(text):
        letter, path, age = (
            words[0][:1],
            f"/{'/'.join(filter(None, words[1].split('/')))}",
            (words[5:6] or ["-"])[0],
        )
        whole = letter in "RD" or (letter in "deCvqQ" and age not in ("-", ""))
        if whole or letter == "r":
            yield Removal(path, whole, letter in "rRe", line)


def _lines(text: str) -> Iterator[tuple[list[str], str]]:
    for raw in text.split("\n"):
        line = raw.strip()
        words = [match[1] or match[2] or match[3] or "" for match in _WORD.finditer(line)]
        if len(words) > 1 and not line.startswith(("#", ";")):
            yield words, line


def flaws(text: str) -> Iterator[Flaw]:
    """The lines that systemd-tmpfiles would call an error, one reason each."""
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if line and not line.startswith(("#", ";")):
            why = _flaw([match[1] or match[2] or match[3] or "" for match in _WORD.finditer(line)])
            if why:
                yield Flaw(number, why)


def _flaw(words: list[str]) -> str:
    kind, path, mode = (*words, "", "", "")[:3]
    if not _TYPE.fullmatch(kind):
        return f"{kind!r} is no type of a line: one letter, with ! + = ~ ^ - behind it"
    if not path.startswith(("/", "%")):
        return f"{path!r} is no absolute path"
    if mode and kind[0] not in "xXrR" and not _MODE.fullmatch(mode):
        return f"{mode!r} is no mode: three or four octal digits, or -"
    return ""
