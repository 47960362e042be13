"""The record of a restic job: read, and kept after each step that must not be forgotten."""

from __future__ import annotations

from reconciler.formats.backups import restic_record
from reconciler.formats.backups.job import Job
from reconciler.formats.backups.restic_record import NotARecord, Records, RepositoryRecord
from reconciler.host.state import restic_records


def read(job: Job) -> Records:
    """The record of a job.

    One that is damaged counts as none: then no archive is known to be good, and none goes. Raises HostError.
    """
    content = restic_records.read(job.name)
    if content is None:
        return {}
    try:
        return restic_record.load(content, job.name)
    except NotARecord:
        return {}


def record_of(job: Job, destination: str) -> RepositoryRecord:
    """Everything that is known of one repository. Raises HostError."""
    return read(job).get(destination, RepositoryRecord())


def keep(job: Job, destination: str, entry: RepositoryRecord) -> RepositoryRecord:
    """Put down what is known of one repository, and return it. Raises HostError."""
    restic_records.write(job.name, restic_record.dump({**read(job), destination: entry}))
    return entry
