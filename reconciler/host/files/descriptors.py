"""Descriptors that are closed at the end of a block."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def descriptor(fd: int) -> Iterator[int]:
    """The descriptor; it is closed at the end of the block, whatever happens."""
    try:
        yield fd
    finally:
        os.close(fd)


class Kept:
    """A descriptor of a file whose own descriptor is closed by somebody else."""

    def __init__(self) -> None:
        self.fd = -1

    def keep(self, fd: int) -> None:
        """Keep the file of a descriptor, in place of the one before."""
        self.drop()
        self.fd = os.dup(fd)

    def drop(self) -> None:
        """Let the file go."""
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1
