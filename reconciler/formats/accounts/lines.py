"""Single lines of the account files: finding, editing and removing them by the name that they begin with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Text = TypeVar("Text", str, "str | None")


def lines_of(text: str | None, name: str) -> list[str]:
    """The lines of this name."""
    return [line for line in (text or "").split("\n") if line.split(":", 1)[0] == name and ":" in line]


def lines_by_name(text: str | None) -> dict[str, list[str]]:
    """As `lines_of`, the lines of all names, in the order of the file."""
    lines: dict[str, list[str]] = {}
    for line in (text or "").split("\n"):
        name, colon, _ = line.partition(":")
        if colon:
            lines.setdefault(name, []).append(line)
    return lines


def edit_line(text: str, name: str, width: int, edit: Callable[[list[str]], list[str]]) -> str:
    """The text with the first line of this name edited, if it has `width` fields."""
    lines = text.split("\n")
    for index, line in enumerate(lines):
        row = line.split(":")
        if row[0] == name and len(row) >= width:
            lines[index] = ":".join(edit(row))
            break
    return "\n".join(lines)


def without(text: Text, name: str) -> Text:
    """The text without the lines of this name; None where there is no such file."""
    if not text:
        return text
    return "".join(
        f"{line}\n" for line in text.removesuffix("\n").split("\n") if line.split(":", 1)[0] != name
    )


def with_administrators(text: str, group: str, names: Sequence[str]) -> str:
    """The text of gshadow in which these administer the group."""
    return edit_line(text, group, 4, lambda row: [*row[:2], ",".join(names), row[3]])
