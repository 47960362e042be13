"""The reports of a run to metrics and to people, as `install` set them up (`--report`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from reconciler.app.apply import Applied
from reconciler.app.audit.history import recorded
from reconciler.app.journald import drifting
from reconciler.app.service.job_health import jobs, unwell
from reconciler.core.changes import Change
from reconciler.core.diagnostic import Diagnostic, errors
from reconciler.core.host import HostError
from reconciler.core.result import Status
from reconciler.formats.reconcile import APPLY, DRIFT, Settings
from reconciler.host.hosts import machine_id, open_host, state_directory, static_hostname
from reconciler.host.process.environment import now
from reconciler.host.state.read import read_memory
from reconciler.host.state.report_files import publish, read_drift, read_report
from reconciler.jobs import report
from reconciler.jobs.report import News, Standing
from reconciler.render.apply import counts, final_line
from reconciler.render.plan.entries import drifted

_MOST_FINDINGS = 2_000
"""Findings that are remembered as told."""
_ACTIONS = {"add": "create", "change": "update", "destroy": "delete", "forget": "forget"}


def report_apply(applied: Applied, code: int) -> list[str]:
    """Report an apply to metrics and to people; the problems of that, in words."""
    result, plan = applied.result, applied.planned.plan
    if applied.busy:
        return []
    ended = now()
    figures: dict[str, Any] = {"last_apply": ended, "spec": plan.spec_commit if plan is not None else ""}
    done: frozenset[Any] = frozenset()
    changes = {}
    if result is not None:
        done = frozenset(result.having(Status.APPLIED))
        figures |= {"seconds": round(result.seconds, 3), "debt": len(result.owed), "held": 0}
        changes = {action: counts(result)[word] for word, action in _ACTIONS.items()}
    bad = code not in (0, 2)
    if not bad:
        figures |= {"last_success": ended, "commit": plan.spec_commit if plan is not None else ""}
    standings = {report.APPLY: Standing(bad, *_how(applied, bad=bad))}
    if plan is not None and result is not None and not bad:
        # An apply that failed says nothing about drift; the next check does.
        not_corrected = [change for change in plan.changes if drifted(change) and change.address not in done]
        figures |= {"drift": _number(not_corrected)}
        standings |= {report.DRIFT: _drift([str(change.address) for change in not_corrected])}
    return _report(News(standings, figures, changes, result.run if result else 0))


def report_unusable(diagnostics: Sequence[Diagnostic]) -> list[str]:
    """Report an apply that could not read its spec; the problems of that, in words."""
    summary = "; ".join(dict.fromkeys(item.summary for item in errors(diagnostics)))
    return _report(
        News({report.APPLY: Standing(bad=True, summary=f"apply failed: {summary}")}, {"last_apply": now()})
    )


def report_drift(data: Mapping[str, Any] | None, problem: str = "") -> list[str]:
    """Report a check for drift; `data` is a plan's public form. The problems of that, in words."""
    return _report(_checked(data, now(), problem))


def report_units() -> list[str]:
    """Report for our units: the record of the drift check, and a unit that failed without a report of its own
    (killed, out of time). The problems of that, in words.
    """
    directory = state_directory(None)
    states = _unit_states()
    data, when = read_drift(directory)
    news = _checked(data, when, states.get(DRIFT, "")) if when or states.get(DRIFT) else News()
    if states.get(APPLY) and not read_report(directory).get("standings", {}).get(report.APPLY, {}).get("bad"):
        # An apply that has reported its failure itself says more.
        failed = Standing(bad=True, summary=f"apply failed: {states[APPLY]}")
        news = News({**news.standings, report.APPLY: failed}, news.figures)
    return _report(news)


def _how(applied: Applied, *, bad: bool) -> tuple[str, list[str]]:
    result = applied.result
    if not bad:
        return "apply works", []
    if result is not None:
        addresses = [
            str(address) for status in (Status.FAILED, Status.SKIPPED) for address in result.having(status)
        ]
        return f"apply failed: {final_line(result)}", addresses
    summaries = list(dict.fromkeys(item.summary for item in errors(applied.planned.diagnostics)))
    return f"apply {'was refused' if applied.planned.refused else 'failed'}: {'; '.join(summaries)}", []


def _number(changes: Sequence[Change]) -> int:
    return len({change.address for change in changes})


def _drift(addresses: Sequence[str]) -> Standing:
    words = (
        f"{len(addresses)} object{'s have' if len(addresses) > 1 else ' has'} changed outside of the spec"
        if addresses
        else ""
    )
    return Standing(bool(addresses), words or "nothing is changed outside of the spec any more", addresses)


def _checked(data: Mapping[str, Any] | None, when: int, problem: str) -> News:
    if data is None or "resource_drift" not in data:
        items = (data or {}).get("diagnostics", ())
        summaries = "; ".join(
            dict.fromkeys(
                str(item.get("summary"))
                for item in items
                if isinstance(item, dict) and item.get("severity") == "error"
            )
        )
        why = summaries or problem or "it printed no result"
        return News({report.CHECK: Standing(bad=True, summary=f"the check for drift failed: {why}")})
    addresses = drifting(data)
    check = Standing(
        bool(problem), f"the check for drift failed: {problem}" if problem else "the check for drift works"
    )
    return News(
        {report.DRIFT: _drift(addresses), report.CHECK: check}, {"drift": len(addresses), "last_check": when}
    )


def _unit_states() -> dict[str, str]:
    """Our units that failed, with systemd's reason; empty where there is no systemd."""
    from reconciler.host.systemd.service_facts import ask

    try:
        facts = ask([f"{name}.service" for name in (APPLY, DRIFT)])
    except HostError:
        return {}
    return {
        name.removesuffix(".service"): f"{name}: {unit_facts.exit or unit_facts.result}"
        for name, unit_facts in facts.items()
        if unit_facts.active == "failed"
    }


def _report(news: News) -> list[str]:
    try:
        chosen = report.settings()
        problems = _publish(chosen)
        return [
            *problems,
            *report.report(
                _with_audit(_with_jobs(news)),
                chosen,
                state_directory(None),
                static_hostname(open_host(None)),
                now(),
            ),
        ]
    except HostError as problem:
        return [str(problem)]


def _with_jobs(news: News) -> News:
    """The news with the health of the host's jobs, where there are some, or were. Raises HostError."""
    directory = state_directory(None)
    rows = jobs(read_memory(directory, machine_id(open_host(None))))
    if not rows and report.JOBS not in read_report(directory).get("standings", {}):
        return news
    bad = unwell(rows)
    summary = "; ".join(f"{row['address']}: {row['reason']}" for row in bad) or "all jobs are well"
    causes = {
        f"{row['address']} {cause}": f"{row['address']}: {row['reason']}"
        for row in bad
        for cause in row["causes"]
    }
    standing = Standing(bool(bad), summary, [row["address"] for row in bad], causes)
    names = ("address", "healthy", "newest_seconds", "max_age_seconds", "figures")
    job_figures = [{name: row[name] for name in names if name in row} for row in rows]
    return News(
        {**news.standings, report.JOBS: standing},
        {**news.figures, "jobs": job_figures},
        news.changes,
        news.run,
    )


def _with_audit(news: News) -> News:
    """The news with the last recorded audit, where there is one: its figures, and the findings that count."""
    from reconciler.audit.policy import policy_of

    try:
        record = recorded()
    except HostError:  # told by the health of the job
        record = None
    if record is None or not record.history:
        return news
    rules = policy_of(None, open_host(None))
    counting = [f"{name} {item}".strip() for name, item in _counting(record.findings, rules.fail_on)]
    summary = f"{len(counting)} {'finding' if len(counting) == 1 else 'findings'} of the audit"
    standing = Standing(bool(counting), summary, counting, dict(zip(counting, counting, strict=True)))
    last = record.history[-1]
    today = datetime.fromtimestamp(now(), UTC).date().isoformat()
    figures = {
        "findings": {name: last[name] for name in ("critical", "high", "medium", "low")},
        "time": int(datetime.fromisoformat(record.time).timestamp()),
        "score": last["score"],
        "not_checked": last["not_checked"],
        "expired": sum(waiver.until < today for waiver in rules.waivers),
    }
    standings = {**news.standings, report.AUDIT: standing}
    return replace(news, standings=standings, figures={**news.figures, "audit": figures})


def _counting(findings: Sequence[tuple[str, str]], fail_on: str) -> list[tuple[str, str]]:
    """The findings that are as heavy as `fail_on`, or heavier; one of a check that is no more is left out."""
    from reconciler.audit.model import Severity
    from reconciler.audit.registry import checks

    threshold = Severity(fail_on)
    heavy = {name for name, check in checks().items() if check.severity.reaches(threshold)}
    return [finding for finding in findings if finding[0] in heavy][:_MOST_FINDINGS]


def _publish(chosen: Settings) -> list[str]:
    """Write a snapshot of the host's facts to the file from which somebody fetches it."""
    if not chosen.snapshot:
        return []
    import json

    from reconciler.app.snapshot import take_snapshot

    try:
        snapshot = take_snapshot(None, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        publish(chosen.snapshot, (json.dumps(snapshot) + "\n").encode(), 0o600)
    except HostError as problem:
        return [f"no snapshot: {problem}"]
    return []
