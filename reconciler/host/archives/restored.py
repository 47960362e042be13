"""A restored tree and its archive: a sample of its files, their shares, and the differences of the two."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Sequence

from reconciler.core.basics.frozen import frozen
from reconciler.host.archives import tar
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


class _Reservoir:
    """Some files out of a stream of them, each as likely as any other."""

    def __init__(self, seed: str, most: int) -> None:
        self._random = random.Random(seed)  # noqa: S311  # a sample, not a secret
        self._most = most
        self._passed = 0
        self._rest = b""
        self.files: list[tuple[str, int]] = []

    def take(self, chunk: bytes) -> None:
        """Take a part of a listing."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            match = _FILE.fullmatch(line)
            if match:
                name = tar.unescaped(match[2])
                self._offer(f"/{os.fsdecode(name)}", int(match[1]))

    def _offer(self, path: str, size: int) -> None:
        self._passed += 1
        if len(self.files) < self._most:
            self.files.append((path, size))
            return
        at = self._random.randrange(self._passed)
        if at < self._most:
            self.files[at] = (path, size)


def sample(fd: int, compress: str, seed: str, most: int, budget: int) -> list[tuple[str, int]]:
    """Files of an archive that a seed chooses, `most` at most and of `budget` bytes together, with their
    sizes. Raises ArchiveError.
    """
    reservoir = _Reservoir(seed, most)
    for ended in tar.stream(fd, compress, _LIST, reservoir.take):
        if ended.rc:
            raise ArchiveError("the archive could not be listed", ended.reason)
    chosen, left = [], budget
    for path, size in reservoir.files:
        if size <= left:
            chosen.append((path, size))
            left -= size
    return sorted(chosen)


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


def differences(
    fd: int, compress: str, tree: int, paths: Sequence[str] = (), *, as_root: bool
) -> tuple[str, ...]:
    """The differences that tar finds between an archive, or some files of it, and an open restored tree.

    Only root gives restored files the owners that they had. Raises ArchiveError.
    """
    lines = tar.compare_below(fd, compress, tree, paths)
    return lines if as_root else tuple(line for line in lines if not _OWNERS.fullmatch(line))
