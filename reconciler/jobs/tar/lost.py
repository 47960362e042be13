"""The jobs that have archives in a directory, by their names: for a host that has nothing else."""

from __future__ import annotations

from reconciler.formats.backups import manifest as manifests
from reconciler.formats.backups.job import Job, Keep
from reconciler.host.archives import stored_archives
from reconciler.jobs.destinations import open_destination


def lost_jobs(job: Job) -> list[tuple[str, str]]:
    """The names of jobs in the first destination of a job, none with a host: a directory is of one. Raises
    HostError.
    """
    with open_destination(job, job.destinations[0]) as directory:
        return sorted({(of, "") for name in directory.names() if (of := manifests.job_in(name))})


def lost_job(job: Job, host: str) -> Job:
    """The job as the newest of its archives has it. Raises HostError."""
    del host
    with open_destination(job, job.destinations[0]) as directory:
        entries = stored_archives.scan(directory, job.name).entries
    sources = entries[-1].manifest.sources if entries else ()
    return Job(job.name, sources, job.destinations, Keep(), remotes=job.remotes)
