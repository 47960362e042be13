"""Which lines of a spec may be quoted. A secret has no business in a spec; if one is there all the same, it is not printed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice

from reconciler.core.patterns import Late
from reconciler.core.secrecy import SECRET

_SENSITIVE = Late(r"""\bsensitive["']?[ ]*:[ ]*["']?(?:true|yes|on)\b""", re.IGNORECASE)
_KEY = Late(r"[ ]*(?:- +)*")


def secret(names: Iterable[object]) -> bool:
    """Whether any of these names (a path of keys) looks like that of a secret."""
    return any(isinstance(name, str) and SECRET.search(name) for name in names)


def withheld(lines: Sequence[str], first: int, last: int) -> bool:
    """Whether lines `first` to `last` (from 0), or any key they stand below, look like a secret, or the resource says `sensitive: true`."""
    last = min(last, len(lines) - 1)
    shown = [line for line in lines[first : last + 1] if line.strip()]
    if any(SECRET.search(line) for line in shown):
        return True
    indent = min(map(_indent, shown), default=0)
    parent, outer = first, min(map(_leading, shown), default=0)
    while indent:
        if outer and _says_sensitive(lines, parent, outer):
            return True
        above = next((at for at in range(parent - 1, -1, -1) if lines[at].strip() and _indent(lines[at]) < indent), None)
        if above is None:
            return False
        if SECRET.search(lines[above]):
            return True
        parent = above
        indent = outer = _leading(lines[above])
    return False


def _says_sensitive(lines: Sequence[str], start: int, outer: int) -> bool:
    """Whether the block that begins in a line, which is `outer` columns in, says so."""
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
    """The column of a line's first word, list dashes left out: a key in a list item stands above its neighbours."""
    return _KEY.match(line).end()  # type: ignore[union-attr]  # the pattern matches any line
