"""Containers that remember where their keys and items were written, in 16 bytes per entry."""

from __future__ import annotations

from array import array
from typing import Any, NamedTuple

_LINE_BITS = 25
_COLUMN_BITS = 25
_MASK = (1 << 25) - 1

Mark = int
"""A position: file number, line and column (all from 0) in one 64-bit number. See `pack`."""


class Position(NamedTuple):
    """An unpacked Mark. Everything counts from 0."""

    file: int
    line: int
    column: int


def pack(file: int, line: int, column: int) -> Mark:
    """The Mark of a position.

    There are fewer than 16,384 files; a file of 32 MiB has neither lines nor columns beyond 25 bits.
    """
    return file << (_LINE_BITS + _COLUMN_BITS) | line << _COLUMN_BITS | column


def unpack(mark: Mark) -> Position:
    """The position that `pack` packed."""
    return Position(mark >> (_LINE_BITS + _COLUMN_BITS), mark >> _COLUMN_BITS & _MASK, mark & _MASK)


class Map(dict[str, Any]):
    """A YAML mapping.

    `marks` holds two Marks per key, in the order of the keys: that of the key and that of its value.
    """

    __slots__ = ("marks",)
    marks: array[int]


class Seq(list[Any]):
    """A YAML sequence. `marks` holds one Mark per item."""

    __slots__ = ("marks",)
    marks: array[int]


def new_map() -> Map:
    """An empty Map."""
    result = Map()
    result.marks = array("Q")
    return result


def put(target: Map, key: str, value: Any, key_mark: Mark, value_mark: Mark) -> None:
    """Add a key that `target` does not have yet."""
    target[key] = value
    target.marks.append(key_mark)
    target.marks.append(value_mark)


def marks_of(container: Map, key: str) -> tuple[Mark, Mark]:
    """The Marks of a key and of its value. Linear: for error messages, not for loops."""
    index = list(container).index(key)
    return container.marks[2 * index], container.marks[2 * index + 1]


def without(source: Map, key: str) -> Map:
    """A copy that lacks one key."""
    result = new_map()
    for index, (name, value) in enumerate(source.items()):
        if name != key:
            put(result, name, value, source.marks[2 * index], source.marks[2 * index + 1])
    return result
