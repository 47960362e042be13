"""Missing disks: those that fstab(5), a unit or autofs names for the paths of a backup job."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.core.basics.frozen import frozen
from reconciler.formats.disks import Disks


@frozen
class Absent:
    """A disk that is not mounted."""

    mount_point: str
    file: str
    """The file that names it."""
    paths: tuple[str, ...]
    """The paths of the job that lie on it."""


def absent(disks: Disks, job: Mapping[str, object]) -> list[Absent]:
    """The missing disks on which the sources and destinations in a job's document lie."""
    paths_on: dict[str, list[str]] = {}
    for path in (path for key in ("sources", "destinations") for path in _texts(job.get(key))):
        if mount_point := disks.not_mounted(path):
            paths_on.setdefault(mount_point, []).append(path)
    return [
        Absent(mount_point, disks.named[mount_point], tuple(paths)) for mount_point, paths in paths_on.items()
    ]


def _texts(value: object) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
