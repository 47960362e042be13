"""The lock of a backup job: that of the host, or of the tree that stands for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.formats.backups.job import Job
from reconciler.host.hosts import state_directory
from reconciler.host.state.job_lock import JobBusy, job_lock
from reconciler.host.state.owed_hooks import DIRECTORY
from reconciler.jobs.making.owed import is_between


@contextmanager
def lock_of(job: Job, directory: str, owed: str = DIRECTORY) -> Iterator[None]:
    """Hold the lock of a job, in `directory` or beside the tree that it is of.

    A run that its unit makes in parts keeps it in between as well. Raises JobBusy, StateError, HostError.
    """
    _must_not_be_between(job, owed)
    with job_lock(f"backup-{job.name}", f"{state_directory(job.root)}/run" if job.root else directory):
        _must_not_be_between(job, owed)
        yield


def _must_not_be_between(job: Job, owed: str) -> None:
    if is_between(job, owed):
        detail = f"{job.name}: backup-{job.name}.service runs it: wait for it to end"
        raise JobBusy("the job is running already", detail)
