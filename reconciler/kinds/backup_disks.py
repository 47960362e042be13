"""Disks that fstab(5), a unit or autofs names for what a backup job reads and writes, and that are not there."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from reconciler.core.host import FileType, HostView, Unreadable, UnsafePath
from reconciler.core.values import frozen
from reconciler.formats import fstab, named_mounts

_NOWHERE = "/dev/null"


@frozen
class Absent:
    """A disk that is not there: its mount point, the file that names it, and what lies on it."""

    place: str
    file: str
    paths: tuple[str, ...]


class Disks:
    """The answers of one host, each asked for at most once."""

    def __init__(self, view: HostView) -> None:
        self._view = view

    @cached_property
    def mounted(self) -> frozenset[str]:
        """Where something is mounted. Raises Unreadable."""
        return self._view.mounts()

    @cached_property
    def named(self) -> dict[str, str]:
        """The mount points that are named, each with the file that does; none in a tree, where nothing is mounted."""
        return named_mounts.named(self._names, self._text) if self._view.running else {}

    def _names(self, directory: str) -> tuple[str, ...]:
        try:
            return self._view.names(directory)
        except (Unreadable, UnsafePath):
            return ()

    def _text(self, path: str) -> str | None:
        try:
            entry = self._view.entry(path)
            if entry is not None and entry.type is FileType.LINK:
                return "" if entry.target == _NOWHERE else None
            return None if entry is None else self._view.excerpt(path)[0].decode("utf-8", "replace")
        except (FileNotFoundError, Unreadable, UnsafePath):
            return None

    def not_mounted(self, path: str) -> str:
        """The place at or above `path` that is named, and where nothing is mounted; empty if there is none, or nobody can tell."""
        try:
            return fstab.not_mounted(path, self.named, self.mounted) if self.named else ""
        except Unreadable:
            return ""

    def absent(self, job: Mapping[str, object]) -> list[Absent]:
        """The disks that are not there, of those on which the sources and destinations in a job's document lie."""
        found: dict[str, list[str]] = {}
        for path in (path for key in ("sources", "destinations") for path in _texts(job.get(key))):
            place = self.not_mounted(path)
            if place:
                found.setdefault(place, []).append(path)
        return [Absent(place, self.named[place], tuple(paths)) for place, paths in found.items()]


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
