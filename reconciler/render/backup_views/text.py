"""The list of archives for people, from the rows of `backup list --json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.render.terminal import visible

_VERIFIED = {True: "verified", False: "BAD", None: "not verified"}
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def archives_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """One line per archive, the oldest first."""
    if not rows:
        return "There is no archive yet.\n"
    lines = [_line(row) for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in lines
    )


def _line(row: Mapping[str, Any]) -> tuple[str, ...]:
    where = ", ".join(visible(path) for path in row["destinations"])
    state = "shrank, not accepted" if row.get("doubt") and row["verified"] else _VERIFIED[row["verified"]]
    return visible(row["job"]), row["id"], visible(row["kind"]), size(row["bytes"]), state, where


def size(count: int) -> str:
    """`1.5 GiB`."""
    amount, unit = float(count), 0
    while amount >= 1024 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{count} B" if unit == 0 else f"{amount:.1f} {_UNITS[unit]}"
