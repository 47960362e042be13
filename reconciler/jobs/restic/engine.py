"""The engine restic (`jobs.engines.Engine`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reconciler.formats.backups.job import Job
from reconciler.formats.backups.manifest import Manifest
from reconciler.host.archives.stored_archives import StoredArchives
from reconciler.host.state.job_lock import RUN
from reconciler.jobs.accepting import Accepted
from reconciler.jobs.archives import Listing, times_of
from reconciler.jobs.lock import lock_of
from reconciler.jobs.machine_marks import Taken
from reconciler.jobs.pruning import Pruned
from reconciler.jobs.restic import accept as accepting
from reconciler.jobs.restic import health, snapshots
from reconciler.jobs.restic import prune as pruning
from reconciler.jobs.restic import restore as restoring
from reconciler.jobs.restic import verify as verifying
from reconciler.jobs.restic.drill import differences, offer_files
from reconciler.jobs.restic.lost import lost_job, lost_jobs
from reconciler.jobs.restic.repositories import must_be_private as check
from reconciler.jobs.restic.run import make
from reconciler.jobs.restoring.restore import Restored, must_be_plain
from reconciler.jobs.restoring.verify import Verified

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

SAMPLE_NOTE = "their sizes were compared; restic checks the content of what it restores"


def listing(job: Job, *, patient: bool = True) -> Listing:
    """All archives, as far as the repositories can be read."""
    del patient
    return snapshots.listing(job)


def archives(job: Job, destination: str) -> tuple[StoredArchives, str]:
    """The archives of which this machine knows, and the fault that the last check found. Raises HostError."""
    return health.archives(job, destination), health.problem(job, destination)


def times(job: Job, destination: str) -> Iterator[int]:
    """The times of the archives of which this machine knows."""
    return times_of(health.archives(job, destination))


def verify(job: Job, at: str, *, everything: bool, compare: bool, lock_directory: str = RUN) -> Verified:
    """A repository is read in parts: the next one, or with `everything` all of it."""
    with lock_of(job, lock_directory):
        return verifying.verify(job, at, everything=everything, compare=compare)


def restore(job: Job, at: str, to: str, paths: Sequence[str]) -> Restored:
    """Have restic restore a snapshot, or some paths of it."""
    for path in paths:
        must_be_plain(path)
    return restoring.restore(job, at, to, paths)


def stream(job: Job, at: str, path: str, to_fd: int) -> Restored | None:
    """restic would begin before it has found the sum right."""
    del job, at, path, to_fd
    return None


def prune(job: Job, *, dry_run: bool, lock_directory: str = RUN) -> Mapping[str, Pruned]:
    """Have restic forget the snapshots that retention lets go."""
    with lock_of(job, lock_directory):
        return pruning.prune(job, dry_run=dry_run)


def accept(job: Job, by: str, lock_directory: str = RUN) -> list[Accepted]:
    """Record the agreement in this host's record."""
    with lock_of(job, lock_directory):
        return accepting.accept(job, by)


def take_over(job: Job, lock_directory: str = RUN) -> list[Taken]:
    """Record that another machine's snapshots are this one's."""
    with lock_of(job, lock_directory):
        return accepting.take_over(job)


def spoken(manifest: Manifest) -> str:
    """The snapshot: it has no file."""
    return f"snapshot {manifest.id}"
