"""Copying an archive from one destination of a job to another, proved on arrival."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reconciler.core.host import HostError
from reconciler.formats.backups.doubt import most_with
from reconciler.formats.backups.job import Job
from reconciler.formats.backups.manifest import Manifest
from reconciler.host.archives import stored_archives, tar
from reconciler.host.archives.destination import Destination
from reconciler.host.archives.stored_archives import why_bad
from reconciler.host.archives.tar import ArchiveError, TargetError
from reconciler.host.files.descriptors import descriptor
from reconciler.host.process import environment, failpoints, progress
from reconciler.jobs import store
from reconciler.jobs.archives import Listing, manifest_of
from reconciler.jobs.destinations import open_destination
from reconciler.jobs.making.archive import NOT_ITS_SUM, proved


class NotCopied(ArchiveError):
    """No destination has a good copy of an archive that another one lacks."""


def copied(directory: Destination, partial: str, fd: int, manifest: Manifest) -> Manifest:
    """Copy an open archive into a destination, under the name of an unfinished file. Raises HostError."""
    if directory.is_remote:  # the sum is computed over there
        directory.deliver(partial, fd, manifest.sha256)
        return manifest
    with descriptor(directory.create(partial)) as target:
        with progress.through(target, "writing the archive", manifest.bytes):
            written = tar.copy(fd, target)
        if written.sha256 != manifest.sha256:
            raise ArchiveError("the archive changed while it was copied", f"{directory.path}/{partial}")
        return proved(target, manifest) if manifest.verified else manifest


def bring(directory: Destination, job: Job, listed: Listing, idents: Sequence[str]) -> None:
    """Copy those of the archives that a destination lacks, or has only a bad copy of, from the others.

    It missed a run: it was full, or not there. Raises TargetError; NotCopied where no other has a good copy.
    """
    for ident in idents:
        entries = {entry.manifest.id: entry for entry in stored_archives.scan(directory, job.name).entries}
        if ident in entries and not why_bad(entries[ident]):
            continue
        good = [entry.manifest for entry in entries.values() if entry.good]
        manifest = _copy_from_any(directory, job, listed, ident)
        if ident in entries:
            store.delete(directory, job.name, ident)
        older = [other for other in good if (other.started, other.id) < (manifest.started, ident)]
        store.publish(directory, replace(manifest, most=most_with(older, manifest)))
        failpoints.hit("backup.ancestor")


def _copy_from_any(directory: Destination, job: Job, listed: Listing, ident: str) -> Manifest:
    """Write a copy of an archive under the name of an unfinished file. Raises ArchiveError, TargetError."""
    copies = next((copies for copies in listed.archives if manifest_of(copies).id == ident), {})
    reasons: list[str] = []
    for path, entry in copies.items():
        if path == directory.path or why_bad(entry):
            continue
        partial = stored_archives.PARTIAL + entry.manifest.archive
        directory.remove(partial)
        try:
            with open_destination(job, path) as source, descriptor(source.open(entry.manifest.archive)) as fd:
                if tar.sum_of(fd) == entry.manifest.sha256:
                    return copied(directory, partial, fd, entry.manifest)
                store.record(source, entry.manifest.judged(good=False, now=environment.now()))
                reasons.append(f"{path}: {NOT_ITS_SUM}")
        except TargetError:
            raise
        except HostError as problem:
            reasons.append(str(problem))
    raise NotCopied("an archive that is needed cannot be copied", f"{ident}: {'; '.join(reasons)}")
