"""Patterns of `exclude` as restic takes them, with the meaning that tar gives them.

Both match whole names, and `*` crosses no `/`. They differ in this: for restic `**` crosses any number of
directories, `!` in front turns a pattern round, and a bracket that is never closed is an error.
"""

from __future__ import annotations

import re

_SPECIAL = re.compile(r"([*?\[\]\\])")
_SET = re.compile(r"\[[!^]?\]?[^\]/]*\]")


def pattern(text: str) -> str:
    """The pattern for restic that matches what tar's does."""
    parts: list[str] = []
    at = 0
    while at < len(text):
        taken, part = _next(text, at)
        if part == "*" and parts[-1:] == ["*"]:
            part = ""
        parts += [part] if part else []
        at += taken
    return "".join(parts)


def literal(path: str) -> str:
    """The pattern that matches only this path, whatever is in its name."""
    return _SPECIAL.sub(r"\\\1", path)


def _next(text: str, at: int) -> tuple[int, str]:
    """The number of characters of the next element of a pattern, and the element for restic."""
    char = text[at]
    if char == "\\":
        return (2, "\\" + text[at + 1]) if at + 1 < len(text) else (1, "\\\\")
    if char == "[":
        match = _SET.match(text, at)
        return (len(match[0]), _set(match[0])) if match else (1, "\\[")
    if char == "!" and at == 0:
        return 1, "\\!"
    return 1, char


def _set(text: str) -> str:
    """A set such as `[!a-z]`; a `]` that stands first in it is one of its characters."""
    inside = text[1:-1]
    negated = inside[:1] in ("!", "^")
    members = inside[1:] if negated else inside
    if members.startswith("]"):
        members = "\\" + members
    return f"[{'^' if negated else ''}{members}]"
