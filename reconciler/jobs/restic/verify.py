"""Verify repositories: the next part of the data, all of it, or one snapshot from end to end."""

from __future__ import annotations

from dataclasses import replace

from reconciler.core.host import HostError
from reconciler.formats.backups.job import Job
from reconciler.formats.backups.manifest import Manifest
from reconciler.formats.backups.restic_record import PARTS, RepositoryRecord
from reconciler.host.archives.private_directory import Refused
from reconciler.host.archives.restic import Repository
from reconciler.host.archives.tar import ArchiveError
from reconciler.host.process import environment
from reconciler.jobs.archives import ids_of
from reconciler.jobs.restic import records, snapshots
from reconciler.jobs.restic.checking import check
from reconciler.jobs.restic.compare import differences
from reconciler.jobs.restic.repositories import WAIT, open_repository
from reconciler.jobs.restoring.verify import Judgement, Verified


def verify(job: Job, at: str, *, everything: bool, compare: bool) -> Verified:
    """Check each repository and record the verdict, under the lock of the job. Raises HostError.

    With `at` it is one snapshot that is read; else the next part of all data, or with `everything` all of it.
    """
    if at:
        return _verify_snapshot(job, at, compare=compare)
    judgements: list[Judgement] = []
    problems: list[str] = []
    for destination in job.destinations:
        try:
            with open_repository(job, destination, wait=WAIT, unlock=True) as repository:
                judgements.append(_judge(repository, job, destination, everything, compare))
        except HostError as problem:
            problems.append(str(problem))
    if problems and not judgements:
        raise Refused("no repository can be read", "; ".join(problems))
    return Verified(tuple(judgements), tuple(problems))


def _judge(repository: Repository, job: Job, destination: str, everything: bool, compare: bool) -> Judgement:
    record = _with_unseen(repository, job, records.record_of(job, destination))
    part = record.part
    record = check(repository, job, destination, record, everything=everything)
    what = "the repository" if everything else f"the repository, part {part} of {PARTS},"
    newest = max(record.archives.values(), key=lambda archive: (archive.started, archive.id), default=None)
    differing: tuple[str, ...] = ()
    if compare and not record.problem and newest is not None:
        differing = differences(repository, newest)
    return Judgement(destination, what, record.problem, differing)


def _with_unseen(repository: Repository, job: Job, record: RepositoryRecord) -> RepositoryRecord:
    """The same with the snapshots of this machine that the record lacks: it was lost, or they were made by
    hand.
    """
    present = snapshots.listed(repository, job)
    ours = [snapshot for snapshot in present if snapshots.is_ours(snapshot, record)]
    record = replace(record, id=record.id or repository.id()).only({snapshot.id for snapshot in ours})
    fresh = {
        entry.manifest.id: entry.manifest
        for entry in snapshots.archives_of(ours, job, record).entries
        if not entry.problem and entry.manifest.id not in record.archives
    }
    return replace(record, archives={**record.archives, **fresh})


def _verify_snapshot(job: Job, at: str, *, compare: bool) -> Verified:
    listed = snapshots.listing(job)
    ident = ids_of(listed, at)[0]
    judgements: list[Judgement] = []
    for copies in listed.archives:
        for destination, entry in copies.items():
            if entry.manifest.id == ident:
                with open_repository(job, destination, wait=WAIT, unlock=True) as repository:
                    judgements.append(
                        _read(repository, job, destination, entry.manifest, entry.problem, compare)
                    )
    return Verified(tuple(judgements), listed.problems, listed.foreign)


def _read(
    repository: Repository, job: Job, destination: str, manifest: Manifest, problem: str, compare: bool
) -> Judgement:
    """Read every file of a snapshot."""
    differing: tuple[str, ...] = ()
    if not problem:
        try:
            repository.work(["--no-lock", "dump", manifest.sha256, "/"], lambda _: None)
        except ArchiveError as fault:
            problem = fault.detail
        else:
            record = records.record_of(job, destination)
            good = manifest.judged(good=True, now=environment.now())
            records.keep(job, destination, record.with_archive(good))
            differing = differences(repository, manifest) if compare else ()
    return Judgement(destination, manifest.id, problem, differing)
