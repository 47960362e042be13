"""The order of versions of Debian packages (deb-version(7))."""

from __future__ import annotations

import re

_PARTS = re.compile(r"([^0-9]*)([0-9]*)")


def at_least(version: str, wanted: str) -> bool:
    """Whether a version is as new as the wanted one, or newer."""
    return _key(version) >= _key(wanted)


def _key(version: str) -> tuple[int, _Order, _Order]:
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return int(epoch) if epoch.isdecimal() else 0, _order(upstream), _order(revision)


_Order = tuple[tuple[tuple[int, ...], int], ...]
_END = ((0,), 0)
"""The end of a version; a missing part counts as zero."""


def _order(text: str) -> _Order:
    """A key that sorts as dpkg does: `~` before the end, the end before letters, letters before the rest."""
    parts = [(words, digits) for words, digits in _PARTS.findall(text) if words or digits]
    ordered = [((*map(_rank, words), 0), int(digits or 0)) for words, digits in parts]
    while ordered and ordered[-1] == _END:
        ordered.pop()
    return (*ordered, _END)


def _rank(character: str) -> int:
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 256
