"""The archives that a command reads: those of a job of this host, or of a destination alone."""

from __future__ import annotations

from dataclasses import replace

from reconciler.core.basics.frozen import frozen
from reconciler.formats.backups.job import Job
from reconciler.jobs import jobfile
from reconciler.jobs.health import lost_job
from reconciler.jobs.health.lost_job import Place


@frozen
class Origin:
    """Where archives come from."""

    job: str = ""
    """The name of a job."""
    place: Place | None = None
    """A destination to read from, with neither a job file nor a spec; None: the job of this host."""
    root: str | None = None
    """The tree whose job it is, in place of this host."""
    private_key: str = ""
    """The file with a private key, for archives that are encrypted."""


def job_of(origin: Origin) -> Job:
    """The job. Raises HostError."""
    if origin.place is None:
        job = _load(origin.job, origin.root)
    else:
        job = lost_job.job_of(origin.place, origin.job)
    return replace(job, identity=origin.private_key) if origin.private_key else job


def _load(name: str, root: str | None) -> Job:
    return jobfile.load(name) if root is None else jobfile.load(name, root=root)


def jobs_of(origin: Origin) -> list[Job]:
    """The job that is named, or all of them. Raises HostError."""
    if origin.job:
        return [job_of(origin)]
    if origin.place is None:
        names = jobfile.names() if origin.root is None else jobfile.names(root=origin.root)
        return [_load(name, origin.root) for name in names]
    return lost_job.jobs_of(origin.place)
