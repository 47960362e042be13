"""Let old snapshots go, by their ids, as retention decides; then give their space back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from reconciler.core.host import HostError
from reconciler.formats.backups import restic_output
from reconciler.formats.backups.job import Job
from reconciler.formats.backups.restic_output import Snapshot
from reconciler.formats.backups.restic_record import RepositoryRecord
from reconciler.host.archives.restic import Repository
from reconciler.host.archives.tar import ArchiveError
from reconciler.host.process import environment, failpoints
from reconciler.jobs.pruning import Pruned, decision
from reconciler.jobs.restic import records, snapshots
from reconciler.jobs.restic.repositories import open_repository
from reconciler.jobs.restic.snapshots import Present

_WAIT = 300.0
"""Seconds to wait for a lock: what is not let go today is let go tomorrow."""


def prune(job: Job, *, dry_run: bool) -> Mapping[str, Pruned]:
    """Prune every repository, under the lock of the job; one that fails does not stop the others.

    Raises HostError if one failed, after all were tried.
    """
    pruned: dict[str, Pruned] = {}
    failed: dict[str, HostError] = {}
    for destination in job.destinations:
        try:
            pruned[destination] = prune_repository(job, destination, dry_run=dry_run)
        except HostError as problem:
            failed[destination] = problem
    if len(failed) == len(job.destinations) == 1:
        raise failed.popitem()[1]
    if failed:
        done = [f"{destination}: {len(item.removed)} let go" for destination, item in pruned.items()]
        problems = [f"{destination}: {problem}" for destination, problem in failed.items()]
        raise ArchiveError("not every repository could be pruned", "; ".join([*problems, *done]))
    return pruned


def prune_repository(
    job: Job,
    destination: str,
    protect: Collection[str] = (),
    *,
    dry_run: bool = False,
    listed: Present | None = None,
) -> Pruned:
    """Forget the snapshots of this job and machine that retention does not keep. Raises HostError.

    `listed` are the snapshots where the caller has asked for them already; its repository may be closed.
    """
    record = records.record_of(job, destination)
    with open_repository(job, destination, wait=_WAIT, unlock=not dry_run) as repository:
        known = listed if listed is not None and listed.is_known else Present(repository, job)
        present = known.snapshots()
        record = record.only({snapshot.id for snapshot in present})
        ours = [snapshot for snapshot in present if snapshots.is_ours(snapshot, record)]
        archives = snapshots.archives_of(ours, job, record)
        decided = decision(archives, job, environment.now(), protect)
        if record.problem and decided.delete:
            return Pruned(notes=(f"nothing was deleted: {snapshots.damage(destination, record)}",))
        if decided.refused:
            return Pruned(notes=(f"nothing was deleted: {decided.refused}",))
        if not dry_run:
            going = [snapshot for snapshot in ours if snapshot.id in decided.delete]
            _remove(repository, job, destination, record, going)
        return Pruned(decided.delete, decided.notes)


def _remove(
    repository: Repository, job: Job, destination: str, record: RepositoryRecord, going: Sequence[Snapshot]
) -> None:
    """Forget these snapshots, if any, and give back the space of all that were forgotten."""
    if going:
        record = records.keep(job, destination, replace(record, prune_due=True))
        failpoints.hit("backup.forgetting")
        _forget(repository, job, [snapshot.sid for snapshot in going])
        record = record.only({*record.archives, *record.unfinished} - {snapshot.id for snapshot in going})
    elif record.prune_due:
        repository.work(["prune"], lambda _: None)
    failpoints.hit("backup.pruned")
    records.keep(job, destination, replace(record, prune_due=False))


def _forget(repository: Repository, job: Job, sids: Sequence[str]) -> None:
    """Forget exactly these snapshots: restic must name the same ones before, and they must be gone after. It
    prunes in the same call.

    Raises ArchiveError.
    """
    output: list[bytes] = []
    repository.work(["forget", "--dry-run", *sids], output.append)
    named = restic_output.forgotten(b"".join(output).decode("utf-8", "replace").splitlines())
    if named != {sid[:8] for sid in sids}:
        raise ArchiveError(
            "restic would forget other snapshots than it was told to",
            f"{repository.access.location}: {', '.join(sorted(named)) or 'none'}",
        )
    repository.work(["forget", "--prune", *sids], lambda _: None)
    remaining = {snapshot.sid for snapshot in snapshots.listed(repository, job)} & {*sids}
    if remaining:
        detail = (
            f"{repository.access.location}: {', '.join(sid[:8] for sid in sorted(remaining))} is still there"
        )
        raise ArchiveError("restic ended without an error, and has not forgotten a snapshot", detail)


def prune_after_run(job: Job, destination: str, ident: str, present: Present) -> Pruned:
    """Prune after a new snapshot is in place; a failure becomes a note, for the new one stays.

    The repository is not asked where its snapshots are not listed yet, and nothing in the record may go.
    """
    try:
        if not present.is_known and not _may_go(job, records.record_of(job, destination), ident):
            return Pruned()
        return prune_repository(job, destination, (ident,), listed=present)
    except HostError as problem:
        return Pruned(notes=(f"old archives could not be removed: {problem}",))


def _may_go(job: Job, record: RepositoryRecord, ident: str) -> bool:
    """Whether there may be something to do, or to say, as far as the record tells."""
    if record.prune_due or record.unfinished:
        return True
    decided = decision(snapshots.recorded(record), job, environment.now(), (ident,))
    return bool(decided.delete or decided.refused or decided.notes)
