"""The snapshot file of GNU tar (`--listed-incremental`): when tar ran, and the directories that it saw.

A copy is prepared before tar continues a chain with it. Directories that are no more where they were are
taken out: tar would record that they were renamed, and fails to restore many such archives (measured, 34 of
40 random histories). Without them a renamed directory is a new one, archived as a whole. And the time is set
back to the full second: some file systems keep no finer times of change.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError

_FORMAT = b"-2"
_KERNEL_TICK = 20_000_000
"""Nanoseconds by which the time of a change may be before the clock: files get the time of the last tick."""
_SECOND = 1_000_000_000
_COARSE = _SECOND
"""Nanoseconds between the times that the coarsest file system keeps: ext4 with small inodes, some of NFS."""


class NotASnapshot(HostError):
    """The bytes are no snapshot file of a format that is known."""


@frozen
class Prepared:
    """A snapshot file with which tar can continue."""

    content: bytes
    has_split_links: bool = False
    """Whether hard links lead from a moved directory to one that did not move: tar would archive the file
    once more, and no longer as the same.
    """


def prepare(content: bytes, sources: Sequence[str], root: str, *, one_file_system: bool) -> Prepared:
    """The snapshot file without the directories that were moved or removed.

    Sources count from `root`, empty for the host itself. Raises NotASnapshot.
    """
    header, since, body = _split(content)
    top = os.fsencode(f"{root}/")
    directories = dict(_directories(body))
    gone = {name for name, (inode, _) in directories.items() if not _is_still_there(top + name, inode)}
    records = {name: record for name, (_, record) in directories.items() if not _is_below(name, gone)}
    seconds, rest = divmod(since - since % _COARSE, _SECOND)
    time = f"{seconds}\0{rest}\0".encode()
    files = (
        status
        for source in sources
        for status in _in_new_directories(
            top, os.fsencode(source[1:]), records, one_file_system=one_file_system
        )
    )
    split = bool(gone) and _splits_links(files, since)
    return Prepared(b"".join([header, b"\n", time, *records.values()]), split)


def _split(content: bytes) -> tuple[bytes, int, bytes]:
    """The first line, the time in nanoseconds, less a tick, and the records."""
    header, _, rest = content.partition(b"\n")
    fields = rest.split(b"\0", 2)
    if not header.startswith(b"GNU tar-") or not header.endswith(_FORMAT) or len(fields) != 3:
        raise NotASnapshot("the snapshot file is none that can be read")
    try:
        since = int(fields[0]) * _SECOND + int(fields[1])
    except ValueError as problem:
        raise NotASnapshot("the snapshot file is damaged", str(problem)) from problem
    return header, since - _KERNEL_TICK, fields[2]


def _directories(body: bytes) -> Iterator[tuple[bytes, tuple[int, bytes]]]:
    """The name of each directory, with its inode and its record."""
    at = 0
    while at < len(body):
        end = body.find(b"\0\0\0", at) + 3
        fields = body[at:end].split(b"\0", 6)
        if end < 3 or len(fields) != 7 or not fields[4].isdigit():
            raise NotASnapshot("the snapshot file is damaged", f"at byte {at} of its records")
        yield fields[5], (int(fields[4]), body[at:end])
        at = end


def _is_still_there(path: bytes, inode: int) -> bool:
    try:
        return os.lstat(path).st_ino == inode
    except OSError:
        return False


def _is_below(name: bytes, gone: Collection[bytes]) -> bool:
    """Whether a directory or one above it is gone."""
    while name:
        if name in gone:
            return True
        name = name.rpartition(b"/")[0]
    return False


def _splits_links(files: Iterable[os.stat_result], since: int) -> bool:
    """Whether a file in a directory that is new to tar has a name elsewhere as well, and did not change
    since: only the new name would be archived.
    """
    names: dict[tuple[int, int], int] = {}
    links: dict[tuple[int, int], int] = {}
    for status in files:
        if status.st_nlink > 1 and status.st_ctime_ns < since:
            key = status.st_dev, status.st_ino
            names[key] = names.get(key, 0) + 1
            links[key] = status.st_nlink
    return names != links


def _in_new_directories(
    top: bytes, source: bytes, recorded: Collection[bytes], *, one_file_system: bool
) -> Iterator[os.stat_result]:
    """The status of all that is no directory, in every directory that is not kept."""
    todo = [top + source]
    device = os.lstat(top + source).st_dev
    while todo:
        directory = todo.pop()
        with suppress(OSError):  # it went meanwhile, or tar will say so
            if one_file_system and os.lstat(directory).st_dev != device:
                continue
            entries = list(os.scandir(directory))
            todo += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
            if directory[len(top) :] not in recorded:
                for entry in entries:
                    if not entry.is_dir(follow_symlinks=False):
                        yield entry.stat(follow_symlinks=False)
