"""An audit's report as a comment for a pull request: the heaviest findings first, the rest folded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.render.audit.order import by_check, headline, remedies
from reconciler.render.markdown_text import capped, code, folded, host_name, marker

Row = Mapping[str, Any]

_BUDGET = 45_000
"""Bytes of the findings: a comment has 60,000 at most."""
_FOLDED_BUDGET = 8_000
_MOST_OBJECTS = 20


def audit_markdown(data: Mapping[str, Any]) -> str:
    """The comment."""
    rows: Sequence[Row] = data["checks"]
    host = data["host"]["name"] or "this host"
    lines = [marker("audit", host, "audit"), f"### Audit of {host_name(host)}: {headline(data)}", ""]
    findings = [line for group in by_check(rows, "fail") for line in _finding(group)]
    lines += capped(findings, _BUDGET, "… and {} more lines")
    lines += _since(data["since"])
    lines += [f"- {code(notice, 500)}" for notice in data["notices"][:_MOST_OBJECTS]]
    for title, statuses in (("Waived", ("waived",)), ("Not checked", ("not-checked", "error"))):
        reasons = [_reason(row) for group in by_check(rows, *statuses) for row in group]
        if reasons:
            lines += [
                "",
                *folded(f"{title}: {len(reasons)}", capped(reasons, _FOLDED_BUDGET, "… and {} more")),
            ]
    return "\n".join(lines).rstrip() + "\n"


def _finding(group: Sequence[Row]) -> Iterator[str]:
    """The rows of one check: the state that is wanted, the objects, then each thing to do once."""
    first = group[0]
    yield f"- **{first['severity']}** {code(first['id'])}: wanted: {code(first['title'])}"
    for row in group[:_MOST_OBJECTS]:
        evidence = row["evidence"]
        yield (
            f"  - {code(row['object'] or row['id'])}: {code(evidence['actual'])},"
            f" expected {code(evidence['expected'])}"
        )
    if len(group) > _MOST_OBJECTS:
        yield f"  - and {len(group) - _MOST_OBJECTS} more"
    yield from (f"  - To do: {code(remedy, 600)}" for remedy in remedies(group)[:_MOST_OBJECTS])


def _since(since: Mapping[str, Any] | None) -> Iterator[str]:
    if since is not None:
        yield ""
        yield (
            f"Since {since['time']}: {len(since['new'])} new, {len(since['fixed'])} fixed,"
            f" {since['still']} still there."
        )


def _reason(row: Row) -> str:
    where = f" {code(row['object'])}" if row["object"] else ""
    return f"- {code(row['id'])}{where}: {code(row['why'])}"
