"""Descriptors with an end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def descriptor(fd: int) -> Iterator[int]:
    """Close it at the end, whatever happens."""
    try:
        yield fd
    finally:
        os.close(fd)
