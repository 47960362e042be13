"""The files that a path of a spec stands for, as systemd and programs come to them: through links, in
directories, by glob(3) patterns.

A link is followed only where root alone decides where it leads: it is root's, and nobody else can write to a
directory that it is in. Root would otherwise be led by whoever can put another link there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from reconciler.core.basics.globs import is_pattern, segment_matches
from reconciler.core.host import Entry, FileType, HostView, UnsafePath

MOST_ENTRIES = 1000
"""The limit for all directories that one path stands for; beyond it changes are not seen, and a warning says
so.
"""
_MOST_LINKS = 40
"""As many as the kernel follows."""
_STICKY, _GROUP_WRITES, _OTHERS_WRITE = 0o1000, 0o020, 0o002


@dataclass(slots=True)
class ConfigFiles:
    """The files that a path stands for now."""

    path: str
    files: dict[str, tuple[str, Entry]] = field(default_factory=dict)
    """Regular files by the name under which they are reached, each with its real path and entry."""
    entries: dict[str, Entry] = field(default_factory=dict)
    """All links, files and directories that decide which files these are."""
    single: bool = True
    """Whether it can only be one file."""
    gone: list[str] = field(default_factory=list)
    """Real paths at which nothing is."""
    patterns: list[tuple[str, str]] = field(default_factory=list)
    """Real directories, each with the pattern of names in it that count."""
    trees: list[str] = field(default_factory=list)
    """Real directories below which everything counts."""
    blind: str = ""
    """Why some changes are not seen; empty if all are."""
    mark: str = ""
    """Stands for what is known of the link that was not followed."""

    def concerns(self, touched: Collection[str]) -> bool:
        """Whether a change at one of these paths can change what this stands for."""
        return any(self._concerns(path) for path in touched)

    def _concerns(self, path: str) -> bool:
        if path in self.entries or path == self.path or self.path.startswith(f"{path}/"):
            return True
        if any(f"{path}/".startswith(f"{top}/") for top in (*self.trees, *self.gone)):
            return True
        directory, _, name = path.rpartition("/")
        return any(directory == at and segment_matches(pattern, name) for at, pattern in self.patterns)


class _Blind(Exception):
    """A path cannot be followed. The text says why."""


def config_files(view: HostView, path: str) -> ConfigFiles:
    """The files that a path or pattern stands for.

    Raises Unreadable.
    """
    files = ConfigFiles(path)
    if not is_pattern(path):
        try:
            entry = view.entry(path)
        except UnsafePath:
            pass  # a link is on the way
        else:
            if entry is not None and entry.type is FileType.FILE:
                files.files[path], files.entries[path] = (path, entry), entry
                return files
    try:
        _Walk(view, files).everything([step for step in path.split("/") if step])
    except _Blind as reason:
        files.blind = str(reason)
    return files


class _Walk:
    """One walk along a path, which collects what it stands for."""

    def __init__(self, view: HostView, files: ConfigFiles) -> None:
        self._view = view
        self._files = files
        self._links = 0
        self._entered: set[str] = set()
        self._looked = 0

    def everything(self, steps: list[str]) -> None:
        """Collect everything that these components lead to. Raises _Blind, Unreadable."""
        self._matching("", "", steps)

    def _matching(self, at: str, name: str, steps: list[str]) -> None:
        """Collect what matches these components below `at`, a real directory; `name` is the path to it as it
        is written.
        """
        for number, step in enumerate(steps):
            if not is_pattern(step):
                continue
            self._files.single = False
            directory = self._real(at, steps[:number])
            entry = self._entry(directory) if directory is not None else None
            if directory is None or entry is None or entry.type is not FileType.DIRECTORY:
                return
            self._files.patterns.append((directory, step))
            self._files.entries[directory] = entry
            way = "/".join([name, *steps[:number]])
            for below in self._names(directory):
                if segment_matches(step, below):
                    self._matching(directory, way, [below, *steps[number + 1 :]])
            return
        path = self._real(at, steps)
        if path is not None:
            self._take("/".join([name, *steps]), path)

    def _take(self, name: str, path: str) -> None:
        entry = self._entry(path)
        if entry is None:
            self._files.gone.append(path)
        elif entry.type is FileType.FILE:
            self._files.files[name], self._files.entries[path] = (path, entry), entry
        elif entry.type is FileType.DIRECTORY:
            self._files.single = False
            self._files.trees.append(path)
            self._enter(name, path, entry)

    def _enter(self, name: str, path: str, entry: Entry) -> None:
        if path in self._entered:
            return
        self._entered.add(path)
        self._files.entries[path] = entry
        for below in self._names(path):
            real = self._real(path, [below])
            if real is not None and self._entry(real) is not None:
                self._take_below(f"{name}/{below}", real)

    def _take_below(self, name: str, path: str) -> None:
        entry = self._entry(path)
        if entry is not None and entry.type is FileType.FILE:
            self._files.files[name], self._files.entries[path] = (path, entry), entry
        elif entry is not None and entry.type is FileType.DIRECTORY:
            self._enter(name, path, entry)

    def _names(self, directory: str) -> tuple[str, ...]:
        names = self._view.names(directory)
        self._looked += len(names)
        if self._looked > MOST_ENTRIES:
            raise _Blind(
                f"{self._files.path} stands for more than {MOST_ENTRIES} files; name those that count"
            )
        return names

    def _real(self, at: str, steps: list[str]) -> str | None:
        """The path without links; None where nothing is there, which is noted. Raises _Blind."""
        rest = list(reversed(steps))
        while rest:
            step = rest.pop()
            if step in (".", ".."):
                at = at.rpartition("/")[0] if step == ".." else at
                continue
            path = f"{at}/{step}"
            entry = self._entry(path)
            if entry is None or (rest and entry.type not in (FileType.DIRECTORY, FileType.LINK)):
                self._files.gone.append(path)
                return None
            if entry.type is FileType.LINK:
                self._follow(path, entry)
                at = "" if entry.target.startswith("/") else at
                rest += [part for part in reversed(entry.target.split("/")) if part]
            else:
                at = path
        return at or "/"

    def _follow(self, path: str, entry: Entry) -> None:
        """Note a link that is followed. Raises _Blind for one that is not."""
        self._files.entries[path] = entry
        self._links += 1
        why = f"is {entry.owner}'s" if entry.owner != "root" else next(self._writable(path), "")
        if why:
            self._files.mark = f"link:{path}:{entry.target}"
            raise _Blind(f"the link {path} {why}, who could lead root anywhere by it, and is not followed")
        if self._links > _MOST_LINKS:
            raise _Blind(f"{path} is a link in a circle, or one of too many")

    def _writable(self, path: str) -> Iterator[str]:
        """In words, where somebody besides root can put another link in the place of this one."""
        while path:
            path = path.rpartition("/")[0]
            entry = self._entry(path or "/")
            if entry is None:
                continue
            bits = int(entry.mode or "0", 8)
            if entry.owner != "root":
                yield f"is in {path}, which belongs to {entry.owner}"
            elif not bits & _STICKY and (
                bits & _OTHERS_WRITE or (bits & _GROUP_WRITES and entry.group != "root")
            ):
                others = "everybody" if bits & _OTHERS_WRITE else f"the group {entry.group}"
                yield f"is in {path}, writable for {others}"

    def _entry(self, path: str) -> Entry | None:
        try:
            return self._view.entry(path)
        except UnsafePath as reason:  # a name with control characters, as a link may lead to
            raise _Blind(str(reason)) from reason
