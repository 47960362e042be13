"""An audit's report as JUnit XML, which CI servers read: a suite for each area, a case for each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from reconciler.render.terminal import visible

Row = Mapping[str, Any]

_SKIPPED = ("waived", "not-applicable", "not-checked")


def junit(data: Mapping[str, Any]) -> str:
    """The document. A row that is waived, not applicable or not checked is skipped, with the reason."""
    rows: Sequence[Row] = data["checks"]
    host = visible(data["host"]["name"] or "host")
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        # Jenkins knows no number of skipped ones here, and refuses an attribute that it does not know.
        f"<testsuites name={_quoted(f'Audit of {host}')}{_counts(rows, 'tests', 'failures', 'errors')}>",
    ]
    for area, of_area in groupby(rows, key=lambda row: row["area"]):
        suite = list(of_area)
        head = f"name={_quoted(area)} hostname={_quoted(host)} timestamp={_quoted(data['time'].rstrip('Z'))}"
        lines += [f"  <testsuite {head}{_counts(suite)}>", *map(_case, suite), "  </testsuite>"]
    return "\n".join([*lines, "</testsuites>"]) + "\n"


def _counts(rows: Sequence[Row], *names: str) -> str:
    """The numbers of rows as attributes, all of them or those of these names."""
    statuses = [row["status"] for row in rows]
    counts = {
        "tests": len(rows),
        "failures": statuses.count("fail"),
        "errors": statuses.count("error"),
        "skipped": sum(statuses.count(status) for status in _SKIPPED),
    }
    return "".join(f' {name}="{counts[name]}"' for name in names or counts)


def _case(row: Row) -> str:
    name = f"{row['id']} {row['object']}" if row["object"] else row["id"]
    head = f"    <testcase classname={_quoted(row['area'])} name={_quoted(name)}"
    inside = _inside(row)
    return f"{head}>{inside}</testcase>" if inside else f"{head}/>"


def _inside(row: Row) -> str:
    status = row["status"]
    if status == "fail":
        evidence = row["evidence"]
        text = f"{evidence['actual']}, expected {evidence['expected']}"
        head = f"<failure type={_quoted(row['severity'])} message={_quoted(text)}>"
        return f"{head}{_plain(row['remediation'])}</failure>"
    if status == "error":
        return f"<error message={_quoted(row['why'])}/>"
    return f"<skipped message={_quoted(status + ': ' + row['why'])}/>" if status in _SKIPPED else ""


def _plain(text: str) -> str:
    return escape(visible(text))


def _quoted(text: str) -> str:
    return quoteattr(visible(text))
