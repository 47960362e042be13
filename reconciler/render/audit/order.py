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


def alike(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows that fail, those of one check with the same evidence together, whatever its path."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        key = row["id"], row["evidence"]["actual"], row["evidence"]["expected"]
        groups.setdefault(key, []).append(row)
    return list(groups.values())


def common_path(group: Sequence[Row]) -> str:
    """Where all of these were seen, if that is one place and not the object itself; else empty."""
    paths = {row["evidence"]["path"] for row in group if row["evidence"]["path"] != row["object"]} - {""}
    return paths.pop() if len(paths) == 1 else ""


def by_reason(rows: Sequence[Row]) -> list[tuple[list[str], list[str], str]]:
    """The checks, their objects and the reason of rows without a verdict, those with one reason together."""
    checks: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        checks.setdefault((row["why"], row["object"]), []).append(row["id"])
    objects: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (why, name), ids in checks.items():
        objects.setdefault((why, tuple(ids)), []).append(name)
    return [(list(ids), [name for name in names if name], why) for (why, ids), names in objects.items()]


def spec_words(spec: Mapping[str, Any]) -> str:
    """The place in the spec where a finding is mended, with what is to be there if that is short."""
    path, value = [str(key) for key in spec["path"]], spec["value"]
    if not path:
        names = [f"{kind}.{name}" for kind, section in value.items() for name in section]
        words = " and ".join(names)
    else:
        words = ".".join(path) + (f": {value}" if isinstance(value, str) and "\n" not in value else "")
    return f"{words} ({spec['file']} line {spec['line']})" if spec.get("file") else words
