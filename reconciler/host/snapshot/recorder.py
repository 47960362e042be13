"""The records of a host's paths, as they go into a snapshot.

A record has type, mode and owner, and whether a directory is known whole. It has no content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.core.actions import Attributes
from reconciler.core.host import Entry, FileType, HostError, HostView, Transaction, UnitNode, UnitState
from reconciler.formats.accounts import nsswitch

MOST_NAMES = 2000
"""A directory with more names is not listed: its content is then unknown."""
MOST_PATHS = 8_000
"""A snapshot that has so many paths lists no further directory."""


class Recorder:
    """A HostView that notes what it was asked for."""

    def __init__(self, host: HostView) -> None:
        self.running, self.basis = host.running, host.basis
        self.paths: dict[str, dict[str, Any] | None] = {}
        """The record of each path; None where nothing is."""
        self.times: dict[str, tuple[int, int]] = {}
        """When each path was written (mtime) and changed (ctime), in nanoseconds since the epoch."""
        self.unlisted: set[str] = set()
        """Directories with too many names to be listed."""
        self.conditions_asked: dict[str, bool | None] = {}
        """The answer to each condition; None where the host has none."""
        self.host = host

    def entry(self, path: str) -> Entry | None:
        """As HostView.entry."""
        self.note(path)
        return self.host.entry(path)

    def read(self, path: str) -> bytes:
        """As HostView.read."""
        self.note(path)
        return self.host.read(path)

    def excerpt(self, path: str) -> tuple[bytes, str]:
        """As HostView.excerpt."""
        self.note(path)
        return self.host.excerpt(path)

    def digest(self, path: str) -> str:
        """As HostView.digest."""
        self.note(path)
        return self.host.digest(path)

    def names(self, path: str) -> tuple[str, ...]:
        """As HostView.names."""
        self.list_directory(path)
        return self.host.names(path)

    def attributes(self, path: str) -> Attributes:
        """As HostView.attributes."""
        return self.host.attributes(path)

    def mounts(self) -> frozenset[str]:
        """As HostView.mounts."""
        return self.host.mounts()

    def units(self, names: Sequence[str]) -> Mapping[str, UnitState]:
        """As HostView.units."""
        return self.host.units(names)

    def named(self, name: str, *, group: bool = False) -> int | None:
        """As HostView.named."""
        self.note(nsswitch.PATH)
        return self.host.named(name, group=group)

    def relations(self, names: Sequence[str]) -> Mapping[str, UnitNode]:
        """As HostView.relations."""
        return self.host.relations(names)

    def conditions(self, texts: Sequence[str]) -> Mapping[str, bool]:
        """As HostView.conditions."""
        answers = self.host.conditions(texts)
        self.conditions_asked.update({text: answers.get(text) for text in texts})
        return answers

    def transaction(self, install: Sequence[str], remove: Sequence[str]) -> Transaction | None:
        """As HostView.transaction."""
        return self.host.transaction(install, remove)

    def note(self, path: str) -> None:
        """Note a path and every directory above it, as far as they can be looked at."""
        steps = path.split("/")
        for depth in range(1, len(steps) + 1):
            ancestor = "/".join(steps[:depth]) or "/"
            if ancestor not in self.paths and not self._note(ancestor):
                return
            if not self._is_directory(ancestor):
                return

    def list_directory(self, path: str, most: int = MOST_NAMES) -> bool:
        """Note everything that is in a directory. Whether the directory is known whole now."""
        self.note(path)
        record = self.paths.get(path)
        if record is None or record.get("type") != FileType.DIRECTORY:
            return False
        if record.get("listed"):
            return True
        try:
            names = self.host.names(path)
        except HostError:
            return False
        if len(names) > most or len(self.paths) + len(names) > MOST_PATHS:
            self.unlisted.add(path)
            return False
        children = [f"{path.rstrip('/')}/{name}" for name in names]
        unknown = [child for child in children if child not in self.paths and not self._note(child)]
        if not unknown:
            record["listed"] = True
            self.unlisted.discard(path)
        return not unknown

    def scan(self, path: str, depth: int, most: int, skip: Sequence[str] = ()) -> None:
        """List a directory and those below it, `depth` levels deep; none with a name in `skip` is entered."""
        todo = [(path, depth)]
        for directory, levels in todo:
            if self.list_directory(directory, most) and levels > 1:
                names = [name for name in self.host.names(directory) if name not in skip]
                children = [f"{directory.rstrip('/')}/{name}" for name in names]
                todo += [(child, levels - 1) for child in children if self._is_directory(child)]

    def records(self) -> dict[str, dict[str, Any] | None]:
        """The records that a snapshot needs, by path.

        None is left out where the directory above is listed or is not there itself: both tell the same.
        """
        return {
            path: record
            for path, record in self.paths.items()
            if record is not None or self._is_unlisted(path.rpartition("/")[0] or "/")
        }

    def _is_directory(self, path: str) -> bool:
        record = self.paths.get(path)
        return record is not None and record.get("type") == FileType.DIRECTORY

    def _is_unlisted(self, parent: str) -> bool:
        record = self.paths.get(parent)
        return record is not None and "listed" not in record

    def _note(self, path: str) -> bool:
        """Record a path alone. Whether it could be looked at."""
        try:
            entry = self.host.entry(path)
        except HostError:
            return False
        self.paths[path] = None if entry is None else _entry_record(entry)
        if entry is not None:
            self.times[path] = (entry.mtime_ns, entry.ctime_ns)
        return True


def _entry_record(entry: Entry) -> dict[str, Any]:
    """The record of an entry; a field that is left out means: a file, root's."""
    data: dict[str, Any] = {} if entry.type is FileType.FILE else {"type": str(entry.type)}
    if entry.type is FileType.LINK:
        data["target"] = entry.target
    else:
        data["mode"] = entry.mode
    data |= {
        name: value for name, value in (("owner", entry.owner), ("group", entry.group)) if value != "root"
    }
    if entry.type is FileType.FILE:
        data["size"] = entry.size
        if entry.nlink != 1:
            data["links"] = entry.nlink
    return data
