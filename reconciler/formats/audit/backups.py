"""The backup jobs of a host, as the audit is told of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from reconciler.core.basics.frozen import frozen
from reconciler.formats.backups import job as jobs
from reconciler.formats.backups import record as records
from reconciler.formats.backups.job import Job, NotAJob
from reconciler.formats.backups.lateness import Due
from reconciler.formats.backups.record import NotARecord, Record


@frozen
class Stored:
    """A destination on the host. Times are seconds since the epoch."""

    newest: int | None = None
    """When the newest archive was begun that is not bad."""
    verified: int | None = None
    """When an archive was last proved to be good."""
    problem: str = ""
    """Why that is not known."""


@frozen
class KnownJob:
    """A backup job that apply has written to the host."""

    name: str
    """The name of the job."""
    job: Job | None = None
    """The job without its commands; None: it cannot be read."""
    problem: str = ""
    """Why it, or its record, cannot be read."""
    declared: int | None = None
    """When its file was written last."""
    schedule: Due | None = None
    """When it runs."""
    record: Record | None = None
    """The record of its runs, without reasons; None: it never ran, or the record is lost."""
    runs: bool | None = None
    """Whether it runs at this moment, as far as that is known."""
    stored: Mapping[str, Stored] = field(default_factory=dict)
    """The destinations on this host whose archives are files."""
    dumps: tuple[str, ...] = ()
    """Words in the names of programs that dump databases, as far as its commands have them."""


def parse_jobs(text: str) -> tuple[KnownJob, ...]:
    """The jobs of the answer. Raises ValueError."""
    try:
        return tuple(_job(row) for row in json.loads(text))
    except (KeyError, TypeError, AttributeError, NotAJob, NotARecord) as problem:
        raise ValueError(f"backup-jobs: {problem}") from problem


def _job(row: Mapping[str, Any]) -> KnownJob:
    name = str(row["name"])
    if "problem" in row:
        return KnownJob(name, problem=str(row["problem"]))
    schedule, record = row["schedule"], row["record"]
    return KnownJob(
        name,
        jobs.job(row["job"], name),
        str(row.get("unread", "")),
        row["declared"],
        Due(tuple(schedule["words"]), int(schedule["since"])) if schedule else None,
        records.load(json.dumps(record).encode(), name) if record else None,
        row["runs"],
        {path: Stored(**facts) for path, facts in row["stored"].items()},
        tuple(row["dumps"]),
    )
