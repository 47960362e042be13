"""`backup list`: the archives of a job, or of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.app.backup.origin import Origin, jobs_of
from reconciler.app.backup.outcome import End, Report, guarded
from reconciler.formats.backups.job import Job
from reconciler.formats.backups.record import line
from reconciler.jobs import archives, engines
from reconciler.jobs.health import job_health


def list_archives(origin: Origin) -> Report:
    """`backup list`, for one job, or for all if none is named."""
    return guarded(lambda: _list(jobs_of(origin), is_here=origin.place is None and not origin.root))


def _list(jobs: Sequence[Job], *, is_here: bool) -> Report:
    rows: list[dict[str, Any]] = []
    problems: list[str] = []
    heads: list[str] = []
    for job in jobs:
        listing = engines.listing(job, patient=False)
        rows += [{"job": job.name, **archives.as_data(copies, listing.doubts)} for copies in listing.archives]
        problems += listing.complaints
        if not is_here:
            continue
        condition = job_health.current(job)
        if condition.record is not None and (head := line(condition.record)):
            heads.append(f"{job.name}: {head}")
        problems += [
            f"{job.name}: {reason}"
            for reason in condition.reasons
            if condition.is_known and reason not in listing.complaints
        ]
    end = End.FAILED if problems and not rows else End.GOOD
    return Report(end, tuple(heads), tuple(problems), rows)
