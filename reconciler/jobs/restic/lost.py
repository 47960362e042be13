"""The jobs that have snapshots in a repository, by its tags: for a host that has nothing else."""

from __future__ import annotations

from dataclasses import replace

from reconciler.formats.backups.job import Job
from reconciler.host.archives.private_directory import Refused
from reconciler.jobs.restic.repositories import open_repository, settings


def lost_jobs(job: Job) -> list[tuple[str, str]]:
    """The names of jobs, each with the host, in the first destination of a job. Raises HostError."""
    with open_repository(job, job.destinations[0]) as repository:
        return repository.jobs()


def lost_job(job: Job, host: str) -> Job:
    """The job of the host that is asked for, or of the only one. Raises Refused, HostError."""
    hosts = sorted({of for name, of in lost_jobs(job) if name == job.name})
    if not host and len(hosts) > 1:
        detail = f"{job.destinations[0]}, {job.name}: name one of {', '.join(hosts)} with --host"
        raise Refused("the repository has snapshots of several hosts", detail)
    job = replace(job, restic=replace(settings(job), host=host or hosts[0]))
    with open_repository(job, job.destinations[0]) as repository:
        newest = repository.snapshots(job.name, settings(job).host)[-1:]
    return replace(job, sources=newest[0].paths if newest else ())
