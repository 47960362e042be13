"""The changes that an unpacked archive would make on the host, entry by entry. Nothing is changed here.

Both trees are walked by descriptors from `/` downwards and no link is followed on the way: a directory that a
user may write to can be another one a moment later, and is then told as one that changed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from enum import Enum

from reconciler.core.basics.frozen import frozen
from reconciler.formats.backups.kept_directory import PREFIX
from reconciler.host.files.descriptors import descriptor
from reconciler.host.files.safe_path import kind_of
from reconciler.host.files.xattrs import read_attributes, restorable

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_REGULAR = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CHUNK = 1 << 20
_DEEPEST = 200
"""Levels of directories: each takes two descriptors."""


class What(Enum):
    """The change to an entry of the host."""

    NEW = "new"
    CONTENT = "content"
    ATTRIBUTES = "attributes"
    LOST = "lost"


Inode = tuple[int, int]


@frozen
class Change:
    """A change of one entry."""

    path: str
    what: What
    inode: Inode = (0, 0)
    """The entry that was seen on the host; a change is not made to any other one."""


@frozen
class Comparison:
    """Everything that would change."""

    changes: tuple[Change, ...]
    not_archived: tuple[str, ...] = ()
    """Entries of the host that the archive does not have, and that stay."""
    paths: tuple[str, ...] = ()
    """The paths that were asked for."""
    problems: tuple[str, ...] = ()
    """The entries that cannot be put in place, in words."""


def compare_trees(
    unpacked: int, paths: Collection[str], *, delete: bool, stays: Callable[[str], bool]
) -> Comparison:
    """Compare the tree in the open directory `unpacked`, which stands for `/`, with the host, at `paths` and
    below them; directories that lead there are only walked.

    With `delete` entries that only the host has are lost, except those of which `stays` is true. Raises
    OSError.
    """
    walk = _Walk(unpacked, paths, stays, delete=delete)
    with descriptor(os.open("/", DIRECTORY)) as top:
        walk.directory(unpacked, top, "", inside="/" in paths, depth=0)
    return walk.comparison()


class _Walk:
    def __init__(
        self, unpacked: int, paths: Collection[str], stays: Callable[[str], bool], *, delete: bool
    ) -> None:
        self._own = inode_of(os.fstat(unpacked))
        self._paths, self._stays, self._delete = frozenset(paths), stays, delete
        self._changes: dict[str, Change] = {}
        self._kept: list[str] = []
        self._problems: list[str] = []
        self._linked: dict[Inode, list[tuple[str, Inode]]] = {}
        """The names of each file of the archive that has several, with the file that the host has there."""

    def comparison(self) -> Comparison:
        for names in self._linked.values():
            # A hard link comes back as a whole, or two names of one file would be two files.
            if len({inode for _, inode in names}) > 1 or any(path in self._changes for path, _ in names):
                for path, inode in names:
                    if inode != (0, 0) and path not in self._changes:
                        self._changes[path] = Change(path, What.ATTRIBUTES, inode)
        changes = tuple(self._changes[path] for path in sorted(self._changes))
        return Comparison(changes, tuple(sorted(self._kept)), tuple(self._paths), tuple(self._problems))

    def directory(self, unpacked: int, live: int, path: str, *, inside: bool, depth: int) -> None:
        if depth > _DEEPEST:
            self._problems.append(f"{path}: deeper than {_DEEPEST} directories; unpack it with --to DIR")
            return
        names = sorted(os.listdir(unpacked))
        for name in names:
            asked = inside or f"{path}/{name}" in self._paths
            self._entry(unpacked, live, f"{path}/{name}", name, asked=asked, depth=depth)
        if inside:
            self._only_here(live, path, frozenset(names))

    def _entry(self, unpacked: int, live: int, path: str, name: str, *, asked: bool, depth: int) -> None:
        new = os.stat(name, dir_fd=unpacked, follow_symlinks=False)
        old = stat_at(live, name)
        if (old or os.fstat(live)).st_dev != new.st_dev and (asked or old is None):
            self._problems.append(f"{path}: on another file system; name it as a path of its own")
        elif old is None:
            self._changes[path] = Change(path, What.NEW)
            self._note_links(unpacked, name, path, new, (0, 0))
        elif stat.S_ISDIR(new.st_mode) and stat.S_ISDIR(old.st_mode):
            self._directories(unpacked, live, path, name, asked=asked, depth=depth)
        elif not asked:
            self._problems.append(
                f"{path} is {kind_of(old.st_mode)} and no directory: nothing is put below it"
            )
        else:
            self._note_links(unpacked, name, path, new, inode_of(old))
            what = _Pair(unpacked, live, name).difference(new, old)
            if what is not None:
                self._changes[path] = Change(path, what, inode_of(old))

    def _directories(
        self, unpacked: int, live: int, path: str, name: str, *, asked: bool, depth: int
    ) -> None:
        with ExitStack() as stack:
            try:
                new_fd, old_fd = (
                    stack.enter_context(descriptor(os.open(name, DIRECTORY, dir_fd=fd)))
                    for fd in (unpacked, live)
                )
            except OSError as error:
                self._problems.append(f"{path}: {error.strerror}")
                return
            if asked and _facts(new_fd) != _facts(old_fd):
                self._changes[path] = Change(path, What.ATTRIBUTES, inode_of(os.fstat(old_fd)))
            self.directory(new_fd, old_fd, path, inside=asked, depth=depth + 1)

    def _note_links(self, unpacked: int, name: str, path: str, new: os.stat_result, old: Inode) -> None:
        if stat.S_ISDIR(new.st_mode):
            with descriptor(os.open(name, DIRECTORY, dir_fd=unpacked)) as fd:
                for below in os.listdir(fd):
                    status = os.stat(below, dir_fd=fd, follow_symlinks=False)
                    self._note_links(fd, below, f"{path}/{below}", status, (0, 0))
        elif new.st_nlink > 1:
            self._linked.setdefault(inode_of(new), []).append((path, old))

    def _only_here(self, live: int, path: str, names: Collection[str]) -> None:
        for name in sorted(set(os.listdir(live)) - set(names)):
            status = stat_at(live, name)
            child = f"{path}/{name}"
            # tar archives no sockets; what is mounted, left out or ours is not missing from an archive.
            if status is None or stat.S_ISSOCK(status.st_mode) or inode_of(status) == self._own:
                continue
            if name.startswith(PREFIX) or status.st_dev != os.fstat(live).st_dev or self._stays(child):
                continue
            if self._delete:
                self._changes[child] = Change(child, What.LOST, inode_of(status))
            else:
                self._kept.append(child)


def inode_of(status: os.stat_result) -> Inode:
    """The device and the number of a file."""
    return status.st_dev, status.st_ino


def stat_at(directory: int, name: str) -> os.stat_result | None:
    """The status of an entry, a link itself; None when there is none."""
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None


class _Pair:
    """Two entries of one name that are not both directories."""

    def __init__(self, unpacked: int, live: int, name: str) -> None:
        self._unpacked, self._live, self._name = unpacked, live, name

    def difference(self, new: os.stat_result, old: os.stat_result) -> What | None:
        """The difference; None if there is none."""
        if stat.S_IFMT(new.st_mode) != stat.S_IFMT(old.st_mode) or new.st_rdev != old.st_rdev:
            return What.CONTENT
        if stat.S_ISREG(new.st_mode):
            return What.CONTENT if new.st_size != old.st_size else self._files()
        if stat.S_ISLNK(new.st_mode) and self._target(self._unpacked) != self._target(self._live):
            return What.CONTENT
        return What.ATTRIBUTES if _plain(new) != _plain(old) else None

    def _target(self, directory: int) -> str:
        return os.readlink(self._name, dir_fd=directory)

    def _files(self) -> What | None:
        with ExitStack() as stack:
            try:
                new, old = (
                    stack.enter_context(descriptor(os.open(self._name, _REGULAR, dir_fd=fd)))
                    for fd in (self._unpacked, self._live)
                )
            except OSError:  # somebody changed it at this moment
                return What.CONTENT
            if any(chunk != other for chunk, other in zip(_chunks(new), _chunks(old), strict=False)):
                return What.CONTENT
            return None if _facts(new) == _facts(old) else What.ATTRIBUTES


def _chunks(fd: int) -> Iterator[bytes]:
    while chunk := os.read(fd, _CHUNK):
        yield chunk
    yield b""


def _plain(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_mode, status.st_uid, status.st_gid


def _facts(fd: int) -> tuple[object, ...]:
    """Owner, mode, time and attributes of an open file or directory."""
    status = os.fstat(fd)
    attributes = tuple(pair for pair in read_attributes(fd) if restorable(pair[0]))
    return (*_plain(status), status.st_mtime_ns, attributes)
