"""One line of group or gshadow while people come and go: with thousands of members one more costs what the
first did.
"""

from __future__ import annotations

_LIST = 3
"""The field of both files that lists the members; in gshadow the administrators are in the one before."""


class Roster:
    """The line, taken apart.

    `counts`: whether it is an entry, or only looks like one. The text is put together when it is asked for.
    """

    __slots__ = ("_before", "_names", "_places", "_text", "counts", "name")

    def __init__(self, line: str, *, counts: bool) -> None:
        fields = line.split(":")
        self.counts = counts
        self.name = fields[0]
        self._before = fields[:_LIST]
        self._names: list[str | None] = [name for name in fields[_LIST].split(",") if name]
        self._places: dict[str | None, list[int]] = {}
        for place, name in enumerate(self._names):
            self._places.setdefault(name, []).append(place)
        self._text: str | None = line

    @staticmethod
    def fits(line: str) -> bool:
        """Whether a line has a list."""
        return line.count(":") >= _LIST

    def __contains__(self, name: object) -> bool:
        return name in self._places

    @property
    def text(self) -> str:
        """The line as it is now. One that nobody joined or left is to the byte what it was."""
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
        """Take somebody out, however often he is listed. Returns what `rejoin` needs."""
        text, self._text = self._text, None
        places = self._places.pop(name)
        for place in places:
            self._names[place] = None
        return places, text

    def rejoin(self, name: str, places: list[int], text: str | None) -> None:
        """Undo a `leave`."""
        self._text = text
        self._places[name] = places
        for place in places:
            self._names[place] = name
