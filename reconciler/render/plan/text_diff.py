"""Unified diffs of text, as lists of lines."""

from __future__ import annotations

LONGEST = 20_000
"""Lines of both texts together above which no diff is made: the time grows with their product."""

_OPEN_END = "\n\\ No newline at end of file"


def unified(before: str | None, after: str | None) -> list[str] | None:
    r"""The lines of a unified diff with three lines of context, without file names; None when too long or
    nothing differs.

    Only `\n` ends a line, so that other line separators can hide nothing.
    """
    from difflib import unified_diff  # only when content changes

    old, new = _lines(before), _lines(after)
    if len(old) + len(new) > LONGEST or old == new:
        return None
    return [part for line in list(unified_diff(old, new, lineterm=""))[2:] for part in line.split("\n")]


def _lines(text: str | None) -> list[str]:
    if not text:
        return []
    lines = text.split("\n")
    if lines[-1] == "":
        return lines[:-1]
    return [*lines[:-1], lines[-1] + _OPEN_END]
