"""One account file, line by line: found by the name that a line begins with, and by its keys."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from reconciler.formats.accounts.passwd import Group, GroupShadow, User
from reconciler.formats.accounts.roster import Roster
from reconciler.formats.accounts.users import Range, Shadow

Row = TypeVar("Row", User, Group, GroupShadow, Shadow, Range)


_NIS = ("+", "-")


def _nobody(_: Any) -> tuple[()]:
    return ()


class Numbers:
    """Numbers that are taken, in order; a number may be taken more than once."""

    def __init__(self, taken: list[int] | None = None, avoid: Collection[int] = ()) -> None:
        self.taken = [] if taken is None else taken
        self._avoid = avoid

    def __contains__(self, number: object) -> bool:
        """Whether a number is taken, or to be avoided."""
        return isinstance(number, int) and (number in self._avoid or number in self._within(number, number))

    def highest(self, least: int, most: int) -> int | None:
        """The highest number within these bounds that is taken or to be avoided."""
        return max(
            (*self._within(least, most)[-1:], *(number for number in self._avoid if least <= number <= most)),
            default=None,
        )

    def avoiding(self, numbers: Collection[int]) -> Numbers:
        """The same numbers, with others that count as taken."""
        return Numbers(self.taken, {*self._avoid, *numbers})

    def _within(self, least: int, most: int) -> list[int]:
        end = bisect_right(self.taken, most)
        return self.taken[max(bisect_left(self.taken, least), end - 1) : end]


@dataclass(frozen=True)
class Keys(Generic[Row]):
    """The keys by which an entry is found besides its name."""

    numbers: tuple[str, ...] = ()
    """Fields that are numbers; those of the first one are kept in order (`Table.numbers`)."""
    people: Callable[[Row], tuple[str, ...]] = _nobody
    """The accounts that the entry lists."""


class Table(Generic[Row]):
    """One file, line by line: found by the name that a line begins with, and by its keys."""

    def __init__(self, text: str, parse: Callable[[str], Row | None], keys: Keys[Row]) -> None:
        self.numbers = Numbers()
        self._parse: Callable[[str], Row | None] = parse
        self._keys: Keys[Row] = keys
        self._undo: list[Callable[[], None]] | None = None
        self._lines: list[str | Roster | None] = []
        self._named: dict[str, dict[int, None]] = {}
        self._numbered: dict[tuple[str, int], dict[int, None]] = {}
        self._listed: dict[str, dict[int, None]] = {}
        self._nis = 0
        self._ends = self._ended = False
        self.replace(text)

    @property
    def text(self) -> str:
        """The whole file."""
        lines = [line for at in range(len(self._lines)) if (line := self._line(at)) is not None]
        return "\n".join(lines) + ("\n" if lines and self._ends else "")

    def row(self, name: str) -> Row | None:
        """The first entry of this name: the one that counts, as in the C library."""
        return next(self._rows(self._named.get(name, {})), None)

    def has(self, name: str) -> bool:
        """Whether there is an entry of this name; faster than `row`, for it does not parse the members."""
        lines = (self._lines[at] for at in self._named.get(name, ()))
        return any(
            line.counts if isinstance(line, Roster) else line is not None and self._parse(line) is not None
            for line in lines
        )

    def numbered(self, field: str, number: int) -> Iterator[Row]:
        """The entries with this number, in their order."""
        return self._rows(self._numbered.get((field, number), {}))

    def listing(self, name: str) -> Iterator[Row]:
        """The entries that list an account, in their order."""
        return self._rows(self._listed.get(name, {}))

    def names_numbered(self, field: str, number: int) -> Iterator[str]:
        """The names of the entries with this number."""
        return map(self._name, sorted(self._numbered.get((field, number), {})))

    def names_listing(self, name: str) -> Iterator[str]:
        """The names of the entries that list an account."""
        return map(self._name, sorted(self._listed.get(name, {})))

    def rows(self) -> Iterator[Row]:
        """All entries."""
        return self._rows(range(len(self._lines)))

    def _rows(self, indices: Iterable[int]) -> Iterator[Row]:
        lines = (self._line(at) for at in sorted(indices))
        return (row for line in lines if line is not None and (row := self._parse(line)) is not None)

    def edit(self, name: str, width: int, edit: Callable[[list[str]], list[str]]) -> None:
        """Edit the first line of this name that has `width` fields."""
        for at in sorted(self._named.get(name, ())):
            fields = (self._line(at) or "").split(":")
            if len(fields) >= width:
                self._set(at, ":".join(edit(fields)))
                return

    def join(self, name: str, group: str) -> None:
        """Add a member at the end of the first line of this group that has a list."""
        for at, roster in self._roster(group):
            if name not in roster:
                self._remember(partial(self._unlist_again, at, roster, name, roster.join(name)))
                self._list_in(at, roster, name)

    def leave(self, name: str, group: str) -> None:
        """Remove a member from the first line of this group that has a list."""
        for at, roster in self._roster(group):
            if name in roster:
                self._remember(partial(self._list_again, at, roster, name, roster.leave(name)))
                self._unlist_in(at, roster, name)

    def remove(self, name: str) -> None:
        """Remove the lines of this name."""
        for at in list(self._named.get(name, ())):
            self._set(at, None)
        self._ends = True

    def append(self, line: str) -> None:
        """Add a line at the end, but before the first NIS line: lines after a `+` are never read."""
        self._ends = True
        if not self._nis:
            self._lines.append(None)
            self._set(len(self._lines) - 1, line)
            return
        lines: list[str] = [other for at in range(len(self._lines)) if (other := self._line(at)) is not None]
        index_of_nis: int = next(index for index, other in enumerate(lines) if other.startswith(_NIS))
        self.replace("\n".join([*lines[:index_of_nis], line, *lines[index_of_nis:]]) + "\n")

    def replace(self, text: str) -> None:
        """Replace all lines by those of another text."""
        for at in range(len(self._lines)):
            self._set(at, None)
        for line in text.removesuffix("\n").split("\n") if text else ():
            self._lines.append(None)
            self._set(len(self._lines) - 1, line)
        self._ends = text.endswith("\n")

    def mark(self) -> None:
        """Record changes from here on, for `back`."""
        self._undo, self._ended = [], self._ends

    def keep(self) -> None:
        """Keep the changes since the mark."""
        self._undo = None

    def back(self) -> None:
        """Undo the changes since the mark."""
        undo, self._undo = self._undo or [], None
        for step in reversed(undo):
            step()
        self._ends = self._ended

    def _remember(self, step: Callable[[], None]) -> None:
        if self._undo is not None:
            self._undo.append(step)

    def _line(self, at: int) -> str | None:
        line = self._lines[at]
        return line.text if isinstance(line, Roster) else line

    def _name(self, at: int) -> str:
        line = self._lines[at]
        return line.name if isinstance(line, Roster) else (line or "").partition(":")[0]

    def _roster(self, group: str) -> Iterator[tuple[int, Roster]]:
        """The first line of this name that has a list, taken apart."""
        for at in sorted(self._named.get(group, ())):
            line = self._lines[at]
            if isinstance(line, str) and Roster.fits(line):
                line = self._lines[at] = Roster(line, counts=self._parse(line) is not None)
            if isinstance(line, Roster):
                yield at, line
                return

    def _list_in(self, at: int, roster: Roster, name: str) -> None:
        if roster.counts:
            self._listed.setdefault(name, {})[at] = None

    def _unlist_in(self, at: int, roster: Roster, name: str) -> None:
        if roster.counts and (
            self._keys.numbers or not roster.administers(name)
        ):  # administrators stay listed; in group, which has numbers, that field is the gid
            del self._listed[name][at]

    def _unlist_again(self, at: int, roster: Roster, name: str, text: str | None) -> None:
        roster.unjoin(name, text)
        self._unlist_in(at, roster, name)

    def _list_again(self, at: int, roster: Roster, name: str, removed: tuple[list[int], str | None]) -> None:
        roster.rejoin(name, *removed)
        self._list_in(at, roster, name)

    def _set(self, at: int, line: str | None) -> None:
        before = self._line(at)
        self._remember(partial(self._set, at, before))
        old, new = (None if text is None else self._parse(text) for text in (before, line))
        if before is not None:
            self._nis -= before.startswith(_NIS)
            del self._named[before.split(":", 1)[0]][at]
        if line is not None:
            self._nis += line.startswith(_NIS)
            self._named.setdefault(line.split(":", 1)[0], {})[at] = None
        self._lines[at] = line
        self._count(at, old, new)
        self._list(at, old, new)

    def _count(self, at: int, old: Row | None, new: Row | None) -> None:
        for field in self._keys.numbers:
            was, number = (None if row is None else getattr(row, field) for row in (old, new))
            if was == number:
                continue
            first = field == self._keys.numbers[0]
            if was is not None:
                del self._numbered[field, was][at]
                if first:
                    del self.numbers.taken[bisect_left(self.numbers.taken, was)]
            if number is not None:
                self._numbered.setdefault((field, number), {})[at] = None
                if first:
                    insort(self.numbers.taken, number)

    def _list(self, at: int, old: Row | None, new: Row | None) -> None:
        # A group may have thousands of members, and one of them comes or goes.
        were, are = (frozenset(() if row is None else self._keys.people(row)) for row in (old, new))
        for name in were - are:
            del self._listed[name][at]
        for name in are - were:
            self._listed.setdefault(name, {})[at] = None
