"""The lock of a backup job: that of the host, or of the tree that stands for it."""

from __future__ import annotations

from contextlib import AbstractContextManager

from reconciler.formats.backups.job import Job
from reconciler.host.hosts import state_directory
from reconciler.host.state.job_lock import job_lock


def lock_of(job: Job, directory: str) -> AbstractContextManager[None]:
    """Hold the lock of a job, in `directory` or beside the tree that it is of. Raises JobBusy, StateError."""
    return job_lock(f"backup-{job.name}", f"{state_directory(job.root)}/run" if job.root else directory)
