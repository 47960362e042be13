"""The things that nobody declared, for people: by section, each with what would take it over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from reconciler.render.terminal import Paint, painter, visible


def unmanaged_text(data: Mapping[str, Any], *, colour: bool) -> str:
    """The list as text."""
    paint = painter(colour=colour)
    host = visible(data["host"]["name"] or "this host")
    taken = f", snapshot of {visible(data['basis']['taken'])}" if data["basis"]["kind"] == "snapshot" else ""
    without = "" if data["declared"] else " (no spec: nothing is declared)"
    count = len(data["unmanaged"])
    lines = [f"Unmanaged on {host}{taken}: {count} {'object' if count == 1 else 'objects'}{without}"]
    for section, rows in groupby(data["unmanaged"], key=lambda row: row["section"]):
        lines += ["", paint(section, "bold"), *(line for row in rows for line in _lines(row, paint))]
    if data["unknown"]:
        lines += ["", *(f"unknown  {visible(text)}" for text in data["unknown"])]
    return "\n".join(lines) + "\n"


def _lines(row: Mapping[str, str], paint: Paint) -> Iterator[str]:
    detail = f"  ({visible(row['detail'])})" if row["detail"] else ""
    yield f"  {visible(row['object'])}{detail}"
    yield paint(f"      {visible(row['take_over'])}", "dim")
