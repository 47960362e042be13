"""The parts of a restore drill that are restic's own: choosing files of a snapshot, and comparing what came
back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.formats.backups.job import Job
from reconciler.host.archives import restored
from reconciler.host.archives.restored import File, Reservoir
from reconciler.host.process import environment
from reconciler.jobs.restic.compare import differences as compare
from reconciler.jobs.restic.contents import for_each_node
from reconciler.jobs.restic.repositories import open_repository
from reconciler.jobs.restoring.chosen import Chosen


def offer_files(job: Job, chosen: Chosen, reservoir: Reservoir) -> None:
    """Offer the files of a snapshot. Raises HostError."""
    with open_repository(job, chosen.destination) as repository:
        for_each_node(repository, chosen.manifest.sha256, lambda node: _offer(node, reservoir))


def _offer(node: Mapping[str, Any], reservoir: Reservoir) -> None:
    if node.get("type") == "file":
        reservoir.offer(File(str(node["path"]), int(node.get("size", 0)), ""))


def differences(job: Job, chosen: Chosen, tree: int, files: Sequence[File]) -> Sequence[str]:
    """The differences between a snapshot, or some files of it, and an open restored tree.

    Raises HostError.
    """
    if files:
        return restored.missing(tree, files)
    with open_repository(job, chosen.destination) as repository:
        lines = compare(repository, chosen.manifest, tree)
    return lines if environment.is_root() else restored.without_owners(lines)
