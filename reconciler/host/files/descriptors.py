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
