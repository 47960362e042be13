"""Command lines split into words, as systemd's extract_first_word() does it.

It shares no code with `exec_line`, whose results it proves.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from reconciler.core.basics.lazy_regex import Late
from reconciler.formats.systemd.unit_syntax import BLANK

_GAP = Late(f"[{BLANK}]+")
_ESCAPED_SEMICOLON = Late(rf"\\;(?=[{BLANK}]|\Z)")
_PIECE = Late(
    rf"""(?P<bare>[^{BLANK}"'\\]+)|"(?P<double>(?:[^"\\]|\\.)*+)"|'(?P<single>(?:[^'\\]|\\.)*+)'|(?P<escape>\\(?:x..|u.{{4}}|U.{{8}}|[0-7]{{3}}|.))""",
    re.DOTALL,
)
_ESCAPE = Late(
    r"""\\(?:(?P<letter>[abfnrtvs"'\\])|x(?P<byte>[0-9a-fA-F]{2})|(?P<octal>[0-3][0-7]{2})
        |u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8})|(?P<bad>.?))""",
    re.VERBOSE | re.DOTALL,
)
_LETTERS = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "s": 32, '"': 34, "'": 39, "\\": 92}
_SURROGATES = range(0xD800, 0xE000)
_CODE_POINTS = range(1, 0x110000)


class Word(NamedTuple):
    """One word of a command line."""

    raw: str
    """The word as written."""
    text: str
    """The word after systemd removed quotes and escapes."""

    @property
    def quoted(self) -> bool:
        """Whether any part of the word is quoted or escaped."""
        return self.raw != self.text


def words(line: str) -> list[Word]:
    """The words of a command line. Raises ValueError where systemd refuses the line."""
    result: list[Word] = []
    position = len(line) - len(line.lstrip(BLANK))
    while position < len(line):
        raw, text = _word(line, position)
        result.append(Word(raw, text))
        gap = _GAP.match(line, position + len(raw))
        position = gap.end() if gap else position + len(raw)
    return result


def _word(line: str, start: int) -> tuple[str, str]:
    """The word that begins at `start`, raw and unquoted."""
    if _ESCAPED_SEMICOLON.match(line, start):
        return r"\;", ";"
    position, text = start, bytearray()
    while position < len(line) and line[position] not in BLANK:
        piece = _PIECE.match(line, position)
        if piece is None:
            raise ValueError(_broken(line[position:]))
        inside = piece["bare"] or piece["double"] or piece["single"] or piece["escape"] or ""
        text += inside.encode(errors="surrogateescape") if piece["bare"] else _unescaped(inside)
        position = piece.end()
    return line[start:position], text.decode(errors="surrogateescape")


def _broken(rest: str) -> str:
    if rest.startswith("\\"):
        return (
            "it ends with a backslash, which would swallow the next line of the file: remove it or write \\\\"
        )
    return f"the quote {rest[0]} is never closed: close it, or write \\{rest[0]} for the character itself"


def _unescaped(text: str) -> bytes:
    result, position = bytearray(), 0
    for escape in _ESCAPE.finditer(text):
        result += text[position : escape.start()].encode(errors="surrogateescape") + _code(escape)
        position = escape.end()
    return bytes(result + text[position:].encode(errors="surrogateescape"))


def _code(escape: re.Match[str]) -> bytes:
    if escape["letter"]:
        return bytes([_LETTERS[escape["letter"]]])
    eight_bit = int(escape["byte"] or "0", 16) or int(escape["octal"] or "0", 8)
    if eight_bit:
        return bytes([eight_bit])
    code = int(escape["short"] or escape["long"] or "0", 16)
    if code not in _CODE_POINTS or code in _SURROGATES:
        raise ValueError(f"{escape[0]} is no escape that systemd knows: write \\\\ for a backslash")
    return chr(code).encode()
