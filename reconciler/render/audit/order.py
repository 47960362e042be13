"""The order in which findings are told: the heaviest first, those of one check together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from reconciler.render.audit.schema import SEVERITIES

Row = Mapping[str, Any]


def by_check(rows: Sequence[Row], *statuses: str) -> list[list[Row]]:
    """The rows of these statuses, the heaviest first, in lists of one check each."""
    chosen = [row for row in rows if row["status"] in statuses]
    chosen.sort(key=lambda row: (SEVERITIES.index(row["severity"]), row["id"]))
    return [list(of_check) for _, of_check in groupby(chosen, key=lambda row: row["id"])]


def headline(data: Mapping[str, Any]) -> str:
    """The result in a sentence: the counts by severity and the score."""
    failed = [row for row in data["checks"] if row["status"] == "fail"]
    counts = [
        f"{number} {name}"
        for name in SEVERITIES
        if (number := sum(row["severity"] == name for row in failed))
    ]
    summary = data["summary"]
    score = "no score" if summary["score"] is None else f"score {summary['score']} of 100"
    unknown = summary["not_checked"] + summary["error"]
    return f"{', '.join(counts) or 'no findings'} · {score}" + (
        f" · {unknown} not checked" if unknown else ""
    )


def remedies(group: Sequence[Row]) -> list[str]:
    """The things to do about the findings of one check, each once, in their order."""
    return list(dict.fromkeys(row["remediation"] for row in group))
