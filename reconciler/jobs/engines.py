"""The engine of a job carries out what a command asks of its archives: tar, or restic.

restic is imported only where it is the engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.formats.backups.job import Job
from reconciler.host.state.job_lock import RUN
from reconciler.jobs import accepting, archives, machine_marks, pruning
from reconciler.jobs.accepting import Accepted
from reconciler.jobs.archives import Listing
from reconciler.jobs.lock import lock_of
from reconciler.jobs.machine_marks import Taken
from reconciler.jobs.pruning import Pruned
from reconciler.jobs.restoring import restore as restoring
from reconciler.jobs.restoring import verify as verifying
from reconciler.jobs.restoring.restore import Restored
from reconciler.jobs.restoring.verify import Verified


def listing(job: Job, *, patient: bool = True) -> Listing:
    """All archives of a job, as far as its destinations can be read; without `patient` another machine has a
    few seconds.
    """
    if job.restic is None:
        return archives.listing(job, patient=patient)
    from reconciler.jobs.restic import snapshots

    return snapshots.listing(job)


def verify(job: Job, at: str, *, everything: bool, compare: bool, lock_directory: str = RUN) -> Verified:
    """Read one archive, the newest without `at`, or all, and record the verdicts. Raises JobBusy, HostError.

    A repository of restic is read in parts: the next one, or with `everything` all of it.
    """
    if job.restic is None:
        return verifying.verify(
            job, at, everything=everything, compare=compare, lock_directory=lock_directory
        )
    from reconciler.jobs.restic import verify as restic

    with lock_of(job, lock_directory):
        return restic.verify(job, at, everything=everything, compare=compare)


def restore(job: Job, at: str, to: str, paths: Sequence[str]) -> Restored:
    """Unpack an archive, or some paths of it, into a new or empty directory that stands for `/`, with the
    directories that lead there.

    Raises Refused, HostError.
    """
    if job.restic is None:
        return restoring.restore(job, at, to, paths)
    from reconciler.jobs.restic import restore as restic

    for path in paths:
        restoring.must_be_plain(path)
    return restic.restore(job, at, to, paths)


def prune(job: Job, *, dry_run: bool, lock_directory: str = RUN) -> Mapping[str, Pruned]:
    """Remove the archives that retention lets go, in every destination.

    Raises JobBusy, Refused where archives are another machine's (then nothing was deleted), HostError.
    """
    if job.restic is None:
        return pruning.prune(job, dry_run=dry_run, lock_directory=lock_directory)
    from reconciler.jobs.restic import prune as restic

    with lock_of(job, lock_directory):
        return restic.prune(job, dry_run=dry_run)


def accept(job: Job, by: str, lock_directory: str = RUN) -> list[Accepted]:
    """Record who agreed to each archive in doubt, and when; return those archives.

    Raises JobBusy, Refused where archives are another machine's (then nothing was written), HostError.
    """
    if job.restic is None:
        return accepting.accept(job, by, lock_directory)
    from reconciler.jobs.restic import accept as restic

    with lock_of(job, lock_directory):
        return restic.accept(job, by)


def take_over(job: Job, lock_directory: str = RUN) -> list[Taken]:
    """Make every destination whose archives are another machine's this machine's; return those destinations.

    Raises JobBusy, HostError.
    """
    if job.restic is None:
        return machine_marks.take_over(job, lock_directory)
    from reconciler.jobs.restic import accept as restic

    with lock_of(job, lock_directory):
        return restic.take_over(job)
