"""The lines of a spec, and which of them a message may quote.

A secret has no business in a spec; if one is there all the same, it is not printed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import islice

from reconciler.core.basics.lazy_regex import Late
from reconciler.core.secrets.secrecy import SECRET

_SENSITIVE = Late(r"""\bsensitive["']?[ ]*:[ ]*["']?(?:true|yes|on)\b""", re.IGNORECASE)
_ITEM = Late(r"[ ]*- ")
_BETWEEN = Late(r"[ ]*,[ ]*|\[|\]|(?:^|[ ])-[ ](?:-[ ])*")
_KEY = Late(r"[ ]*(?:- +)*")


def secret(names: Iterable[object]) -> bool:
    """Whether any of these names (a path of keys) looks like a secret's."""
    return any(isinstance(name, str) and SECRET.search(name) for name in names)


class Lines:
    """The lines of one file, and which of them may be quoted; their nesting is worked out once."""

    def __init__(self, data: bytes) -> None:
        self.lines = data.decode(errors="replace").removeprefix("\ufeff").split("\n")
        self._veiled: dict[int, int] = {}

    def veil(self, number: int, end: int) -> None:
        """Quote nothing of a line (from 0) from this column (from 0) on: the value of an unknown key may be a
        secret.
        """
        self._veiled[number] = min(end, self._veiled.get(number, end))

    def quoted(self, number: int) -> str:
        """A line as it may be quoted."""
        line, end = self.line(number).removesuffix("\r"), self._veiled.get(number)
        return line if end is None or not line[end:].strip(" :") else f"{line[:end]}: …"

    def line(self, number: int) -> str:
        """A line by its number (from 0); empty when there is none."""
        return self.lines[number] if number < len(self.lines) else ""

    def withheld(self, first: int, last: int) -> bool:
        """Whether lines `first` to `last` (from 0), or a key that they stand below, look like a secret or say
        `sensitive: true`.
        """
        lines = self.lines
        shown = [line for line in lines[first : last + 1] if line.strip()]
        if any(SECRET.search(line) for line in shown) or self._has_shape(first, last):
            return True
        indent = min(map(_indent, shown), default=0)
        parent, outer = min(first, len(lines) - 1), min(map(_leading, shown), default=0)
        while indent:
            if outer and _says_sensitive(lines, parent, outer):
                return True
            above = self._above(parent, indent)
            if above is None:
                return False
            if SECRET.search(lines[above]):
                return True
            parent = above
            indent = outer = _leading(lines[above])
        return False

    def _has_shape(self, first: int, last: int) -> bool:
        """Whether a secret is in these lines, or in the list whose items they are, by its shape: its option
        may be the item before it.
        """
        from reconciler.core.secrets.masking import holds_secret  # only for a line that is to be quoted

        start = first
        while (
            start > max(0, first - 50)
            and _ITEM.match(self.lines[start])
            and _ITEM.match(self.lines[start - 1])
        ):
            start -= 1
        lines = self.lines[start : last + 1]
        return any(map(holds_secret, lines)) or holds_secret(_separate(" ".join(lines)))

    def _above(self, at: int, indent: int) -> int | None:
        """The nearest line before this one that is indented less."""
        above = self._before[at]
        while above is not None and self._indents[above] >= indent:
            above = self._parents[above]
        return above

    @cached_property
    def _indents(self) -> list[int]:
        return [_indent(line) if line.strip() else -1 for line in self.lines]

    @cached_property
    def _before(self) -> list[int | None]:
        """For each line the nearest one before it that is not blank."""
        before: list[int | None] = []
        nearest = None
        for at, indent in enumerate(self._indents):
            before.append(nearest)
            nearest = at if indent >= 0 else nearest
        return before

    @cached_property
    def _parents(self) -> list[int | None]:
        """For each line that is not blank the nearest one before it that is indented less."""
        parents: list[int | None] = []
        for at, indent in enumerate(self._indents):
            above = self._before[at]
            while indent >= 0 and above is not None and self._indents[above] >= indent:
                above = parents[above]
            parents.append(above)
        return parents


def _separate(text: str) -> str:
    """The items of lists as words of a command line."""
    return _BETWEEN.sub(" ", text)


def _says_sensitive(lines: Sequence[str], start: int, outer: int) -> bool:
    """Whether the block that begins in a line, which is indented by `outer`, says `sensitive: true`."""
    if _SENSITIVE.search(lines[start]):
        return True
    for line in islice(lines, start + 1, None):
        if line.strip() and _leading(line) <= outer:
            return False
        if _SENSITIVE.search(line):
            return True
    return False


def _leading(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _indent(line: str) -> int:
    """The column of a line's first word, list dashes left out: a key in a list item stands above its
    neighbours.
    """
    return _KEY.match(line).end()  # type: ignore[union-attr]  # the pattern matches any line
