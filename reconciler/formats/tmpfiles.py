"""Lines of tmpfiles.d(5), as far as they can be judged without systemd: of a wrong one systemd-tmpfiles takes no notice but an error.

Source: tmpfiles.c of systemd 252 and 257. A release may know more letters, so an unknown one is only told where none could be meant.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.patterns import Late
from reconciler.formats.cron_lines import Flaw

_TYPE = Late(r"[A-Za-z][-!+=~^$?]*")
_WORD = Late(r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'|(\S+)")
_MODE = Late(r"-|[:~]*[0-7]{1,4}")


def flaws(text: str) -> Iterator[Flaw]:
    """The lines that systemd-tmpfiles would call an error, one reason each."""
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if line and not line.startswith(("#", ";")):
            why = _flaw([found[1] or found[2] or found[3] or "" for found in _WORD.finditer(line)])
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
