"""The archives of a restic job as its record tells: no repository is opened, for it may be far away."""

from __future__ import annotations

from reconciler.formats.backups.job import Job
from reconciler.host.archives.stored_archives import StoredArchives
from reconciler.jobs.restic import records
from reconciler.jobs.restic.snapshots import damage, recorded


def archives(job: Job, destination: str) -> StoredArchives:
    """The archives of which this machine knows, the oldest first. Raises HostError."""
    return recorded(records.record_of(job, destination))


def problem(job: Job, destination: str) -> str:
    """The fault that the last check found, in words; empty if it found none. Raises HostError."""
    record = records.record_of(job, destination)
    return damage(destination, record) if record.problem else ""
