"""A restored tree and its archive: a sample of its files, their shares, and the differences of the two."""

from __future__ import annotations

import os
import random
import re
import stat
from collections.abc import Sequence

from reconciler.core.basics.frozen import frozen
from reconciler.host.archives import tar, tar_compare
from reconciler.host.archives.listed import unescaped
from reconciler.host.archives.tar import ArchiveError
from reconciler.host.process.pipeline import pipe

_LIST = ("tar", "--list", "--verbose", "--numeric-owner", "--quoting-style=escape", "--file=-")
_FILE = re.compile(rb"-\S+ \S+ +([0-9]+) \S+ \S+ (.*)")
_OWNERS = re.compile(r".*: (?:Uid|Gid) differs")


@frozen
class Share:
    """The number of entries below a source, itself included, and the bytes in its files."""

    entries: int = 0
    data: int = 0


class Reservoir:
    """Some files out of a stream of them, each as likely as any other."""

    def __init__(self, seed: str, most: int) -> None:
        self._random = random.Random(seed)  # noqa: S311  # a sample, not a secret
        self._most = most
        self._passed = 0
        self._rest = b""
        self._files: list[tuple[str, int]] = []

    def take(self, chunk: bytes) -> None:
        """Take a part of tar's listing."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            match = _FILE.fullmatch(line)
            if match:
                name = unescaped(match[2])
                self.offer(f"/{os.fsdecode(name)}", int(match[1]))

    def offer(self, path: str, size: int) -> None:
        """Take a file, or not."""
        self._passed += 1
        if len(self._files) < self._most:
            self._files.append((path, size))
            return
        at = self._random.randrange(self._passed)
        if at < self._most:
            self._files[at] = (path, size)

    def within(self, budget: int) -> list[tuple[str, int]]:
        """The chosen files that have so many bytes together, with their sizes, by path."""
        chosen = []
        for path, size in self._files:
            if size <= budget:
                chosen.append((path, size))
                budget -= size
        return sorted(chosen)


def sample(fd: int, compress: str, reservoir: Reservoir, budget: int) -> list[tuple[str, int]]:
    """Files of an archive, of `budget` bytes together, with their sizes. Raises ArchiveError."""
    for ended in tar.stream(fd, compress, _LIST, reservoir.take):
        if ended.rc:
            raise ArchiveError("the archive could not be listed", ended.reason)
    return reservoir.within(budget)


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

    place = f"/proc/self/fd/{tree}{source}"
    (ended,) = pipe([["find", place, "-printf", r"%y %i %s\n"]], take, pass_fds=(tree,))
    if ended.rc:
        raise ArchiveError("what was restored could not be counted", ended.reason)
    return Share(entries, sum(sizes.values()))


def missing(tree: int, files: Sequence[tuple[str, int]]) -> tuple[str, ...]:
    """The files that are not in an open restored tree, or have another size there."""
    return tuple(
        f"{path}: {'it is missing' if size is None else f'{size} bytes instead of {expected}'}"
        for path, expected in files
        if (size := _size(tree, path)) != expected
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
