"""Disks that fstab(5) names for what a backup job reads and writes, and that are not there."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from reconciler.core.host import HostView, Unreadable, UnsafePath
from reconciler.formats import fstab


class Disks:
    """The answers of one host, each asked for at most once."""

    def __init__(self, view: HostView) -> None:
        self._view = view

    @cached_property
    def mounted(self) -> frozenset[str]:
        """Where something is mounted. Raises Unreadable."""
        return self._view.mounts()

    @cached_property
    def named(self) -> frozenset[str]:
        """The mount points that fstab names; none in a tree, where nothing is mounted."""
        if not self._view.running:
            return frozenset()
        try:
            return fstab.mount_points(self._view.excerpt(fstab.PATH)[0].decode("utf-8", "replace"))
        except (FileNotFoundError, Unreadable, UnsafePath):
            return frozenset()

    def not_mounted(self, path: str) -> str:
        """The place at or above `path` that fstab names, and where nothing is mounted; empty if there is none, or nobody can tell."""
        try:
            return fstab.not_mounted(path, self.named, self.mounted) if self.named else ""
        except Unreadable:
            return ""

    def absent(self, job: Mapping[str, object]) -> dict[str, list[str]]:
        """By mount point, the sources and destinations in a job's document whose disk is not there."""
        found: dict[str, list[str]] = {}
        for path in (path for key in ("sources", "destinations") for path in _texts(job.get(key))):
            place = self.not_mounted(path)
            if place:
                found.setdefault(place, []).append(path)
        return found


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
