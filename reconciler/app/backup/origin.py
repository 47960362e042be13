"""The archives that a command reads: those of a job of this host, or of a destination alone."""

from __future__ import annotations

from reconciler.core.basics.frozen import frozen
from reconciler.formats.backups.job import Job
from reconciler.jobs import jobfile, lost_job


@frozen
class Origin:
    """Where archives come from."""

    job: str = ""
    """The name of a job."""
    destination: str = ""
    """A destination to read from, with neither a job file nor a spec; empty: the job of this host."""
    root: str | None = None
    """The tree whose job it is, in place of this host."""


def job_of(origin: Origin) -> Job:
    """The job. Raises HostError."""
    if not origin.destination:
        return _load(origin.job, origin.root)
    return lost_job.job_of(lost_job.place_of(origin.destination), origin.job)


def _load(name: str, root: str | None) -> Job:
    return jobfile.load(name) if root is None else jobfile.load(name, root=root)


def jobs_of(origin: Origin) -> list[Job]:
    """The job that is named, or all of them. Raises HostError."""
    if origin.job:
        return [job_of(origin)]
    if not origin.destination:
        names = jobfile.names() if origin.root is None else jobfile.names(root=origin.root)
        return [_load(name, origin.root) for name in names]
    place = lost_job.place_of(origin.destination)
    return [lost_job.job_of(place, name) for name in lost_job.jobs_in(place)]
