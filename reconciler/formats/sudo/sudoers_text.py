"""The text of sudoers(5): lines, comments, includes and quotes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from reconciler.core.basics.lazy_regex import Late

INCLUDE = Late(r"[#@](include|includedir)[ \t]+(?:\"([^\"]+)\"|(\S+))\s*")
_IN_COMMAND = Late(
    r"(?:NO)?(?:PASSWD|EXEC|SETENV|LOG_INPUT|LOG_OUTPUT|MAIL|FOLLOW|INTERCEPT):|sha(?:224|256|384|512):"
)
"""A word whose colon is no separator: a tag, or the beginning of a digest."""


def include_of(line: str) -> tuple[str, str] | None:
    """`include` or `includedir` and the path, for a line that includes; a relative path is below /etc."""
    match = INCLUDE.fullmatch(line.strip())
    if match is None:
        return None
    path = match[2] or match[3]
    return match[1], path if path.startswith("/") else f"/etc/{path}"


def is_ignored(name: str) -> bool:
    """Whether sudo silently ignores a file of this name in an included directory."""
    return "." in name or name.endswith("~")


def logical_lines(text: str) -> Iterator[str]:
    """The lines, each joined with its continuation lines, without comments and empty ones."""
    for line in re.sub(r"\\\r?\n[ \t]*", " ", text).split("\n"):
        content = line if INCLUDE.fullmatch(line.strip()) else _without_comment(line)
        if content.strip():
            yield content.strip()


def _without_comment(line: str) -> str:
    """The line up to a `#` that begins a comment; one in quotes, behind a backslash or in front of a
    number (a uid) begins none.
    """
    quoted = False
    for at, char in enumerate(line):
        if char == '"' and line[at - 1 : at] != "\\":
            quoted = not quoted
        elif char == "#" and not quoted and line[at - 1 : at] != "\\" and not re.match(r"#\d", line[at:]):
            return line[:at]
    return line


def split(text: str, separator: str, *, tags: bool = False) -> list[str]:
    """Pieces between separators that are not in quotes, in parentheses or behind a backslash; empty ones are
    left out.

    `tags`: a colon at the end of a word of capital letters belongs to a tag (`NOPASSWD:`).
    """
    pieces, piece, quoted, depth, at = [], "", False, 0, 0
    while at < len(text):
        char = text[at]
        if char == "\\" and at + 1 < len(text):
            piece, at = piece + text[at : at + 2], at + 2
            continue
        quoted = not quoted if char == '"' else quoted
        depth += 0 if quoted else (char == "(") - (char == ")")
        if (
            char == separator
            and not quoted
            and not depth
            and not (tags and _IN_COMMAND.match(re.split(r"[\s,)]", piece)[-1] + ":"))
        ):
            pieces.append(piece.strip())
            piece = ""
        else:
            piece += char
        at += 1
    return [part for part in (*pieces, piece.strip()) if part]


def cut(text: str, separator: str) -> tuple[str, str, str]:
    """As str.partition, at a separator that is not behind a backslash."""
    match = re.match(rf"((?:\\.|[^\\{separator}])*){separator}", text)
    return (match[1], separator, text[match.end() :]) if match else (text, "", "")
