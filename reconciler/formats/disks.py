"""Disks of a host that fstab(5), a unit or autofs names, and that are not there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from re import MULTILINE

from reconciler.core.basics.lazy_regex import Late
from reconciler.core.host import FileType, HostView, Unreadable, UnsafePath
from reconciler.formats import fstab, named_mounts

_NOWHERE = "/dev/null"
_EMPTIED = ("/run", "/tmp", "/dev", "/proc", "/sys", "/var/run", "/var/lock")  # noqa: S108  # nothing is put there
"""Places that every boot begins anew with, or that are no disk (file-hierarchy(7))."""
_MEDIA = "/run/media"
"""Where disks are mounted that somebody plugs in."""
_TYPE = Late(rf"^\s*Type\s*=\s*(?:{'|'.join(sorted(fstab.IN_MEMORY))})\s*$", MULTILINE)


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
        """The mount points that are named, each with the file that does; none in a tree, where nothing is
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
        """The place at or above `path` that is named, and where nothing is mounted; empty if there is none,
        or nobody can tell.
        """
        try:
            return fstab.not_mounted(path, self.named, self.mounted) if self.named else ""
        except Unreadable:
            return ""

    def gone_at_boot(self, path: str) -> str:
        """The place at or above `path` of which nothing is left after the next boot; empty if there is none,
        or nobody can tell.
        """
        around = (path, *fstab.parents(path))
        nearest = next((place for place in around if place in self.named), "")
        if nearest and self._is_in_memory(nearest):
            return nearest
        emptied = next((place for place in around if place in _EMPTIED and _MEDIA not in around), "")
        return "" if len(nearest) > len(emptied) else emptied

    def _is_in_memory(self, place: str) -> bool:
        file = self.named[place]
        text = self._text(file) or ""
        if file == fstab.PATH:
            return place in fstab.in_memory(text)
        return bool(_TYPE.search(text))

    def bare(self, paths: Iterable[str]) -> str:
        """Why nothing is to be made at these paths, and what to do: the first on a disk that is not there;
        empty if there is none.
        """
        return next(self._bare(paths), "")

    def _bare(self, paths: Iterable[str]) -> Iterator[str]:
        for path in paths:
            if place := self.not_mounted(path):
                why = f"{place} is a mount by {self.named[place]}, and nothing is mounted there"
                how = f"mount it (mount {place}), or {named_mounts.advice(self.named[place])}"
                yield f"{why}: {path} would be on the bare directory, and hidden by it; {how}"
