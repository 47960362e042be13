"""The parts of a restore drill that are restic's own: choosing files of a snapshot, and comparing what came
back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.formats.backups.job import Job
from reconciler.formats.backups.manifest import Manifest
from reconciler.host.archives import restored
from reconciler.host.archives.restored import File, Reservoir
from reconciler.host.process import environment
from reconciler.jobs.restic.compare import differences as compare
from reconciler.jobs.restic.contents import for_each_node
from reconciler.jobs.restic.repositories import open_repository


def offer_files(job: Job, destination: str, manifest: Manifest, reservoir: Reservoir) -> None:
    """Offer the files of a snapshot. Raises HostError."""
    with open_repository(job, destination) as repository:
        for_each_node(repository, manifest.sha256, lambda node: _offer(node, reservoir))


def _offer(node: Mapping[str, Any], reservoir: Reservoir) -> None:
    if node.get("type") == "file":
        reservoir.offer(File(str(node["path"]), int(node.get("size", 0)), ""))


def differences(
    job: Job, destination: str, manifest: Manifest, tree: int, files: Sequence[File]
) -> tuple[str, ...]:
    """The differences between a snapshot, or some files of it, and an open restored tree.

    Raises HostError.
    """
    if files:
        return restored.missing(tree, files)
    with open_repository(job, destination) as repository:
        lines = compare(repository, manifest, tree)
    return lines if environment.is_root() else restored.without_owners(lines)
