"""Disks that fstab(5), a unit or autofs names for what a backup job reads and
writes, and that are not there.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.core.basics.frozen import frozen
from reconciler.formats.disks import Disks


@frozen
class Absent:
    """A disk that is not there: its mount point, the file that names it, and what lies on it."""

    place: str
    file: str
    paths: tuple[str, ...]


def absent(disks: Disks, job: Mapping[str, object]) -> list[Absent]:
    """The disks that are not there, of those on which the sources and destinations
    in a job's document lie.
    """
    found: dict[str, list[str]] = {}
    for path in (path for key in ("sources", "destinations") for path in _texts(job.get(key))):
        place = disks.not_mounted(path)
        if place:
            found.setdefault(place, []).append(path)
    return [Absent(place, disks.named[place], tuple(paths)) for place, paths in found.items()]


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
