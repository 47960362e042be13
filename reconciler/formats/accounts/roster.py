"""One line of group or gshadow while members join and leave: with thousands of members one more costs as much
as the first.
"""

from __future__ import annotations

_LIST = 3
"""The field of both files that lists the members; in gshadow the field before lists the administrators."""


class Roster:
    """The line, taken apart; its text is put together when it is asked for.

    `counts` says whether it is an entry, or only looks like one.
    """

    __slots__ = ("_before", "_names", "_places", "_text", "counts", "name")

    def __init__(self, line: str, *, counts: bool) -> None:
        fields = line.split(":")
        self.counts = counts
        self.name = fields[0]
        self._before = fields[:_LIST]
        self._names: list[str | None] = [name for name in fields[_LIST].split(",") if name]
        self._places: dict[str | None, list[int]] = {}
        for index, name in enumerate(self._names):
            self._places.setdefault(name, []).append(index)
        self._text: str | None = line

    @staticmethod
    def fits(line: str) -> bool:
        """Whether a line has a list."""
        return line.count(":") >= _LIST

    def __contains__(self, name: object) -> bool:
        return name in self._places

    @property
    def text(self) -> str:
        """The line as it is now, the same to the byte if nobody joined or left."""
        if self._text is None:
            self._text = ":".join((*self._before, ",".join(name for name in self._names if name is not None)))
        return self._text

    def administers(self, name: str) -> bool:
        """Whether somebody is an administrator of it (gshadow)."""
        return name in self._before[-1].split(",")

    def join(self, name: str) -> str | None:
        """Add somebody at the end. Returns what `unjoin` needs."""
        text, self._text = self._text, None
        self._places[name] = [len(self._names)]
        self._names.append(name)
        return text

    def unjoin(self, name: str, text: str | None) -> None:
        """Undo the last `join`."""
        self._text = text
        self._names.pop()
        del self._places[name]

    def leave(self, name: str) -> tuple[list[int], str | None]:
        """Remove a name, however often it is listed. Returns what `rejoin` needs."""
        text, self._text = self._text, None
        indices = self._places.pop(name)
        for index in indices:
            self._names[index] = None
        return indices, text

    def rejoin(self, name: str, indices: list[int], text: str | None) -> None:
        """Undo a `leave`."""
        self._text = text
        self._places[name] = indices
        for index in indices:
            self._names[index] = name
