"""`backup list`: the archives of a job, or of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.app.backup.outcome import End, Report, guarded
from reconciler.jobs import archives, job_health, jobfile


def list_archives(name: str) -> Report:
    """`backup list`, for one job, or for all if `name` is empty."""
    return guarded(lambda: _list([name] if name else jobfile.names()))


def _list(names: Sequence[str]) -> Report:
    rows: list[dict[str, Any]] = []
    problems: list[str] = []
    for name in names:
        job = jobfile.load(name)
        listing = archives.listing(job)
        rows += [{"job": name, **archives.as_data(copies, listing.doubts)} for copies in listing.archives]
        problems += listing.complaints
        condition = job_health.current(job)
        problems += [
            f"{name}: {reason}"
            for reason in condition.reasons
            if condition.known and reason not in listing.complaints
        ]
    return Report(End.FAILED if problems and not rows else End.GOOD, problems=tuple(problems), data=rows)
