"""Backups in the comment on a pull request: a line of the jobs at risk at its top, one for each new job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.render.markdown_text import code
from reconciler.render.plan.phrases import run_words, zone_words

Data = Mapping[str, Any]

_RISKS = frozenset(
    (
        *("not-backed-up", "archives-go", "archives-left", "fewer-copies", "not-encrypted"),
        *("gone-at-boot", "keeps-less", "comes-rarely"),
    )
)
"""The rules of the diagnostics by which a backup is worth less than before."""
_NAMED = 8
"""Jobs and paths that a line names; the others are counted."""


def risk_line(diagnostics: Sequence[Data]) -> list[str]:
    """The line that names the jobs at risk; none if there is none."""
    addresses = dict.fromkeys(
        str(row["address"])
        for row in diagnostics
        if row.get("rule") in _RISKS and str(row["address"]).startswith("backups.")
    )
    return [f"### :warning: Backups at risk: {_listed([*addresses])}"] if addresses else []


def new_jobs(data: Data) -> list[str]:
    """A line for each new job: what it backs up where, its first run, and what is kept."""
    schedules = {row["address"]: row for row in data.get("schedule", ())}
    return [
        _line(entry["change"]["after"]["job"], f"backups.{entry['name']}", schedules)
        for entry in data["resource_changes"]
        if entry["type"] == "backups" and entry["part"] == "config" and _is_new(entry)
    ]


def _is_new(entry: Data) -> bool:
    if entry["blocked"] or entry.get("held"):
        return False
    change = entry["change"]
    return (
        change["actions"] == ["create"] and isinstance(change["after"], Mapping) and "job" in change["after"]
    )


def _line(job: Data, address: str, schedules: Mapping[str, Data]) -> str:
    places = [
        str(item.get("url", "")) if isinstance(item, Mapping) else str(item) for item in job["destinations"]
    ]
    rules = ", ".join(f"{rule} {count}" for rule, count in job["keep"].items()) or "everything"
    return (
        f"* {code(address)} {_listed(job['sources'])} → {_listed(places)},"
        f" {_first_run(schedules.get(address))}, keeps {code(rules)}"
    )


def _first_run(row: Data | None) -> str:
    runs = (row["after"]["runs"] or []) if row is not None else []
    return (
        f"first {code(run_words(runs[0]))} ({code(zone_words(row))})" if row and runs else "no run is known"
    )


def _listed(texts: Sequence[Any]) -> str:
    more = f" and {len(texts) - _NAMED} more" if texts[_NAMED:] else ""
    return ", ".join(code(str(text)) for text in texts[:_NAMED]) + more
