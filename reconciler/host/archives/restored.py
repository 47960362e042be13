"""A restored tree and its archive: a sample of its files, their shares, and the differences of the two."""

from __future__ import annotations

import os
import random
import re
import stat
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from reconciler.core.basics.frozen import frozen
from reconciler.host.archives import tar, tar_compare
from reconciler.host.archives.listed import unescaped
from reconciler.host.archives.tar import ArchiveError
from reconciler.host.process.pipeline import pipe

_LIST = ("tar", "--list", "--verbose", "--numeric-owner", "--quoting-style=escape", "--file=-")
_FILE = re.compile(rb"-\S+ \S+ +([0-9]+) \S+ \S+ (.*)")
_DIRECTORY = re.compile(rb"d\S+ \S+ +[0-9]+ \S+ \S+ (.*)")
_NAME = re.compile(rb"[YND] (.*)")
"""A name that is in the directory: with its content in this archive, without, a directory."""
_OWNERS = re.compile(r".*: (?:Uid|Gid) differs")


@frozen
class Share:
    """The number of entries below a source, itself included, and the bytes in its files."""

    entries: int = 0
    data: int = 0


class File(NamedTuple):
    """A file of an archive: its path and size, and the archive that has its content."""

    path: str
    size: int
    archive: str


class Reservoir:
    """Some files out of a stream of them, each as likely as any other."""

    def __init__(self, seed: str, most: int) -> None:
        self._random = random.Random(seed)  # noqa: S311  # a sample, not a secret
        self._most = most
        self._passed = 0
        self._files: list[File] = []
        self._places: dict[str, int] = {}

    def offer(self, file: File) -> None:
        """Take a file, or not; of a path that was taken before it is the newer state."""
        if file.path in self._places:
            self._files[self._places[file.path]] = file
            return
        self._passed += 1
        if len(self._files) < self._most:
            self._places[file.path] = len(self._files)
            self._files.append(file)
            return
        at = self._random.randrange(self._passed)
        if at < self._most:
            del self._places[self._files[at].path]
            self._places[file.path] = at
            self._files[at] = file

    def within(self, budget: int) -> list[File]:
        """The chosen files that have so many bytes together, by path."""
        chosen = []
        for file in self._files:
            if file.size <= budget:
                chosen.append(file)
                budget -= file.size
        return sorted(chosen)


def offer_files(
    fd: int, compress: str, reservoir: Reservoir, archive: str, present: Collection[bytes] | None = None
) -> None:
    """Offer the files of an archive, of a chain only those that are `present` at its end. Raises
    ArchiveError.
    """
    rest = b""

    def take(chunk: bytes) -> None:
        nonlocal rest
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            match = _FILE.fullmatch(line)
            if match is None:
                continue
            name = unescaped(match[2])
            if present is None or name in present:
                reservoir.offer(File(f"/{os.fsdecode(name)}", int(match[1]), archive))

    _list(fd, compress, _LIST, take)


def share(tree: int, source: str) -> Share:
    """The share of a source in an open restored tree. Raises ArchiveError."""
    entries, sizes = 0, {}
    rest = b""

    def take(chunk: bytes) -> None:
        nonlocal entries, rest
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            kind, number, size = line.split(b" ")
            entries += 1
            if kind == b"f":
                sizes[number] = int(size)

    directory = f"/proc/self/fd/{tree}{source}"
    (ended,) = pipe([["find", directory, "-printf", r"%y %i %s\n"]], take, pass_fds=(tree,))
    if ended.rc:
        raise ArchiveError("what was restored could not be counted", ended.reason)
    return Share(entries, sum(sizes.values()))


class _Names:
    """The paths that the directories of an archive of a chain have, as tar lists them: as they are, so that a
    line break in a name ends the line too, and an empty line after them.
    """

    def __init__(self) -> None:
        self.paths: set[bytes] = set()
        self._directory = b""
        self._last = b""
        self._rest = b""

    def take(self, chunk: bytes) -> None:
        """Take a part of the listing."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._take(line)

    def _take(self, line: bytes) -> None:
        if match := _NAME.fullmatch(line):
            self._last = self._directory + b"/" + match[1]
        elif self._last and line:
            self._last += b"\n" + line
        else:
            self._last = b""
            if match := _DIRECTORY.fullmatch(line):
                self._directory = unescaped(match[1]).rstrip(b"/")
            return
        self.paths.add(self._last)


def names(fd: int, compress: str) -> set[bytes]:
    """Everything that was there when an archive of a chain was made, as members are named.

    Raises ArchiveError.
    """
    listed_names = _Names()
    _list(fd, compress, [*_LIST, "--verbose", "--incremental"], listed_names.take)
    return listed_names.paths


def absent(fd: int, compress: str, tree: int, present: Collection[bytes]) -> list[str]:
    """The members of an archive that should be in an open restored tree and are not. Raises ArchiveError."""
    lost: list[str] = []
    rest = b""

    def take(chunk: bytes) -> None:
        nonlocal rest
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            path = unescaped(line).rstrip(b"/")
            if path in present and not _is_there(tree, path):
                lost.append(f"/{os.fsdecode(path)}: it is missing")

    _list(fd, compress, ["tar", "--list", "--quoting-style=escape", "--file=-"], take)
    return lost


def _is_there(tree: int, path: bytes) -> bool:
    try:
        os.stat(path, dir_fd=tree, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # its name is too long to be asked for
        return True
    return True


def _list(fd: int, compress: str, argv: Sequence[str], take: Callable[[bytes], None]) -> None:
    for ended in tar.stream(fd, compress, argv, take):
        if ended.rc:
            raise ArchiveError("the archive could not be listed", ended.reason)


def missing(tree: int, files: Sequence[File]) -> tuple[str, ...]:
    """The files that are not in an open restored tree, or have another size there."""
    return tuple(
        f"{file.path}: {'it is missing' if size is None else f'{size} bytes instead of {file.size}'}"
        for file in files
        if (size := _size(tree, file.path)) != file.size
    )


def _size(tree: int, path: str) -> int | None:
    try:
        status = os.stat(path.removeprefix("/"), dir_fd=tree, follow_symlinks=False)
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def differences(
    fd: int, compress: str, tree: int, paths: Sequence[str] = (), *, chain: bool = False
) -> tuple[str, ...]:
    """The differences that tar finds between an archive, or some files of it, and an open restored tree.

    Only root gives restored files the owners that they had. Raises ArchiveError.
    """
    lines = tar_compare.compare_below(fd, compress, tree, paths, chain=chain)
    return lines if os.geteuid() == 0 else without_owners(lines)


def without_owners(lines: Sequence[str]) -> tuple[str, ...]:
    """The differences that tar found, but those of owners."""
    return tuple(line for line in lines if not _OWNERS.fullmatch(line))
