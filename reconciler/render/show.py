"""A past run, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from reconciler.core.revision import short_of
from reconciler.render.plan.phrases import action_words, attribute_words
from reconciler.render.terminal import count, visible

_LOGINS = ("ssh.service", "sshd.service", "getty@tty1.service", "console-getty.service", "user@0.service")
"""Services in which people are logged in, where no session has a scope of its own."""
_MARKS = {
    "done": "done",
    "failed": "FAILED",
    "skipped": "skipped",
    "started": "begun",
    "planned": "not begun",
}


def run_text(run: Mapping[str, Any]) -> str:
    """One run with its steps: when, what, and how each step ended."""
    lines = [
        f"Run {run['run']}: {run['status']}",
        f"  host     {visible(run['host'])}",
        f"  began    {time_text(run['started'])}",
        f"  ended    {time_text(run['ended'])}",
        f"  spec     {short_of(run) or run['spec_digest'][:19]}",
        f"  version  {run['tool']}",
        *([f"  by       {visible(by)}"] if (by := by_text(run.get("by"))) else []),
        *([f"  undid    run {run['undoes']}"] if run.get("undoes") else []),
        *([f"  undone   by run {run['undone_by']}"] if run.get("undone_by") else []),
        "",
    ]
    for step in run["steps"]:
        owed = " (owed, not done)" if step["action"].get("held") else ""
        head, *journal = _reasons(step["detail"])
        detail = f": {head}" if head else ""
        lines.append(f"  {_MARKS[step['state']]:>9}  {visible(action_words(step['action']))}{owed}{detail}")
        lines += [f"             {line}" for line in journal]
        lines += [
            f"             kept {visible(words)}"
            for replaced in step.get("replaced", ())
            if (words := _replaced_words(replaced))
        ]
    return "\n".join(lines) + "\n"


def _reasons(detail: str) -> list[str]:
    """The lines of a step's detail: the reason, each line of the journal, then those of the next unit."""
    lines: list[str] = []
    for part in detail.split("; "):
        words = part.removeprefix("journal: ").split(" | ") if part.startswith("journal: ") else [part]
        lines += words
    if "; journal: " not in detail:
        return [visible(detail)]
    return [visible(line) for line in lines]


def _replaced_words(entry: Mapping[str, Any]) -> str:
    """The file or entry that a rollback would put back, without its content; empty where there was none."""
    if entry["type"] is None:
        return ""
    if entry["type"] == "other":
        database, _, name = entry["path"].partition(":")
        return f"what the account files said of {database} {name}"
    if entry["type"] == "link":
        return f"the link {entry['path']} -> {entry['target']}"
    size = f", {count(entry['size'], 'byte')}" if "size" in entry else ""
    attributes = attribute_words(entry["attributes"])
    access = f"{entry['mode']} {entry['owner']}:{entry['group']}"
    return f"the {entry['type']} {entry['path']}: {access}{size}{attributes}"


def history_text(runs: Sequence[Mapping[str, Any]]) -> str:
    """A table with a row for each run: number, time, length, result, objects by outcome, commit, person."""
    if not runs:
        return "There was no apply here yet.\n"
    rows = [("RUN", "BEGAN", "TOOK", "RESULT", "OBJECTS", "SPEC", "BY")]
    rows += [
        (
            str(run["run"]),
            time_text(run["started"]),
            f"{run['seconds']} s" if run["seconds"] is not None else "-",
            run["status"] + (f" (undid {run['undoes']})" if run["undoes"] else ""),
            ", ".join(f"{number} {visible(name)}" for name, number in run["counts"].items()) or "-",
            short_of(run) or "-",
            visible(by_text(run["by"])) or "-",
        )
        for run in runs
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n"
        for row in rows
    )


def by_text(by: Mapping[str, str] | None) -> str:
    """Who began a run: the service that did, or the person."""
    who = by or {}
    unit = who.get("unit", "")
    return unit if unit.endswith(".service") and unit not in _LOGINS else who.get("user", "")


def time_text(seconds: int | None) -> str:
    """A moment, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if seconds else "-"
