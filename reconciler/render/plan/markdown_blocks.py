"""Lines of resources in a comment on a pull request, coloured by a diff block, as far as there is room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.render.markdown_text import cut, size
from reconciler.render.plan.blocks import block
from reconciler.render.terminal import SYMBOL_COLOURS, Look

Data = Mapping[str, Any]


_LINE = 500
"""Characters of one line of a diff."""
_SIGN = "\x01"
"""The mark before a symbol that goes to column 0. In texts from outside it is spelled out."""
_MOVED = frozenset("+-~!. ")
_FENCE_SIGNS = {"~": "!"}


def likely(entries: Sequence[Data]) -> int:
    """A guess at the bytes that these entries take."""
    return 600 * len(entries)


def diff_lines(
    entries: Sequence[Data], removals: Mapping[str, list[Data]], room: int
) -> tuple[list[str], int]:
    """The lines of as many resources as there is room for, and the number of those left out."""
    lines: list[str] = []
    shown = 0
    look = Look(_marked)
    for entry in entries:
        if room < _LINE:
            break
        own = [
            _to_column_0(line)
            for text in block(entry, removals.get(entry["address"], []), look)
            for line in text.split("\n")
        ]
        needed = size("\n".join(own)) + 2
        if needed <= room:
            lines += ([""] if lines else []) + own
            room -= needed
            shown += 1
    return lines, len(entries) - shown


def _marked(text: str, colour: str) -> str:
    """A Paint that marks symbols, and the space before a line of a file that stays, instead of colouring
    them.
    """
    sign = text[:1]
    moves = sign in _MOVED and SYMBOL_COLOURS.get(sign, "") == colour
    return _SIGN + text if moves else text


def _to_column_0(line: str) -> str:
    """The line as a ```diff block colours it: the symbol first, `!` for a change."""
    indent, sign, rest = line.partition(_SIGN)
    plain = cut(line if not sign else indent + rest[1:].replace(_SIGN, ""), _LINE).rstrip()
    return f"{_FENCE_SIGNS.get(rest[0], rest[0])}{plain}" if sign else f" {plain}".rstrip()


def left_out_line(number: int, noun: str) -> list[str]:
    """The line with the number of those for which there was no room."""
    if not number:
        return []
    subject = f"{number:,} {noun} is" if number == 1 else f"{number:,} {noun}s are"
    where = "The plan's text, or `reconciler show PLANFILE`, has all of them."
    return [f"**{subject} left out above**: a comment can only be so long. {where}"]
