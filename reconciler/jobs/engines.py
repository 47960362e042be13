"""The engine of a job: the program that makes its archives, and everything that differs with it.

Another one is a package with a module `engine` as that of jobs.tar or jobs.restic, and a row in _ENGINES. An
engine is imported only where a job has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from reconciler.formats.backups.job import Job
from reconciler.host.state.job_lock import RUN

if TYPE_CHECKING:
    from reconciler.formats.backups.manifest import Manifest
    from reconciler.host.archives.restored import File, Reservoir
    from reconciler.host.archives.stored_archives import StoredArchives
    from reconciler.jobs.accepting import Accepted
    from reconciler.jobs.archives import Listing
    from reconciler.jobs.machine_marks import Taken
    from reconciler.jobs.making.done import Done
    from reconciler.jobs.pruning import Pruned
    from reconciler.jobs.restoring.chosen import Chosen
    from reconciler.jobs.restoring.restore import Restored
    from reconciler.jobs.restoring.verify import Verified


class Engine(Protocol):
    """Everything that an engine does."""

    SAMPLE_NOTE: str
    """The limits of what a drill with a sample of files proves, in words; empty: there are none."""

    def check(self, job: Job) -> None:
        """Raises Refused where a run would be refused for what this engine alone needs."""

    def make(self, job: Job, ident: str, tell: Callable[[str], None], snapshots: str) -> Done:
        """Make an archive in each destination and let old ones go; `snapshots` is where the snapshot files of
        chains are.

        Raises Refused, HostError: then no archive was made, and none was removed.
        """
        ...

    def listing(self, job: Job, *, patient: bool = True) -> Listing:
        """All archives of a job, as far as its destinations can be read; without `patient` another machine
        has a few seconds.
        """
        ...

    def archives(self, job: Job, destination: str) -> tuple[StoredArchives, str]:
        """The archives in a destination, for its health, and the fault of the destination itself, in words.

        Raises HostError.
        """
        ...

    def times(self, job: Job, destination: str) -> Iterator[int]:
        """The times in microseconds of the archives in a destination, as far as they are known without
        another machine. Raises HostError.
        """
        ...

    def verify(
        self, job: Job, at: str, *, everything: bool, compare: bool, lock_directory: str = RUN
    ) -> Verified:
        """Read one archive, the newest without `at`, or all, and record the verdicts.

        Raises JobBusy, HostError.
        """
        ...

    def restore(self, job: Job, at: str, to: str, paths: Sequence[str]) -> Restored:
        """Unpack an archive, or some paths of it, into a new or empty directory that stands for `/`, with the
        directories that lead there.

        Raises Refused, HostError.
        """
        ...

    def stream(self, job: Job, at: str, path: str, to_fd: int) -> Restored | None:
        """Write one file of an archive to `to_fd`, once it was found whole; None if that takes a directory.

        Raises Refused, HostError.
        """
        ...

    def prune(self, job: Job, *, dry_run: bool, lock_directory: str = RUN) -> Mapping[str, Pruned]:
        """Remove the archives that retention lets go, in every destination.

        Raises JobBusy, Refused where archives are another machine's (then nothing was deleted), HostError.
        """
        ...

    def accept(self, job: Job, by: str, lock_directory: str = RUN) -> list[Accepted]:
        """Record who agreed to each archive in doubt, and when; return those archives.

        Raises JobBusy, Refused where archives are another machine's (then nothing was written), HostError.
        """
        ...

    def take_over(self, job: Job, lock_directory: str = RUN) -> list[Taken]:
        """Make every destination whose archives are another machine's this machine's; return those
        destinations.

        Raises JobBusy, HostError.
        """
        ...

    def offer_files(self, job: Job, chosen: Chosen, reservoir: Reservoir) -> None:
        """Offer the files of an archive, for a sample of them. Raises HostError."""

    def differences(self, job: Job, chosen: Chosen, tree: int, files: Sequence[File]) -> Sequence[str]:
        """The differences between an archive, or some files of it, and an open restored tree.

        Raises HostError.
        """
        ...

    def lost_jobs(self, job: Job) -> list[tuple[str, str]]:
        """The names of the jobs that have archives in the first destination, each with its host, which is
        empty where the destination does not tell. Raises HostError.
        """
        ...

    def lost_job(self, job: Job, host: str) -> Job:
        """The job of a host, or of the only one, as its newest archive there has it.

        Raises Refused, HostError.
        """
        ...

    def spoken(self, manifest: Manifest) -> str:
        """An archive as people look for it."""
        ...


def _tar() -> Engine:
    from reconciler.jobs.tar import engine

    return engine


def _restic() -> Engine:
    from reconciler.jobs.restic import engine

    return engine


_ENGINES: Mapping[str, Callable[[], Engine]] = {"tar": _tar, "restic": _restic}


def engine_of(job: Job) -> Engine:
    """The engine of a job."""
    return _ENGINES[job.engine]()


def listing(job: Job, *, patient: bool = True) -> Listing:
    """As the engine of the job does it."""
    return engine_of(job).listing(job, patient=patient)


def verify(job: Job, at: str, *, everything: bool, compare: bool, lock_directory: str = RUN) -> Verified:
    """As the engine of the job does it."""
    return engine_of(job).verify(
        job, at, everything=everything, compare=compare, lock_directory=lock_directory
    )


def restore(job: Job, at: str, to: str, paths: Sequence[str]) -> Restored:
    """As the engine of the job does it."""
    return engine_of(job).restore(job, at, to, paths)


def prune(job: Job, *, dry_run: bool, lock_directory: str = RUN) -> Mapping[str, Pruned]:
    """As the engine of the job does it."""
    return engine_of(job).prune(job, dry_run=dry_run, lock_directory=lock_directory)


def accept(job: Job, by: str, lock_directory: str = RUN) -> list[Accepted]:
    """As the engine of the job does it."""
    return engine_of(job).accept(job, by, lock_directory)


def take_over(job: Job, lock_directory: str = RUN) -> list[Taken]:
    """As the engine of the job does it."""
    return engine_of(job).take_over(job, lock_directory)
