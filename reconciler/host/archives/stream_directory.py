"""The directory that a chain is put together in before one file of it is streamed.

A lock on it says that its command still runs: what a killed one has left is removed by the next.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from reconciler.host.files.descriptors import descriptor
from reconciler.host.process import environment
from reconciler.host.process.pipeline import pipe

PLACE = "/var/tmp"  # noqa: S108  # names there are made by mkdir(2), and never followed as a link
_PREFIX = "reconciler-restore-"
_NAME = re.compile(rf"{_PREFIX}[0-9a-f]{{16}}")
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def stream_directory() -> Iterator[str]:
    """A private directory for what is too large for memory; it is removed at the end, with all in it."""
    with descriptor(os.open(PLACE, _DIRECTORY)) as parent:
        name, lock = _make(parent)
        with descriptor(lock):
            try:
                yield f"{PLACE}/{name}"
            finally:
                _remove(parent, name)


def tidy() -> list[str]:
    """Remove what killed commands have left; return what was done, in words."""
    lines = []
    with descriptor(os.open(PLACE, _DIRECTORY)) as parent:
        for name in filter(_NAME.fullmatch, sorted(os.listdir(parent))):
            with suppress(OSError), descriptor(os.open(name, _DIRECTORY, dir_fd=parent)) as fd:
                if os.fstat(fd).st_uid == os.geteuid() and _lock(fd) and _remove(parent, name):
                    lines.append(f"removed {PLACE}/{name}, which a killed restore had left")
    return lines


def _make(parent: int) -> tuple[str, int]:
    """A new directory by its name, and the descriptor that holds its lock."""
    while True:
        name = f"{_PREFIX}{environment.random_hex(16)}"
        os.mkdir(name, 0o700, dir_fd=parent)
        with suppress(FileNotFoundError):  # another command has taken it for one that was left
            fd = os.open(name, _DIRECTORY, dir_fd=parent)
            if _lock(fd) and _is_there(parent, name, fd):
                return name, fd
            os.close(fd)


def _lock(fd: int) -> bool:
    """Take the lock of an open directory; False when somebody else has it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_there(parent: int, name: str, fd: int) -> bool:
    try:
        return os.path.samestat(os.stat(name, dir_fd=parent, follow_symlinks=False), os.fstat(fd))
    except FileNotFoundError:
        return False


def _remove(parent: int, name: str) -> bool:
    """Remove a tree below an open directory; False when something of it stays."""
    argv = ["rm", "-rf", "--one-file-system", "--", f"/proc/self/fd/{parent}/{name}"]
    (ended,) = pipe([argv], lambda _: None, pass_fds=(parent,))
    return ended.rc == 0
