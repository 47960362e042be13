"""An audit's report for people: what fails, grouped by area, then what to do first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from reconciler.render.audit.schema import SEVERITIES
from reconciler.render.terminal import Paint, count, painter, visible

Row = Mapping[str, Any]

_COLOURS = {"critical": "red", "high": "red", "medium": "yellow", "low": "cyan"}
_MOST_CHANGES = 10
"""How many findings that are new, and how many that are gone, are named."""
_FIRST = 3
"""How many things to do are named at the end."""


def audit_text(data: Mapping[str, Any], *, colour: bool) -> str:
    """The report as text."""
    paint = painter(colour=colour)
    rows: Sequence[Row] = data["checks"]
    lines = [f"Audit of {visible(data['host']['name'] or 'this host')}{_taken(data['basis'])}", ""]
    for area, of_area in groupby(rows, key=lambda row: row["area"]):
        lines += _area(area, list(of_area), paint)
    lines += [*_first(rows, paint), *_since(data["since"]), *_notices(data["notices"], paint)]
    lines += _summary(data["summary"])
    return "\n".join(lines) + "\n"


def _taken(basis: Mapping[str, Any]) -> str:
    return f", from a snapshot of {visible(basis['taken'])}" if basis["kind"] == "snapshot" else ""


def _area(area: str, rows: Sequence[Row], paint: Paint) -> Iterator[str]:
    """The heading of an area and what is to be told of it; one line where all is well."""
    passed = sum(row["status"] == "pass" for row in rows)
    told = [row for row in rows if row["status"] not in ("pass", "not-applicable")]
    yield f"{paint(area, 'bold')}  {passed} passed" + ("" if told else ", nothing else to tell")
    for row in sorted(told, key=_rank):
        yield from _told(row, paint)
    if told:
        yield ""


def _told(row: Row, paint: Paint) -> Iterator[str]:
    where = f"  {visible(row['object'])}" if row["object"] else ""
    if row["status"] == "fail":
        severity = paint(f"{row['severity']:<8}", _COLOURS[row["severity"]])  # escape codes have no width
        yield f"  {severity}  {row['id']}{where}"
        evidence = row["evidence"]
        seen = evidence["path"] if evidence["path"] != row["object"] else ""
        yield f"            {visible(evidence['actual'])}, expected {visible(evidence['expected'])}" + (
            f"  ({visible(seen)})" if seen else ""
        )
    else:
        yield f"  {row['status']}  {row['id']}{where}: {visible(row['why'])}"


def _first(rows: Sequence[Row], paint: Paint) -> Iterator[str]:
    """The things to do first: the heaviest findings, each thing to do once."""
    failed = sorted((row for row in rows if row["status"] == "fail"), key=_rank)
    remedies = dict.fromkeys((row["id"], row["remediation"]) for row in failed)
    if remedies:
        yield ""
        yield paint("First:", "bold")
    for number, (name, remedy) in enumerate(list(remedies)[:_FIRST], 1):
        yield f"  {number}. {name}: {visible(remedy)}"
    if remedies:
        yield ""


def _since(since: Mapping[str, Any] | None) -> Iterator[str]:
    """The findings that are new or gone since the recorded audit."""
    if since is None:
        return
    new, fixed = since["new"], since["fixed"]
    yield f"Since {since['time']}: {len(new)} new, {len(fixed)} fixed, {since['still']} still there."
    for sign, findings in (("+", new), ("-", fixed)):
        for finding in findings[:_MOST_CHANGES]:
            yield f"  {sign} {finding['id']}  {visible(finding['object'])}"
        if len(findings) > _MOST_CHANGES:
            yield f"  {sign} {len(findings) - _MOST_CHANGES} more"


def _notices(notices: Sequence[str], paint: Paint) -> Iterator[str]:
    for notice in notices:
        yield f"{paint('note', 'yellow')}: {visible(notice)}"


def _summary(summary: Mapping[str, Any]) -> Iterator[str]:
    score = "no score" if summary["score"] is None else f"score {summary['score']} of 100"
    yield (
        f"{count(summary['checks'], 'check')}: {score}, {summary['pass']} passed,"
        f" {count(summary['fail'], 'finding')}, {summary['waived']} waived,"
        f" {summary['not_applicable']} not applicable, {summary['not_checked']} not checked"
        + (f", {count(summary['error'], 'error')}" if summary["error"] else "")
        + "."
    )


def _rank(row: Row) -> tuple[bool, int]:
    return row["status"] != "fail", SEVERITIES.index(row["severity"])
