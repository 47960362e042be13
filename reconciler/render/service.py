"""Services for people, from the rows that --json prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from reconciler.render.plan.phrases import hold_words
from reconciler.render.plan.phrases import moment as minute
from reconciler.render.terminal import Paint, columns, count, pad, painter, visible

_UNITS = ("B", "K", "M", "G", "T")
_TITLES = ("NAME", "STATE", "ENABLED", "PID", "MEMORY", "SINCE", "NOTES")
_COLOURS = {"active": "green", "failed": "red", "not installed": "red", "unknown": "yellow"}


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
        cells[-1] = paint(line[-1], "yellow" if line is not table[0] else "")
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    pid, memory = str(row["pid"] or "-"), size(row["memory"])
    notes = ", ".join(_notes(row))
    return (
        visible(row["name"]),
        _state(row),
        visible(row["enabled"]) or "-",
        pid,
        memory,
        moment(row["since"]),
        notes,
    )


def _notes(row: Mapping[str, Any]) -> list[str]:
    held = row.get("held")
    notes = (
        (row["masked"], "masked"),
        (row.get("drifted"), "drifted"),
        (row.get("older"), "older configuration"),
        (held, f"held until {minute(held['until'])}" if held else ""),
    )
    return [words for holds, words in notes if holds]


def _state(row: Mapping[str, Any]) -> str:
    if not row["installed"] and not row["pid"]:
        return "not installed"
    return visible(f"{row['state']} ({row['sub']})") if row["healthy"] is not None else "unknown"


def service_text(row: Mapping[str, Any], *, colour: bool) -> str:
    """One service at length, like systemctl status, with its plan, journal and next commands if the row has
    them.
    """
    paint = painter(colour=colour)
    name, state = visible(row["unit"]), _state(row)
    description = f" - {visible(row['description'])}" if row["description"] else ""
    lines = [
        f"{paint(name, 'bold')}{description}",
        f"    state     {paint(state, _COLOURS.get(state.split(' (')[0], ''))}",
    ]
    exposure, drops = row.get("exposure"), [*row["drop_ins"]]
    others = [path for path in drops if not path.endswith("/50-reconciler.conf")]
    facts = {
        "since": moment(row["since"]) if row["since"] else "",
        "enabled": visible(row["enabled"]),
        "declared": "" if row["declared"] else "no, it is not in the spec",
        "unit file": (
            visible(row["path"])
            or ("gone; what was started with it runs on" if row["pid"] and not row["installed"] else "")
        ),
        "drop-ins": visible(", ".join(f"{path} (not ours)" if path in others else path for path in drops)),
        "main pid": str(row["pid"] or ""),
        "memory": size(row["memory"]) if row["memory"] else "",
        "tasks": str(row["tasks"] or ""),
        "restarts": str(row["restarts"] or ""),
        "health": visible(row["reason"]) or "good",
        "exposure": f"{exposure['score']} {exposure['level']}" if exposure else "",
        "drift": _drift(row),
        "blocked": visible(row.get("blocked") or ""),
        "older": visible(
            "; ".join(f"runs with older configuration: {why}" for why in row.get("older") or ())
        ),
        "hold": hold_words(row["held"]) if row.get("held") else "",
        "note": (
            "the unit file has changed since systemd read it (daemon-reload)"
            if row["needs_daemon_reload"]
            else ""
        ),
    }
    lines += [f"    {title:<9} {value}" for title, value in facts.items() if value]
    for title, texts in (("journal", row.get("journal")), ("next", row.get("next"))):
        lines += ["", f"    {title}", *(f"      {visible(text)}" for text in texts)] if texts else []
    return "\n".join(lines) + "\n"


def _drift(row: Mapping[str, Any]) -> str:
    if row.get("ledger_unreadable"):
        return visible(f"not known, the ledger cannot be read: {row['ledger_unreadable']}")
    if row.get("blocked"):
        return "the spec is not applied"
    if row.get("drifted"):
        return "changed on the host outside of the spec"
    return "the spec is not applied yet" if row.get("pending") and row["installed"] else ""


def health_text(
    rows: Sequence[Mapping[str, Any]], jobs: Sequence[Mapping[str, Any]] = (), *, colour: bool
) -> str:
    """The services and jobs that were healed or are not well, each with its reason, and the counts."""
    paint = painter(colour=colour)
    lines = [line for row in rows for line in _health_lines(row, paint)]
    lines += [line for row in jobs if not row["healthy"] for line in _job_lines(row, paint)]
    well = sum(1 for row in rows if row["healthy"])
    of_jobs = (
        f" {sum(1 for row in jobs if row['healthy'])} of {count(len(jobs), 'job')} healthy." if jobs else ""
    )
    return "\n".join([*lines, f"{well} of {len(rows)} healthy.{of_jobs}"]) + "\n"


def _job_lines(row: Mapping[str, Any], paint: Paint) -> list[str]:
    sign = paint("x", "red") if row["healthy"] is False else paint("?", "yellow")
    return [
        f"{sign} {visible(row['address'])}: {visible(row['reason'])}",
        f"    next: {visible(row['next'])}",
    ]


def _health_lines(row: Mapping[str, Any], paint: Paint) -> list[str]:
    healing = row.get("healing")
    starts = f"after {count(healing['starts'], 'start')}" if healing else ""
    if row["healthy"]:
        return [f"{paint('+', 'green')} {visible(row['name'])}: up again {starts}"] if starts else []
    sign = paint("x", "red") if row["healthy"] is False else paint("?", "yellow")
    lines = [f"{sign} {visible(row['name'])}: {visible(row['reason'])}"]
    if healing:
        outcomes = {"left": f"left alone: {healing['why']}", "failed": f"it does not stay up {starts}"}
        lines.append(
            f"    {visible(outcomes.get(healing['outcome'], f'it was up {starts}, and is not any more'))}"
        )
    elif row.get("held"):
        lines.append(f"    {hold_words(row['held'])}")
    return lines


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
