"""The engine tar (`jobs.engines.Engine`)."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.formats.backups import manifest as manifests
from reconciler.formats.backups.job import Job
from reconciler.formats.backups.manifest import Manifest
from reconciler.host.archives import stored_archives
from reconciler.host.archives.stored_archives import StoredArchives
from reconciler.jobs import machine_marks, store
from reconciler.jobs.accepting import accept
from reconciler.jobs.archives import listing, times_of
from reconciler.jobs.destinations import open_destination
from reconciler.jobs.machine_marks import take_over
from reconciler.jobs.pruning import prune
from reconciler.jobs.restoring.restore import restore
from reconciler.jobs.restoring.verify import verify
from reconciler.jobs.tar.drill import differences, offer_files
from reconciler.jobs.tar.lost import lost_job, lost_jobs
from reconciler.jobs.tar.run import make
from reconciler.jobs.tar.stream import stream

__all__ = (
    "SAMPLE_NOTE",
    "accept",
    "archives",
    "check",
    "differences",
    "listing",
    "lost_job",
    "lost_jobs",
    "make",
    "offer_files",
    "prune",
    "restore",
    "spoken",
    "stream",
    "take_over",
    "times",
    "verify",
)

SAMPLE_NOTE = ""


def check(job: Job) -> None:
    """Nothing but what every run needs."""
    del job


def archives(job: Job, destination: str) -> tuple[StoredArchives, str]:
    """The archives in a destination, and why they are not this machine's. Raises HostError."""
    with open_destination(job, destination, patient=False) as directory:
        return stored_archives.scan(directory, job.name), machine_marks.foreign(directory, job.name)


def times(job: Job, destination: str) -> Iterator[int]:
    """The times of the archives in a directory of this host, also of those that are none yet."""
    if destination in job.remotes:
        return
    with open_destination(job, destination) as directory:
        yield from map(manifests.microseconds_of, store.idents(directory, job.name))
        yield from times_of(stored_archives.scan(directory, job.name))


def spoken(manifest: Manifest) -> str:
    """The file."""
    return manifest.archive
