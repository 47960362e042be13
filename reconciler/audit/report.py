"""The public form of a report (schemas/audit.schema.json): every output is made from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from reconciler.audit.model import Report, Result, Snippet, Status
from reconciler.audit.registry import area_title

FORMAT_VERSION = "1.0"


def report_data(report: Report) -> dict[str, Any]:
    """The report as JSON-able data."""
    return {
        "format_version": FORMAT_VERSION,
        "host": {"name": report.host},
        "basis": dict(report.basis),
        "time": report.now,
        "checks": [_row(result) for result in report.results],
        "notices": list(report.notices),
        "since": None,
        "summary": _summary(report),
    }


def score(results: Iterable[Result]) -> int | None:
    """The weight of what passes, in percent of what passes or fails; None where nothing does either.

    A check counts once, however many objects fail.
    """
    statuses: dict[str, tuple[int, bool]] = {}
    for result in results:
        if result.status in (Status.PASS, Status.FAIL):
            _, is_good = statuses.get(result.check.id, (0, True))
            statuses[result.check.id] = (
                result.check.severity.weight,
                is_good and result.status is Status.PASS,
            )
    total = sum(weight for weight, _ in statuses.values())
    # Rounded down: 100 means that nothing fails.
    return 100 * sum(weight for weight, is_good in statuses.values() if is_good) // total if total else None


def is_complete(report: Report) -> bool:
    """Whether every check has an answer."""
    return not any(result.status in (Status.NOT_CHECKED, Status.ERROR) for result in report.results)


def has_findings(report: Report) -> bool:
    """Whether something fails that is as heavy as `fail_on`, or heavier."""
    return any(
        result.status is Status.FAIL and result.check.severity.reaches(report.fail_on)
        for result in report.results
    )


def _row(result: Result) -> dict[str, Any]:
    check = result.check
    return {
        "id": check.id,
        "area": check.area,
        "area_title": area_title(check.area),
        "severity": str(check.severity),
        "status": str(result.status),
        "object": result.object,
        "evidence": {
            "path": result.path or (result.object if result.object.startswith("/") else ""),
            "expected": result.expected,
            "actual": result.actual,
        },
        "why": result.why,
        "title": check.title,
        "rationale": check.rationale,
        "remediation": result.remediation,
        "check_remediation": check.remediation,
        "until": result.until,
        "cis": list(check.cis),
        "spec": _spec(result.spec),
    }


def _spec(snippet: Snippet | None) -> dict[str, Any] | None:
    if snippet is None:
        return None
    place = {"file": snippet.file, "line": snippet.line} if snippet.file else {}
    return {"path": list(snippet.path), "value": snippet.value, **place}


def _summary(report: Report) -> dict[str, Any]:
    counts = Counter(result.status for result in report.results)
    return {
        "score": score(report.results),
        "fail_on": str(report.fail_on),
        "findings": has_findings(report),
        "complete": is_complete(report),
        "checks": len({result.check.id for result in report.results}),
        **{str(status).replace("-", "_"): counts.get(status, 0) for status in Status},
    }
