"""The health of this host's jobs: whether the last run of each failed, and whether a backup's archives are as
their job promises.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from reconciler.app.audit import history
from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError
from reconciler.core.state import Memory
from reconciler.formats.backups.lateness import Due
from reconciler.formats.backups.manifest import timestamp
from reconciler.formats.backups.record import GOOD, Record, as_data
from reconciler.formats.schedule.how_often import seconds_between
from reconciler.formats.systemd import timespan
from reconciler.host.hosts import open_host
from reconciler.host.process import environment
from reconciler.jobs import jobfile
from reconciler.jobs.health import due_runs
from reconciler.jobs.health.job_health import RAN, Condition, Trouble, current
from reconciler.kinds import observer

_BACKUPS, _TIMERS, _AUDIT, _LOGROTATE = "backups", "timers", "audit", "logrotate"
_LATE = 2
"""The number of spans of its schedule after which an audit is overdue."""


@frozen
class _Job:
    """A job, before systemd is asked about its last run."""

    address: str
    """The address of the job in the spec, as text."""
    unit: str
    """The service that runs it."""
    is_known: bool
    """Whether all that its health depends on could be read."""
    troubles: tuple[Trouble, ...]
    """The faults that are known without systemd."""
    next: str
    """The command that shows more."""
    condition: Condition | None = None
    """The condition of a backup job."""
    max_age: float = 0.0
    """The seconds that the newest archive may be old; 0 without a limit."""


def jobs(memory: Memory | None) -> list[dict[str, Any]]:
    """One row for each backup job of this host, each timer of the ledger, the audit if it runs by the clock,
    and logrotate if it has policies; JSON-able, and without the spec.

    `healthy` is None where it is not known. Raises HostError when systemd cannot be asked.
    """
    all_jobs = [*map(_backup, _names()), *map(_timer, _timers(memory)), *_audit(memory), *_rotation(memory)]
    if not all_jobs:
        return []
    from reconciler.host.systemd.service_facts import ask

    facts = ask([job.unit for job in all_jobs])
    return [_row(job, facts[job.unit]) for job in all_jobs]


def unwell(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of the jobs that are known not to be well."""
    return [row for row in rows if row["healthy"] is False]


def _names() -> Sequence[str]:
    try:
        return jobfile.names()
    except HostError:
        return ()


def _timers(memory: Memory | None) -> list[str]:
    rows = memory.rows if memory is not None else {}
    return sorted(address.name for address in rows if address.kind == _TIMERS and address.part == "service")


def _backup(name: str) -> _Job:
    look = f"reconciler backup list {name}"
    try:
        job = jobfile.load(name)
    except HostError as problem:
        return _Job(
            f"{_BACKUPS}.{name}",
            f"backup-{name}.service",
            environment.is_root(),
            (Trouble("job", str(problem)),),
            look,
        )
    health = current(job)
    return _Job(
        f"{_BACKUPS}.{name}",
        f"backup-{name}.service",
        health.is_known,
        health.troubles,
        look,
        health,
        job.max_age,
    )


def _timer(name: str) -> _Job:
    unit = f"{name}.service"
    return _Job(f"{_TIMERS}.{name}", unit, is_known=True, troubles=(), next=f"journalctl -u {unit} -n 50")


def _audit(memory: Memory | None) -> list[_Job]:
    """The audit that runs by the clock: findings are no failure of it."""
    rows = memory.rows if memory is not None else {}
    if not any(address.kind == _AUDIT and address.part == "service" for address in rows):
        return []
    unit = "reconciler-audit.service"
    look = f"journalctl -u {unit} -n 50"
    try:
        damage, record = history.damage(), history.recorded()
    except HostError as problem:
        trouble = Trouble("record", f"the record of audits cannot be read: {problem}")
        return [_Job(f"{_AUDIT}.policy", unit, environment.is_root(), (trouble,), look)]
    troubles = [Trouble("record", f"the record of audits cannot be used: {damage}")] if damage else []
    last = int(datetime.fromisoformat(record.time).timestamp()) if record is not None else None
    overdue = _overdue(due_runs.schedule_of("reconciler-audit"), last, environment.now())
    troubles += [Trouble("late", overdue)] if overdue else []
    return [_Job(f"{_AUDIT}.policy", unit, is_known=True, troubles=tuple(troubles), next=look)]


def _overdue(schedule: Due | None, last: int | None, now: int) -> str:
    """Why the last audit is older than twice its schedule, in words; empty if it is not.

    Without any it counts from the schedule on.
    """
    span = seconds_between(schedule.words) if schedule is not None else None
    if schedule is None or span is None or now - max(schedule.since, last or 0) <= _LATE * span:
        return ""
    ago = f"{timespan.words(now - (last or schedule.since))} ago; it is due every {timespan.words(span)}"
    return f"no audit is recorded, and it was scheduled {ago}" if last is None else f"the last was {ago}"


def _rotation(memory: Memory | None) -> list[_Job]:
    """The host's own logrotate, where policies of ours depend on it: it fails at each run because of one file
    that it refuses.

    A log that another file rotates too is known to make it fail before any run.
    """
    policies = (
        [address for address in memory.rows if address.kind == _LOGROTATE] if memory is not None else []
    )
    if not policies:
        return []
    observations = observer(_LOGROTATE)(open_host(None), sorted(policies)).values()
    clashes = dict.fromkeys(clash for observed in observations for clash in observed.others)
    return [
        _Job(
            _LOGROTATE,
            f"{_LOGROTATE}.service",
            is_known=True,
            troubles=tuple(Trouble("clash", clash) for clash in clashes),
            next="logrotate -d /etc/logrotate.conf",
        )
    ]


def _failure(facts: Any, record: Record | None) -> str:
    """Why the unit failed, in words; empty where it did not, or a later run or drill by hand was good."""
    run = record.run if record is not None else None
    if facts.active != "failed" or (run is not None and run.result == GOOD and run.started >= facts.since):
        return ""
    if record is not None and record.made_good(facts.invocation):
        return ""
    reason = f": {run.reason}" if run is not None and run.reason else ""
    return f"its last run failed ({facts.exit or facts.result}){reason}"


def _row(job: _Job, facts: Any) -> dict[str, Any]:
    condition = job.condition or Condition(is_known=job.is_known)
    record = condition.record
    failure = _failure(facts, record)
    troubles = [trouble for trouble in job.troubles if not (failure and trouble.cause == RAN)]
    troubles = [*([Trouble(RAN, failure)] if failure else []), *troubles]
    healthy = False if failure or (troubles and job.is_known) else True if job.is_known else None
    return {
        "address": job.address,
        "unit": job.unit,
        "healthy": healthy,
        "reason": "; ".join(trouble.text for trouble in troubles),
        "causes": list(dict.fromkeys(trouble.cause for trouble in troubles)),
        "newest": timestamp(condition.newest),
        "newest_seconds": condition.newest,
        "max_age_seconds": job.max_age or None,
        "next": f"journalctl -u {job.unit} -n 50" if failure else job.next,
        **(_history(condition) if job.condition is not None else {}),
    }


def _history(condition: Condition) -> dict[str, Any]:
    """The last run, verification and drill of a backup job, and the figures of its metrics."""
    record = condition.record or Record("", 0)
    return {
        **as_data(record),
        "figures": {
            "bytes": condition.bytes,
            "last_success_seconds": record.success.finished if record.success else condition.newest,
            "last_run_ok": record.run.result == GOOD if record.run else None,
            "last_verify_seconds": _last_verified(condition.verified, record),
            "last_verify_ok": record.verification.good if record.verification else None,
            "last_drill_seconds": record.drill.finished if record.drill else None,
            "last_drill_ok": record.drill.good if record.drill else None,
        },
    }


def _last_verified(verified: int | None, record: Record) -> int | None:
    times = [verified, record.verification.finished if record.verification else None]
    return max((time for time in times if time is not None), default=None)
