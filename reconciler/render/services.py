"""Services, for people. Fed by the rows that --json prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from reconciler.render.term import columns, pad, painter, visible

_UNITS = ("B", "K", "M", "G", "T")
_TITLES = ("NAME", "STATE", "ENABLED", "PID", "MEMORY", "SINCE")
_COLOURS = {"active": "green", "failed": "red", "not installed": "red"}


def services_text(rows: Sequence[Mapping[str, Any]], *, colour: bool) -> str:
    """A table: one line each."""
    if not rows:
        return "No services.\n"
    table = [_TITLES, *(_cells(row) for row in rows)]
    widths = [max(columns(line[index]) for line in table) for index in range(len(_TITLES))]
    paint = painter(colour=colour)
    lines = []
    for line in table:
        cells = [pad(cell, width) for cell, width in zip(line, widths, strict=True)]
        cells[1] = paint(cells[1], _COLOURS.get(line[1].split(" (")[0], ""))
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    pid, memory = str(row["pid"] or "-"), size(row["memory"])
    return (visible(row["name"]), _state(row), visible(row["enabled"]) or "-", pid, memory, moment(row["since"]))


def _state(row: Mapping[str, Any]) -> str:
    if not row["installed"]:
        return "not installed"
    return visible(f"{row['state']} ({row['sub']})")


def service_text(row: Mapping[str, Any], *, colour: bool) -> str:
    """One service at length, as systemctl status has it."""
    paint = painter(colour=colour)
    name, state = visible(row["unit"]), _state(row)
    said = f" - {visible(row['description'])}" if row["description"] else ""
    lines = [f"{paint(name, 'bold')}{said}", f"    state     {paint(state, _COLOURS.get(state.split(' (')[0], ''))}"]
    rest = {
        "since": moment(row["since"]) if row["since"] else "",
        "enabled": visible(row["enabled"]),
        "declared": "" if row["declared"] else "no, it is not in the spec",
        "unit file": visible(row["path"]),
        "drop-ins": visible(", ".join(row["drop_ins"])),
        "main pid": str(row["pid"] or ""),
        "memory": size(row["memory"]) if row["memory"] else "",
        "tasks": str(row["tasks"] or ""),
        "restarts": str(row["restarts"] or ""),
        "health": visible(row["reason"]) or "good",
        "note": "the unit file has changed since systemd read it (daemon-reload)" if row["needs_daemon_reload"] else "",
    }
    return "\n".join([*lines, *(f"    {title:<9} {value}" for title, value in rest.items() if value)]) + "\n"


def health_text(rows: Sequence[Mapping[str, Any]], *, colour: bool) -> str:
    """What is not well, or that all is."""
    paint = painter(colour=colour)
    bad = [row for row in rows if not row["healthy"]]
    lines = [f"{paint('x', 'red')} {visible(row['name'])}: {visible(row['reason'])}" for row in bad]
    well = len(rows) - len(bad)
    return "\n".join([*lines, f"{well} of {len(rows)} healthy."]) + "\n"


def size(number: int | None) -> str:
    """Bytes with a unit: 12.3M."""
    if not number:
        return "-"
    value, step = float(number), 0
    while value >= 1024 and step < len(_UNITS) - 1:
        value, step = value / 1024, step + 1
    return f"{value:.0f}B" if step == 0 else f"{value:.1f}{_UNITS[step]}"


def moment(seconds: int | None) -> str:
    """A time in UTC, `-` for none."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if seconds else "-"
