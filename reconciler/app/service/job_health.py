"""The health of this host's jobs: whether the last run of each failed, and whether a backup's archives are as
their job promises.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError
from reconciler.core.state import Memory
from reconciler.formats.backups.manifest import timestamp
from reconciler.host.hosts import open_host
from reconciler.host.process import environment
from reconciler.jobs import jobfile
from reconciler.kinds import observer

_BACKUPS, _TIMERS, _LOGROTATE = "backups", "timers", "logrotate"


@frozen
class _Job:
    """A job, before systemd is asked about its last run."""

    address: str
    unit: str
    known: bool
    """Whether all that its health depends on could be read."""
    reasons: tuple[str, ...]
    """The faults that are known without systemd."""
    next: str
    """The command that shows more."""
    newest: int | None = None
    """The time of the newest archive."""
    max_age: float = 0.0
    """The seconds that the newest archive may be old; 0 without a limit."""


def jobs(memory: Memory | None) -> list[dict[str, Any]]:
    """One row for each backup job of this host, each timer of the ledger, and logrotate if it has policies;
    JSON-able, and without the spec.

    `healthy` is None where it is not known. Raises HostError when systemd cannot be asked.
    """
    all_jobs = [*map(_backup, _names()), *map(_timer, _timers(memory)), *_rotation(memory)]
    if not all_jobs:
        return []
    from reconciler.host.systemd.service_facts import ask

    facts = ask([job.unit for job in all_jobs])
    return [_row(job, _failure(facts[job.unit])) for job in all_jobs]


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
    from reconciler.jobs.job_health import condition

    look = f"reconciler backup list {name}"
    try:
        job = jobfile.load(name)
    except HostError as problem:
        return _Job(
            f"{_BACKUPS}.{name}", f"backup-{name}.service", environment.is_root(), (str(problem),), look
        )
    health = condition(job, environment.now())
    return _Job(
        f"{_BACKUPS}.{name}",
        f"backup-{name}.service",
        health.known,
        health.reasons,
        look,
        health.newest,
        job.max_age,
    )


def _timer(name: str) -> _Job:
    unit = f"{name}.service"
    return _Job(f"{_TIMERS}.{name}", unit, known=True, reasons=(), next=f"journalctl -u {unit} -n 50")


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
    reasons = tuple(dict.fromkeys(clash for observed in observations for clash in observed.others))
    return [
        _Job(
            _LOGROTATE,
            f"{_LOGROTATE}.service",
            known=True,
            reasons=reasons,
            next="logrotate -d /etc/logrotate.conf",
        )
    ]


def _failure(facts: Any) -> str:
    return f"its last run failed ({facts.exit or facts.result})" if facts.active == "failed" else ""


def _row(job: _Job, failure: str) -> dict[str, Any]:
    reasons = [*([failure] if failure else []), *job.reasons]
    healthy = False if failure or (job.reasons and job.known) else True if job.known else None
    return {
        "address": job.address,
        "unit": job.unit,
        "healthy": healthy,
        "reason": "; ".join(reasons),
        "newest": timestamp(job.newest),
        "newest_seconds": job.newest,
        "max_age_seconds": job.max_age or None,
        "next": f"journalctl -u {job.unit} -n 50" if failure else job.next,
    }
