"""The parts of a restore drill that are tar's own: choosing files of an archive, and comparing what came
back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from reconciler.formats.backups.job import Job
from reconciler.formats.backups.manifest import Manifest
from reconciler.host.archives import restored
from reconciler.host.archives.restored import File, Reservoir
from reconciler.host.files.descriptors import descriptor
from reconciler.jobs.destinations import open_destination
from reconciler.jobs.restoring.chosen import Chosen


def offer_files(job: Job, chosen: Chosen, reservoir: Reservoir) -> None:
    """Offer the files of an archive, and of those that it needs. Raises HostError."""
    present = _present(job, chosen) if chosen.parents else None
    for manifest in (*chosen.parents, chosen.manifest):
        with _archive(job, chosen, manifest) as fd:
            restored.offer_files(fd, manifest.compress, reservoir, manifest.id, present)


def _present(job: Job, chosen: Chosen) -> set[bytes]:
    """Everything that was there when the last archive of a chain was made."""
    with _archive(job, chosen, chosen.manifest) as fd:
        return restored.names(fd, chosen.manifest.compress)


@contextmanager
def _archive(job: Job, chosen: Chosen, manifest: Manifest) -> Iterator[int]:
    with (
        open_destination(job, chosen.destination) as directory,
        descriptor(directory.open(manifest.archive)) as fd,
    ):
        yield fd


def differences(job: Job, chosen: Chosen, tree: int, files: Sequence[File]) -> Sequence[str]:
    """The differences between an archive, or some files of it, and an open restored tree.

    Raises HostError.
    """
    newest = chosen.manifest
    if not files:
        present = _present(job, chosen) if chosen.parents else set()
        lost = [line for parent in chosen.parents for line in _lost(job, chosen, parent, tree, present)]
        return [*_compare(job, chosen, newest, tree, ()), *dict.fromkeys(lost)]
    return [
        line
        for manifest in (*chosen.parents, newest)
        if (paths := [file.path for file in files if file.archive == manifest.id])
        for line in _compare(job, chosen, manifest, tree, paths)
    ]


def _compare(
    job: Job, chosen: Chosen, manifest: Manifest, tree: int, paths: Sequence[str]
) -> tuple[str, ...]:
    with _archive(job, chosen, manifest) as fd:
        return restored.differences(fd, manifest.compress, tree, paths, chain=manifest.in_chain)


def _lost(job: Job, chosen: Chosen, parent: Manifest, tree: int, present: Collection[bytes]) -> list[str]:
    """The files of an older archive of a chain that were there at its end and did not come back."""
    with _archive(job, chosen, parent) as fd:
        return restored.absent(fd, parent.compress, tree, present)
