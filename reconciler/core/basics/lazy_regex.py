"""Regular expressions that are compiled at their first use: a command uses few of those in the modules that
it imports.

`re.compile` costs a fifth of a millisecond for each. It is still better for those that every command uses,
and for those that are used many thousand times.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator


class Late:
    """The pattern of `re.compile`, compiled at its first use, which raises re.error if the text is none."""

    __slots__ = ("_compiled", "_flags", "_text")

    def __init__(self, text: str, flags: int = 0) -> None:
        self._text = text
        self._flags = flags
        self._compiled: re.Pattern[str] | None = None

    def _get(self) -> re.Pattern[str]:
        if self._compiled is None:
            self._compiled = re.compile(self._text, self._flags)
        return self._compiled

    def match(self, text: str, at: int = 0) -> re.Match[str] | None:
        """As Pattern.match."""
        return self._get().match(text, at)

    def fullmatch(self, text: str) -> re.Match[str] | None:
        """As Pattern.fullmatch."""
        return self._get().fullmatch(text)

    def search(self, text: str, at: int = 0) -> re.Match[str] | None:
        """As Pattern.search."""
        return self._get().search(text, at)

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        """As Pattern.finditer."""
        return self._get().finditer(text)

    def findall(self, text: str) -> list[str]:
        """As Pattern.findall of an expression with at most one group."""
        return self._get().findall(text)

    def split(self, text: str, most: int = 0) -> list[str]:
        """As Pattern.split of an expression without optional groups."""
        return self._get().split(text, most)

    def sub(self, instead: str | Callable[[re.Match[str]], str], text: str) -> str:
        """As Pattern.sub."""
        return self._get().sub(instead, text)
