"""Disks of a host that fstab(5), a unit or autofs names, and that may not be mounted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from re import MULTILINE

from reconciler.core.basics.lazy_regex import Late
from reconciler.core.host import FileType, HostView, Unreadable, UnsafePath
from reconciler.formats import fstab, named_mounts

_NOWHERE = "/dev/null"
_EMPTIED = ("/run", "/tmp", "/dev", "/proc", "/sys", "/var/run", "/var/lock")  # noqa: S108  # nothing is put there
"""Directories that are empty after every boot, or no disk (file-hierarchy(7))."""
_MEDIA = "/run/media"
"""The directory below which disks that somebody plugs in are mounted."""
_TYPE = Late(rf"^\s*Type\s*=\s*(?:{'|'.join(sorted(fstab.IN_MEMORY))})\s*$", MULTILINE)


class Disks:
    """The mount points of one host, each list asked for at most once."""

    def __init__(self, view: HostView) -> None:
        self._view = view

    @cached_property
    def mounted(self) -> frozenset[str]:
        """The paths where something is mounted. Raises Unreadable."""
        return self._view.mounts()

    @cached_property
    def named(self) -> dict[str, str]:
        """The mount points that a file names, each with that file; none in a tree, where nothing is
        mounted.
        """
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
        """The mount point at or above `path` that a file names and where nothing is mounted; empty if
        there is none, or nobody can tell.
        """
        try:
            return fstab.not_mounted(path, self.named, self.mounted) if self.named else ""
        except Unreadable:
            return ""

    def gone_at_boot(self, path: str) -> str:
        """The directory at or above `path` that the next boot empties; empty if there is none, or nobody can
        tell.
        """
        around = (path, *fstab.parents(path))
        nearest = next((directory for directory in around if directory in self.named), "")
        if nearest and self._is_in_memory(nearest):
            return nearest
        emptied = next(
            (directory for directory in around if directory in _EMPTIED and _MEDIA not in around), ""
        )
        return "" if len(nearest) > len(emptied) else emptied

    def _is_in_memory(self, mount_point: str) -> bool:
        file = self.named[mount_point]
        text = self._text(file) or ""
        if file == fstab.PATH:
            return mount_point in fstab.in_memory(text)
        return bool(_TYPE.search(text))

    def bare(self, paths: Iterable[str]) -> str:
        """Why nothing is to be made at the first of these paths whose disk is not mounted, and what to do;
        empty if there is none.
        """
        return next(self._bare(paths), "")

    def _bare(self, paths: Iterable[str]) -> Iterator[str]:
        for path in paths:
            if mount_point := self.not_mounted(path):
                why = f"{mount_point} is a mount by {self.named[mount_point]}, and nothing is mounted there"
                how = f"mount it (mount {mount_point}), or {named_mounts.advice(self.named[mount_point])}"
                yield f"{why}: {path} would be on the bare directory, and hidden by it; {how}"
