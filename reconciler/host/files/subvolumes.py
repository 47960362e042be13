"""Subvolumes of btrfs in a mounted one: each is a device of its own (st_dev), and mountinfo does not list it.

The kernel tells where they are (linux/btrfs.h, btrfs_tree.h): in the tree of roots a ROOT_REF names each of
them in a directory of its parent.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator, Mapping

from reconciler.formats import fstab

_SEARCH, _LOOKUP = 0xD0009411, 0xD0009412
_SIZE = 4096
_KEY, _HEADER, _REF, _INODE = (
    struct.Struct("=7Q4I4Q"),
    struct.Struct("=3Q2I"),
    struct.Struct("=2QH"),
    struct.Struct("=2Q"),
)
_ROOTS, _TOP, _ROOT_REF = 1, 5, 156
_MOST = (1 << 64) - 1

_Ref = tuple[int, int, str]
"""The parent, the number of the directory in it, and the name there."""


def subvolumes() -> frozenset[str]:
    """The paths of all subvolumes that are visible below a mount point; none if the kernel does not say."""
    visible: set[str] = set()
    for top, point in _mounts():
        try:
            paths = _paths(point)
        except OSError:
            continue
        visible.update(point.rstrip("/") + path[len(top) :] for path in paths if path.startswith(f"{top}/"))
    return frozenset(visible)


def _mounts() -> Iterator[tuple[str, str]]:
    """Yield the mounts of btrfs: the mounted path, from the top of its file system, and the mount point."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            fields, _, kind = line.partition(" - ")
            if kind.startswith("btrfs "):
                top, point = (fstab.unescaped(field) for field in fields.split(" ")[3:5])
                yield top.rstrip("/"), point


def _paths(point: str) -> list[str]:
    """The subvolumes of one file system as paths from its top. Raises OSError."""
    fd = os.open(point, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        refs = dict(_refs(fd))
        return [path for child in refs if (path := _path(fd, child, refs))]
    finally:
        os.close(fd)


def _refs(fd: int) -> Iterator[tuple[int, _Ref]]:
    """Yield each subvolume by its number, with its parent, directory and name."""
    parent, child = 0, 0
    while True:
        key = _KEY.pack(
            _ROOTS, parent, _MOST, child, _MOST, 0, _MOST, _ROOT_REF, _ROOT_REF, _SIZE, 0, 0, 0, 0, 0
        )
        buffer = bytearray(key.ljust(_SIZE, b"\0"))
        fcntl.ioctl(fd, _SEARCH, buffer)
        count, at = _KEY.unpack_from(buffer)[9], _KEY.size
        if not count:
            return
        for _ in range(count):
            _, parent, child, kind, length = _HEADER.unpack_from(buffer, at)
            at += _HEADER.size
            if kind == _ROOT_REF:
                directory, _, size = _REF.unpack_from(buffer, at)
                name = bytes(buffer[at + _REF.size : at + _REF.size + size])
                yield child, (parent, directory, os.fsdecode(name))
            at += length
        child += 1


def _path(fd: int, child: int, refs: Mapping[int, _Ref]) -> str:
    """The path of a subvolume from the top of the file system; empty if it is in none any more."""
    path = ""
    for _ in range(len(refs)):
        if child == _TOP or child not in refs:
            break
        parent, directory, name = refs[child]
        path = f"/{_directory(fd, parent, directory)}{name}{path}"
        child = parent
    return path if child == _TOP else ""


def _directory(fd: int, tree: int, inode: int) -> str:
    """A directory in a subvolume, with a `/` at its end; empty for its root. Raises OSError."""
    buffer = bytearray(_INODE.pack(tree, inode).ljust(_SIZE, b"\0"))
    fcntl.ioctl(fd, _LOOKUP, buffer)
    return os.fsdecode(bytes(buffer[_INODE.size :]).split(b"\0", 1)[0])
