"""Reporting: figures for Prometheus, and messages to targets when a state changes, and only then.

Four subjects have a state: the apply (fails or not), the drift (there is some or not), the check for drift
(fails or not), and the jobs. For each target it is remembered which state of each subject it was told last:
one that could not be reached is told at the next report, and none is told twice. The state of the jobs is the
set of their causes: a second job that is not well, or a second cause, is news, as is each job that is well
again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

from reconciler.core.basics.digest import digest
from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError
from reconciler.formats import prometheus, reconcile
from reconciler.formats.prometheus import Metric
from reconciler.formats.reconcile import Settings
from reconciler.host.archives.private_directory import Directory, Refused
from reconciler.host.notify import deliver
from reconciler.host.state.report_files import publish, read_report, report_lock, write_report
from reconciler.render.service_health import job_metrics

FORMAT = 1
APPLY, DRIFT, CHECK, JOBS, AUDIT = "apply", "drift", "drift-check", "jobs", "audit"
_EVENTS = {
    APPLY: ("failing", "recovered"),
    DRIFT: ("drift", "drift_gone"),
    CHECK: ("drift_check_failing", "drift_check_recovered"),
    JOBS: ("job_failing", "job_recovered"),
    AUDIT: ("audit_findings", "audit_findings_gone"),
}
_HINTS = {
    APPLY: "On the host: journalctl -u reconciler-apply, reconciler status",
    DRIFT: "On the host: reconciler drift. The next apply puts it back, unless the spec says otherwise.",
    CHECK: "On the host: journalctl -u reconciler-drift",
    JOBS: "On the host: reconciler doctor",
    AUDIT: "On the host: reconciler audit",
}
_MOST = 50
"""Addresses in one message."""
_LONGEST = 500
"""Characters of a summary that are kept."""


@frozen
class Standing:
    """The state of one subject: `bad` or not, in words, and the addresses that it is about."""

    bad: bool
    summary: str
    addresses: Sequence[str] = ()
    causes: Mapping[str, str] = field(default_factory=dict)
    """The reasons of jobs: each job and cause (`backups.data late /backup`) with the words for it."""


@frozen
class News:
    """The findings of one run."""

    standings: Mapping[str, Standing] = field(default_factory=dict)
    """The states of the subjects that it looked at."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """Figures that replace the earlier ones: seconds since the epoch, seconds, numbers."""
    changes: Mapping[str, int] = field(default_factory=dict)
    """The number of changes by action, which are added to the earlier ones."""
    run: int = 0


def settings(path: str = reconcile.PATH) -> Settings:
    """The settings that `install` wrote down.

    They say what runs as root, so nobody else may be able to write them. Raises HostError.
    """
    directory, _, name = path.rpartition("/")
    try:
        with Directory(directory) as opened:
            content = opened.read(name)
        return reconcile.parse(content.decode("utf-8", "replace"))
    except Refused as problem:
        raise HostError(
            "nothing is reported", f"{problem.detail}. `reconciler install` writes it"
        ) from problem
    except reconcile.NotSettings as problem:
        raise HostError("nothing is reported", f"{path}: {problem}") from problem


def report(news: News, chosen: Settings, directory: str, host: str, now: int) -> list[str]:
    """Record the news, write the figures and notify the targets; return the problems in words.

    Raises HostError when nothing can be recorded.
    """
    problems: list[str] = []
    with report_lock(directory):
        record = _merged(read_report(directory), news, now)
        write_report(directory, record)
        if chosen.metrics:
            try:
                publish(chosen.metrics, prometheus.render(_metrics(record["figures"])).encode())
            except HostError as problem:
                problems.append(str(problem))
        told_by_target = {
            _name(target): dict(record["told"].get(_name(target), {})) for target in chosen.notify
        }
        for target in chosen.notify:
            problems += _tell(target, told_by_target[_name(target)], record, host, now)
        if told_by_target != record["told"]:
            write_report(directory, {**record, "told": told_by_target})
    return problems


def _merged(before: Mapping[str, Any], news: News, now: int) -> dict[str, Any]:
    if before.get("format") != FORMAT:
        before = {}
    standings = dict(before.get("standings", {}))
    for subject, standing in news.standings.items():
        same = bool(standings.get(subject, {}).get("bad")) is standing.bad
        since = standings.get(subject, {}).get("since", now) if same else now
        addresses = list(standing.addresses[:_MOST])
        summary = standing.summary[:_LONGEST]
        standings[subject] = {
            "bad": standing.bad,
            "since": since,
            "summary": summary,
            "addresses": addresses,
            "run": news.run,
            **({"causes": dict(standing.causes)} if standing.causes else {}),
        }
    figures = {**before.get("figures", {}), **news.figures}
    changes = dict(figures.get("changes", {}))
    for name, number in news.changes.items():
        changes[name] = changes.get(name, 0) + number
    return {
        "format": FORMAT,
        "standings": standings,
        "figures": {**figures, "changes": changes},
        "told": before.get("told", {}),
    }


def _tell(
    target: Mapping[str, Any], told_by_subject: dict[str, Any], record: Mapping[str, Any], host: str, now: int
) -> list[str]:
    problems, standings = [], record["standings"]
    spec = {"commit": record["figures"].get("spec") or None}
    rows = record["figures"].get("jobs")
    present = {row["address"] for row in rows} if rows is not None else None
    for subject, standing in standings.items():
        for news, state in _news(subject, standing, told_by_subject.get(subject, False), present):
            try:
                if news is not None:
                    deliver(target, _event(subject, news, host, now) | spec)
            except HostError as problem:
                problems.append(f"{problem}; the next report tries again")
                break
            told_by_subject[subject] = state
    return problems


_Told = Iterator[tuple[Mapping[str, Any] | None, Any]]
"""Each standing to tell, None where there is nothing to say, with the state that counts as told from then
on.
"""


def _news(subject: str, standing: Mapping[str, Any], state: Any, present: Collection[str] | None) -> _Told:
    """The news of a subject for a target that was told this state last; `present` are the jobs of the host,
    where they are known.
    """
    if subject == JOBS:
        yield from _news_of_jobs(standing, state, present)
    elif subject == AUDIT:
        yield from _news_of_findings(standing, state)
    elif state is not standing["bad"]:
        yield standing, standing["bad"]


def _news_of_jobs(standing: Mapping[str, Any], state: Any, present: Collection[str] | None) -> _Told:
    """The news of jobs: one standing for all causes that are new, one for all jobs that are well again or
    gone.

    An earlier version remembered only whether one was not well.
    """
    causes = standing.get("causes", {})
    before = set(state) if isinstance(state, list) else set(causes) if state is True else set()
    new = sorted(set(causes) - before)
    if new:
        addresses = list(dict.fromkeys(_job_of(cause) for cause in new))
        summary = "; ".join(dict.fromkeys(causes[cause] for cause in new))[:_LONGEST]
        yield {**standing, "summary": summary, "addresses": addresses[:_MOST]}, sorted(before | set(causes))
    well = sorted({_job_of(cause) for cause in before} - {_job_of(cause) for cause in causes})
    if well or (state is True and not causes):
        gone = [job for job in well if present is not None and job not in present]
        again = [job for job in well if job not in gone]
        lines = [f"{', '.join(gone)}: no job any more"] if gone else []
        lines += [] if causes else [standing["summary"]]
        lines += [f"{', '.join(again)}: well again"] if again and causes else []
        words = "; ".join(lines)
        news = {**standing, "bad": False, "summary": words[:_LONGEST], "addresses": well[:_MOST]}
        yield news, sorted(causes)
    elif before - set(causes) or state is True:
        yield None, sorted(causes)


def _news_of_findings(standing: Mapping[str, Any], state: Any) -> _Told:
    """The news of the audit: one standing for the findings that are new.

    One that is gone is only forgotten: should it come back, it is news.
    """
    causes = standing.get("causes", {})
    before = set(state) if isinstance(state, list) else set()
    new = sorted(set(causes) - before)
    if new:
        count = f"{len(new)} new {'finding' if len(new) == 1 else 'findings'} of the audit"
        names = [causes[cause] for cause in new]
        summary = f"{count}: {'; '.join(names)}"[:_LONGEST]
        yield {**standing, "summary": summary, "addresses": names[:_MOST]}, sorted(causes)
    elif before != set(causes):
        yield None, sorted(causes)


def _job_of(cause: str) -> str:
    return cause.partition(" ")[0]


def _event(subject: str, standing: Mapping[str, Any], host: str, now: int) -> dict[str, Any]:
    """The event that a target receives; the webhooks of chat programs show its `text`."""
    bad = standing["bad"]
    hint = {"hint": _HINTS[subject]} if bad else {}
    return {
        "format_version": "1.0",
        "event": _EVENTS[subject][0 if bad else 1],
        "host": host,
        "text": f"{host}: {standing['summary']}",
        "addresses": list(standing["addresses"]),
        "run": standing["run"],
        "since": standing["since"],
        "time": now,
        **hint,
    }


def _name(target: Mapping[str, Any]) -> str:
    return digest(repr(sorted(target.items())).encode())[:23]


def _metrics(figures: Mapping[str, Any]) -> list[Metric]:
    changes = [({"action": name}, number) for name, number in sorted(figures.get("changes", {}).items())]
    commit = figures.get("commit")
    gauges = (
        ("last_apply_timestamp_seconds", "When the last apply ended.", "last_apply"),
        (
            "last_success_timestamp_seconds",
            "When the last apply ended that left the host as declared.",
            "last_success",
        ),
        ("run_duration_seconds", "How long the last apply took.", "seconds"),
        ("last_drift_check_timestamp_seconds", "When the last check for drift ended.", "last_check"),
        ("drift_resources", "Objects that were changed on the host outside of the spec.", "drift"),
        ("debt_items", "Effects that are due, such as a restart that only a person may do.", "debt"),
        ("held_resources", "Resources that are held.", "held"),
    )
    metrics = [_gauge(name, help_text, figures.get(key)) for name, help_text, key in gauges]
    metrics.append(Metric("reconciler_changes_total", "counter", "Changes made, by action.", changes))
    info = [({"commit": str(commit)}, 1)] if commit else []
    metrics += [*job_metrics(figures.get("jobs", ())), *_audit_metrics(figures.get("audit") or {})]
    return [
        *metrics,
        Metric("reconciler_spec_commit_info", "gauge", "The commit of the spec that was applied last.", info),
    ]


def _audit_metrics(figures: Mapping[str, Any]) -> list[Metric]:
    """The figures of the last recorded audit; none without one."""
    if not figures:
        return []
    counts = [({"severity": name}, number) for name, number in figures["findings"].items()]
    return [
        Metric("reconciler_audit_findings", "gauge", "Findings of the last audit, not waived.", counts),
        _gauge("audit_last_timestamp_seconds", "When the last audit was recorded.", figures["time"]),
        _gauge("audit_score", "The weight of the checks that pass, in percent.", figures["score"]),
        _gauge("audit_not_checked", "Objects that could not be checked.", figures["not_checked"]),
        _gauge("audit_expired_waivers", "Waivers that have ended.", figures["expired"]),
    ]


def _gauge(name: str, help_text: str, value: float | None) -> Metric:
    return Metric(f"reconciler_{name}", "gauge", help_text, [({}, value)] if value is not None else [])
