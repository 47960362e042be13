"""Pruning: removing old archives, as retention decides."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping

from reconciler.core.basics.frozen import frozen
from reconciler.formats.backups.job import Job, Keep
from reconciler.formats.backups.manifest import stem, timestamp
from reconciler.formats.backups.retention import Archive, Decision, decide
from reconciler.host.archives import stored_archives
from reconciler.host.archives.destination import Destination
from reconciler.host.process import environment
from reconciler.host.state.job_lock import RUN
from reconciler.jobs import machine_marks, store
from reconciler.jobs.destinations import open_destination
from reconciler.jobs.lock import lock_of

_MADE = 1_767_225_600
"""2026-01-01, in seconds since the epoch: this program is younger."""


@frozen
class Pruned:
    """The archives that were (or, in a dry run, would be) removed from one destination, the oldest first, and
    notes.
    """

    removed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def decision(
    scanned: stored_archives.StoredArchives, job: Job, now: int, protect: Collection[str] = ()
) -> Decision:
    """The decision of retention about these archives; a job without any rule keeps everything."""
    doubtful = scanned.doubts
    archives = [
        Archive(
            item.manifest.id,
            item.manifest.started,
            item.good,
            item.manifest.parents,
            item.manifest.id in doubtful,
        )
        for item in scanned.entries
    ]
    if job.keep == Keep():
        return Decision({item.id: "the job has no rule" for item in archives})
    return decide(archives, job.keep, now, job.clock_jump, protect)


def prune_directory(
    directory: Destination, job: Job, now: int, protect: Collection[str] = (), *, dry_run: bool = False
) -> Pruned:
    """Remove the archives that retention does not keep, under the job's lock. Raises TargetError."""
    decided = decision(stored_archives.scan(directory, job.name), job, now, protect)
    notes = (
        (f"nothing was deleted: {decided.refused}{_way_out(decided, directory, job, now)}",)
        if decided.refused
        else decided.notes
    )
    # The newest first: whatever ends the run, each archive that is left has those that it needs.
    for ident in reversed(decided.delete) if not dry_run else ():
        store.delete(directory, job.name, ident)
    return Pruned(decided.delete, notes)


def prune_directory_after_run(directory: Destination, job: Job, ident: str) -> Pruned:
    """Prune after a run that made the archive `ident`. Raises HostError.

    It was just proved, but not what it is built upon: that is read before anything goes for its sake.
    """
    scanned, now = stored_archives.scan(directory, job.name), environment.now()
    is_chain = any(entry.manifest.parents for entry in scanned.entries)
    if is_chain and decision(scanned, job, now, (ident,)).delete:
        _doubt_the_newest(directory, job)
    return prune_directory(directory, job, now, protect=(ident,))


def _way_out(decided: Decision, directory: Destination, job: Job, now: int) -> str:
    """The end of a message: how to remove an archive whose time is still to come; empty where that is no way.

    An archive that was made while the clock was wrong may lie years ahead of the right clock. A clock that is
    before this program was made is wrong now (a host without a battery, before it has the time): then the
    archive is a real one.
    """
    if not decided.future or now < _MADE:
        return ""
    files = f"{stem(job.name, decided.future)}.*"
    if directory.is_remote:
        return f"; or, if {timestamp(now)} is the time, remove {files} over there"
    archives = f"{shlex.quote(directory.path)}/{files}"
    return f"; or, if {timestamp(now)} is the time, remove that archive: rm {archives}"


def prune(job: Job, *, dry_run: bool, lock_directory: str = RUN) -> Mapping[str, Pruned]:
    """Prune every destination.

    The newest good archive is read first: nothing is deleted for the sake of one that has rotted since.

    Raises JobBusy, Refused where archives are another machine's (then nothing was deleted), HostError.
    """
    result: dict[str, Pruned] = {}
    with lock_of(job, lock_directory):
        machine_marks.all_must_be_ours(job)
        for path in job.destinations:
            with open_destination(job, path) as directory:
                if not dry_run:
                    store.tidy(directory, job.name)
                    _doubt_the_newest(directory, job)
                result[path] = prune_directory(directory, job, environment.now(), dry_run=dry_run)
    return result


def _doubt_the_newest(directory: Destination, job: Job) -> None:
    """Mark archives as bad until the newest good one, and all that it needs, still have their sums."""
    while True:
        entries = stored_archives.scan(directory, job.name).entries
        newest = next((entry.manifest for entry in reversed(entries) if entry.good), None)
        needed = [entry.manifest for entry in entries if newest and entry.manifest.id in newest.members]
        rotten = [manifest for manifest in needed if directory.sum_of(manifest.archive) != manifest.sha256]
        for manifest in rotten:
            store.record(directory, manifest.judged(good=False, now=environment.now()))
        if not rotten:
            return
