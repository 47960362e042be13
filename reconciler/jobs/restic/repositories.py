"""Opening the repositories of a job, and making one where there never was one."""

from __future__ import annotations

from contextlib import ExitStack

from reconciler.formats.backups.job import Job, Restic
from reconciler.formats.backups.restic_record import RepositoryRecord
from reconciler.host.archives import restic
from reconciler.host.archives.private_directory import Directory, Refused
from reconciler.host.archives.restic import Access, Repository, RepositoryMissing
from reconciler.host.process import failpoints

WAIT = 1800.0
"""Seconds that a run waits for another host that holds the lock of a repository."""


def settings(job: Job) -> Restic:
    """The fields of a job that only restic has."""
    if job.restic is None:
        raise Refused("the job has another engine", job.name)
    return job.restic


def open_repository(job: Job, destination: str, *, wait: float = 0.0, unlock: bool = False) -> Repository:
    """The repository in a destination; a directory of this host must be private. Raises HostError.

    `unlock` is for callers that hold the lock of the job.
    """
    chosen = settings(job)
    access = Access(
        destination,
        chosen.password_file,
        chosen.environment_files.get(destination, ""),
        chosen.remotes.get(destination),
    )
    if access.local:
        Directory(destination).close()
    return Repository(access, wait=wait, unlock=unlock)


def open_or_make(job: Job, destination: str, record: RepositoryRecord) -> tuple[Repository, str]:
    """The repository for a run, and its id; made if it is missing and never was there. Raises HostError.

    One that was there is not asked for its id: that would take as long as the next call, which fails where it
    is gone.
    """
    local = destination.startswith("/")
    if local:
        Directory(destination, make=True).close()
    with ExitStack() as stack:
        repository = stack.enter_context(open_repository(job, destination, wait=WAIT, unlock=True))
        try:
            ident = record.id or repository.id()
        except RepositoryMissing as problem:
            _may_be_made(destination, problem)
            repository.work(["init"], lambda _: None)
            failpoints.hit("backup.initialised")
            ident = repository.id()
        stack.pop_all()
    return repository, ident


def gone(destination: str, record: RepositoryRecord, problem: RepositoryMissing) -> Refused:
    """The refusal of a run whose repository was there before: a disk that is not mounted looks like that."""
    if not record.id:
        return problem
    detail = (
        f"{destination}: the repository {record.id[:10]} was there. Mount what is missing; if it is lost"
        f" for good, `restic -r {destination} init` makes a new one"
    )
    return Refused("the repository is gone", detail)


def _may_be_made(destination: str, problem: RepositoryMissing) -> None:
    """Raises Refused where a directory of this host has something else."""
    if destination.startswith("/") and not restic.is_blank(destination):
        detail = f"{destination}: name an empty directory, or a repository"
        raise Refused("the directory has files and is no restic repository", detail) from problem


def must_be_private(job: Job) -> None:
    """Raises Refused where a file that opens the repositories is missing, or others can read it."""
    chosen = settings(job)
    identities = (remote.identity_file for remote in chosen.remotes.values())
    for path in (chosen.password_file, *chosen.environment_files.values(), *identities):
        restic.must_be_private(path)
