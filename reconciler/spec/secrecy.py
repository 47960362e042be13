"""Which lines of a spec may be quoted. A secret has no business in a spec; if one is there all the same, it is not printed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_SECRET = re.compile(r"passw|passphrase|secret|token|credential|private|api[_-]?key|key[_-]?material|BEGIN [A-Z ]*KEY", re.IGNORECASE)
_KEY = re.compile(r"[ ]*(?:- +)*")


def secret(names: Iterable[object]) -> bool:
    """Whether any of these names (a path of keys) looks like that of a secret."""
    return any(isinstance(name, str) and _SECRET.search(name) for name in names)


def withheld(lines: Sequence[str], first: int, last: int) -> bool:
    """Whether lines `first` to `last` (from 0), or any key they stand below, look like a secret."""
    last = min(last, len(lines) - 1)
    if any(_SECRET.search(line) for line in lines[first : last + 1]):
        return True
    indent = min((_indent(line) for line in lines[first : last + 1] if line.strip()), default=0)
    for line in reversed(lines[:first]):
        if not indent:
            return False
        if line.strip() and _indent(line) < indent:
            indent = len(line) - len(line.lstrip(" "))
            if _SECRET.search(line):
                return True
    return False


def _indent(line: str) -> int:
    """The column of a line's first word, list dashes left out: a key in a list item stands above its neighbours."""
    return _KEY.match(line).end()  # type: ignore[union-attr]  # the pattern matches any line
