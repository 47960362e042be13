"""The directory in which the snapshot files of chains lie on the host: `NAME-ID.snar`, root's, private."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.host.archives.private_directory import Directory, look
from reconciler.host.files.descriptors import descriptor
from reconciler.host.state.files import make_state_directory

_SUFFIX = ".snar"
_PARTIAL = ".partial-"
_CHUNK = 1 << 20


def stems(directory: str) -> list[str]:
    """The names of the snapshot files without their suffix, sorted. Raises HostError."""
    if look(directory) is None:
        return []
    with Directory(directory) as opened:
        return [name.removesuffix(_SUFFIX) for name in opened.names() if name.endswith(_SUFFIX)]


def read(directory: str, stem: str) -> tuple[bytes, str]:
    """A snapshot file, and its SHA-256. Raises HostError."""
    with Directory(directory) as opened, descriptor(opened.open(stem + _SUFFIX)) as fd:
        content = _all_of(fd)
    return content, hashlib.sha256(content).hexdigest()


@contextmanager
def working_copy(directory: str, job: str, content: bytes) -> Iterator[int]:
    """A descriptor of the file that tar reads and brings up to date. Raises HostError."""
    make_state_directory(directory)
    with Directory(directory) as opened:
        opened.remove(_partial(job))
        opened.write(_partial(job), content)
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        with descriptor(os.open(_partial(job), flags, dir_fd=opened.fd)) as fd:
            yield fd


def keep(directory: str, job: str, stem: str, fd: int) -> str:
    """Give the working copy its name, durably; its SHA-256. Raises HostError."""
    os.fsync(fd)
    with Directory(directory) as opened:
        opened.replace(_partial(job), stem + _SUFFIX)
        opened.sync()
    return hashlib.sha256(_all_of(fd)).hexdigest()


def remove(directory: str, job: str, unneeded: list[str]) -> None:
    """Remove snapshot files, and a working copy that was not kept. Raises HostError."""
    with Directory(directory) as opened:
        for name in (_partial(job), *(stem + _SUFFIX for stem in unneeded)):
            opened.remove(name)


def _partial(job: str) -> str:
    return f"{_PARTIAL}{job}{_SUFFIX}"


def _all_of(fd: int) -> bytes:
    os.lseek(fd, 0, os.SEEK_SET)
    chunks: list[bytes] = []
    while chunk := os.read(fd, _CHUNK):
        chunks.append(chunk)
    return b"".join(chunks)
