"""The record of scheduled audits: what the last one found, and the counts of those before it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.core.basics.frozen import frozen

FORMAT = 1
_KEPT = 60
"""Runs in the history: more than a year of weekly ones."""


class NotARecord(Exception):
    """The text is no record of this version. The message says why."""


@frozen
class Record:
    """The record of audits."""

    time: str
    """The time of the last one, UTC in the form of RFC 3339."""
    findings: tuple[tuple[str, str], ...]
    """The findings of it: the id of the check and the object."""
    history: tuple[Mapping[str, Any], ...]
    """Time, score and counts of each run, the oldest first; the last one is in it."""


def findings_of(report: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The findings of a report (`audit.report.report_data`)."""
    return tuple((row["id"], row["object"]) for row in report["checks"] if row["status"] == "fail")


def after(earlier: Record | None, report: Mapping[str, Any]) -> Record:
    """The record with one run more."""
    summary = report["summary"]
    counts = {name: summary[name] for name in ("score", "fail", "waived", "not_checked", "error")}
    severities = [row["severity"] for row in report["checks"] if row["status"] == "fail"]
    by_severity = {name: severities.count(name) for name in ("critical", "high", "medium", "low")}
    run = {"time": report["time"], **counts, **by_severity}
    history = (*(earlier.history if earlier else ()), run)[-_KEPT:]
    return Record(report["time"], findings_of(report), history)


def since(earlier: Record | None, findings: Sequence[tuple[str, str]]) -> dict[str, Any] | None:
    """The findings that are new or gone since the recorded run, as JSON-able data; None without one."""
    if earlier is None:
        return None
    before, now = set(earlier.findings), set(findings)
    return {
        "time": earlier.time,
        "new": [{"id": name, "object": item} for name, item in findings if (name, item) not in before],
        "fixed": [{"id": name, "object": item} for name, item in earlier.findings if (name, item) not in now],
        "still": len(before & now),
    }


def render(record: Record) -> bytes:
    """The file of the record."""
    data = {
        "format": FORMAT,
        "time": record.time,
        "findings": [list(finding) for finding in record.findings],
        "history": [dict(run) for run in record.history],
    }
    return (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode()


def parse(content: bytes) -> Record:
    """The record in the file. Raises NotARecord."""
    try:
        data = json.loads(content)
        if data["format"] != FORMAT:
            raise NotARecord("another version wrote it")
        findings = tuple((str(name), str(item)) for name, item in data["findings"])
        return Record(str(data["time"]), findings, tuple(dict(run) for run in data["history"]))
    except (KeyError, TypeError, ValueError, RecursionError, UnicodeDecodeError) as problem:
        raise NotARecord("it is not as `reconciler audit --record` writes it") from problem
