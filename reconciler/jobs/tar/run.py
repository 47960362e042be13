"""One run: an archive is made in the first destination that works, proved, published, and copied to the
others; then old ones go.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from reconciler.core.host import HostError
from reconciler.formats.backups import manifest as manifests
from reconciler.formats.backups.doubt import most_with
from reconciler.formats.backups.job import Job
from reconciler.formats.backups.manifest import FULL, Manifest
from reconciler.host.archives import stored_archives
from reconciler.host.archives.destination import Destination
from reconciler.host.archives.private_directory import Refused
from reconciler.host.archives.remote.channel import Lost
from reconciler.host.archives.tar import TargetError
from reconciler.host.files.descriptors import descriptor
from reconciler.host.process import environment, progress
from reconciler.jobs import machine_marks, store
from reconciler.jobs.archives import listing
from reconciler.jobs.destinations import open_destination
from reconciler.jobs.making import chain
from reconciler.jobs.making.archive import archived
from reconciler.jobs.making.chain import Link, link_of
from reconciler.jobs.making.copying import NotCopied, bring, copied
from reconciler.jobs.making.done import Done, none_made, reason
from reconciler.jobs.making.mounted import must_be_mounted
from reconciler.jobs.making.original import Original, again
from reconciler.jobs.pruning import Pruned, prune_directory_after_run

Tell = Callable[[str], None]


def make(job: Job, ident: str, tell: Tell, snapshots: str) -> Done:
    """Make the archive of a run; `snapshots` is where the snapshot files of its chains are.

    Raises Refused, HostError: then no archive was made, and none was removed.
    """
    started = max(environment.now(), manifests.started_of(ident))
    made, failed = _make(job, ident, started, tell, snapshots)
    doubts = {path: why for path in made if (why := _doubt(job, path, ident))}
    pruned = {path: _prune(job, path, ident) for path in made}
    return Done(next(iter(made.values())), tuple(made), failed, pruned, doubts)


def _make(
    job: Job, ident: str, started: int, tell: Tell, snapshots: str
) -> tuple[dict[str, Manifest], dict[str, str]]:
    """Make the archive in the first destination that works and copy it to the others; return its manifests
    and the failures, by destination.
    """
    made: dict[str, Manifest] = {}
    failed: dict[str, HostError] = {}
    with Original() as original:
        for path in itertools.chain(job.nearest, again(job, failed, tell)):
            try:
                if path in job.places and not job.root:
                    must_be_mounted(path)
                with open_destination(job, path, make=True) as directory:
                    machine_marks.claim(directory, job.name)
                    for line in store.tidy(directory, job.name):
                        tell(f"{path}: {line}")
                    made[path] = _make_in(directory, job, ident, started, original, snapshots)
                    if directory.remark:
                        tell(f"{path}: {directory.remark}")
                failed.pop(path, None)
            except (TargetError, Refused) as problem:
                failed[path] = problem
            except HostError as problem:
                # tar itself failed, or the first copy could not be read: another destination will not help,
                # but archives that were made stay.
                if not made:
                    raise
                failed[path] = problem
    if not made:
        raise none_made(job, failed)
    with suppress(HostError):  # the next run removes them
        chain.settle(job, next(iter(made.values())), snapshots)
    return made, {path: reason(job, path, problem) for path, problem in failed.items()}


def _make_in(
    directory: Destination, job: Job, ident: str, started: int, original: Original, snapshots: str
) -> Manifest:
    """Make the archive, or copy that of the first destination, after all that it needs."""
    entries = stored_archives.scan(directory, job.name).entries
    published = [entry.manifest for entry in entries if entry.manifest.id == ident]
    if published:  # the connection was lost after that
        return published[0]
    partial, made_here = store.partial_name(job.name, ident, job.suffix), original.manifest is None
    try:
        link = _linked(directory, job, started, original.manifest, snapshots)
        before = [entry for entry in stored_archives.scan(directory, job.name).entries if entry.good]
        needed = _room(directory, before, original, is_full=not link.parents)
        manifest = original.manifest
        if manifest is None:
            with descriptor(directory.create(partial, needed)) as fd:
                with progress.through(fd, "writing the archive", needed if before else 0):
                    manifest = archived(fd, job, ident, started, link, snapshots)
                original.keep(fd, manifest)
                directory.deliver(partial, fd, manifest.sha256)
        else:
            manifest = copied(directory, partial, original.fd, manifest)
        manifest = replace(manifest, most=most_with((entry.manifest for entry in before), manifest))
        store.publish(directory, manifest)
    except BaseException:
        if made_here and not directory.is_remote:
            original.drop()  # another destination will not take it from a disk that may be broken
        with suppress(Lost):  # the next run tidies up
            store.tidy(directory, job.name)
        raise
    return manifest


def _linked(directory: Destination, job: Job, started: int, first: Manifest | None, snapshots: str) -> Link:
    """The archives that the one in this destination is built upon, all of which are there then."""
    if job.type == FULL:
        return Link()
    listed = listing(job)
    link = Link(first.kind, first.parents) if first else link_of(job, listed, started, snapshots)
    try:
        bring(directory, job, listed, link.parents)
    except NotCopied as problem:
        if first:
            raise
        return Link(why_full=str(problem))
    return link


def _room(
    directory: Destination, before: Sequence[stored_archives.Entry], original: Original, *, is_full: bool
) -> int:
    """The bytes that the archive will take, as far as that is known. Raises Refused where there are fewer."""
    manifest = original.manifest
    like = [entry.manifest.bytes for entry in before if is_full is not bool(entry.manifest.parents)]
    needed = manifest.bytes if manifest else like[-1] if like else 1
    free = directory.free()
    if free < needed:
        raise Refused(
            "too little space is left",
            f"{directory.path} has {free} bytes free, the last archive took {needed}",
        )
    return needed


def _doubt(job: Job, path: str, ident: str) -> str:
    """Why the new archive is in doubt, compared with the older ones; empty if it is not, or they cannot be
    read.
    """
    try:
        with open_destination(job, path) as directory:
            return stored_archives.scan(directory, job.name).doubts.get(ident, "")
    except HostError:
        return ""


def _prune(job: Job, path: str, ident: str) -> Pruned:
    """Remove old archives after the new one is in place; a failure becomes a note, for the new one stays."""
    try:
        with open_destination(job, path) as directory:
            return prune_directory_after_run(directory, job, ident)
    except HostError as problem:
        return Pruned(notes=(f"old archives could not be removed: {problem}",))
