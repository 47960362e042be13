"""The things at paths of a host, as they go into a snapshot.

These are types, modes, owners, and which directories are known whole. No content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.core.actions import Attributes
from reconciler.core.host import Entry, FileType, HostError, HostView, UnitNode, UnitState
from reconciler.formats.accounts import nsswitch

MOST_NAMES = 2000
"""A directory with more is not listed: what is in it is then unknown."""
MOST_PATHS = 8_000
"""Paths in one snapshot; from there on directories are not listed."""


class Recorder:
    """A HostView that notes what it was asked for. `paths` is None for what is known not to be there.

    `times` are when something was written and changed, in nanoseconds since the epoch.
    """

    def __init__(self, host: HostView) -> None:
        self.running, self.basis = host.running, host.basis
        self.paths: dict[str, dict[str, Any] | None] = {}
        self.times: dict[str, tuple[int, int]] = {}
        self.unlisted: set[str] = set()
        self.conditions_asked: dict[str, bool | None] = {}
        self._host = host

    def entry(self, path: str) -> Entry | None:
        """As HostView.entry."""
        self.note(path)
        return self._host.entry(path)

    def read(self, path: str) -> bytes:
        """As HostView.read."""
        self.note(path)
        return self._host.read(path)

    def excerpt(self, path: str) -> tuple[bytes, str]:
        """As HostView.excerpt."""
        self.note(path)
        return self._host.excerpt(path)

    def digest(self, path: str) -> str:
        """As HostView.digest."""
        self.note(path)
        return self._host.digest(path)

    def names(self, path: str) -> tuple[str, ...]:
        """As HostView.names."""
        self.list(path)
        return self._host.names(path)

    def attributes(self, path: str) -> Attributes:
        """As HostView.attributes."""
        return self._host.attributes(path)

    def mounts(self) -> frozenset[str]:
        """As HostView.mounts."""
        return self._host.mounts()

    def units(self, names: Sequence[str]) -> Mapping[str, UnitState]:
        """As HostView.units."""
        return self._host.units(names)

    def named(self, name: str, *, group: bool = False) -> int | None:
        """As HostView.named."""
        self.note(nsswitch.PATH)
        return self._host.named(name, group=group)

    def relations(self, names: Sequence[str]) -> Mapping[str, UnitNode]:
        """As HostView.relations."""
        return self._host.relations(names)

    def conditions(self, texts: Sequence[str]) -> Mapping[str, bool]:
        """As HostView.conditions."""
        answers = self._host.conditions(texts)
        self.conditions_asked.update({text: answers.get(text) for text in texts})
        return answers

    def note(self, path: str) -> None:
        """A path and every directory above it, as far as they can be looked at."""
        steps = path.split("/")
        for depth in range(1, len(steps) + 1):
            at = "/".join(steps[:depth]) or "/"
            if at not in self.paths and not self._note(at):
                return
            said = self.paths.get(at)
            if said is None or said.get("type") != FileType.DIRECTORY:
                return

    def list(self, path: str, most: int = MOST_NAMES) -> bool:
        """Everything that is in a directory; whether it is known whole now."""
        self.note(path)
        said = self.paths.get(path)
        if said is None or said.get("type") != FileType.DIRECTORY or said.get("listed"):
            return said is not None and bool(said.get("listed"))
        try:
            names = self._host.names(path)
        except HostError:
            return False
        if len(names) > most or len(self.paths) + len(names) > MOST_PATHS:
            self.unlisted.add(path)
            return False
        below = [f"{path.rstrip('/')}/{name}" for name in names]
        unknown = [at for at in below if at not in self.paths and not self._note(at)]
        if not unknown:
            said["listed"] = True
            self.unlisted.discard(path)
        return not unknown

    def scan(self, path: str, depth: int, most: int, skip: Sequence[str] = ()) -> None:
        """A directory with those below it, so many levels deep; those of a name in `skip` are not entered."""
        todo = [(path, depth)]
        for at, left in todo:
            if self.list(at, most) and left > 1:
                below = [f"{at.rstrip('/')}/{name}" for name in self._host.names(at) if name not in skip]
                todo += [
                    (one, left - 1)
                    for one in below
                    if (self.paths.get(one) or {}).get("type") == FileType.DIRECTORY
                ]

    def known(self) -> dict[str, dict[str, Any] | None]:
        """The facts worth writing down.

        That nothing is at a path is left out where its directory is listed, or is not there itself.
        """
        return {
            path: said
            for path, said in self.paths.items()
            if said is not None or self._tells(path.rpartition("/")[0] or "/")
        }

    def _tells(self, parent: str) -> bool:
        above = self.paths.get(parent)
        return above is not None and "listed" not in above

    def _note(self, path: str) -> bool:
        try:
            entry = self._host.entry(path)
        except HostError:
            return False
        self.paths[path] = None if entry is None else _data(entry)
        if entry is not None:
            self.times[path] = (entry.mtime_ns, entry.ctime_ns)
        return True


def _data(entry: Entry) -> dict[str, Any]:
    """The data of an entry; fields that are left out mean: a file, root's."""
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
