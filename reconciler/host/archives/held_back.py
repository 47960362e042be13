"""Reading a file whose end is held back until its sum is known to be right.

So a restore reads its archive once. tar sets the owners and modes of directories at the end, which it does
not see of a damaged archive: what was unpacked of one is closed to others, and can be removed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator

from reconciler.core.host import HostError

PART = 1 << 20
"""Bytes that are held back at least, or the whole file."""


class Damaged(HostError):
    """The file cannot be read, or it is not the one that was recorded."""


class AnotherSum(Damaged):
    """Its sum is not the one that was recorded."""


def but_the_end(fd: int, sha256: str) -> Iterator[bytes]:
    """The content of a file from where it is; the last part only if all of it has this sum.

    Raises Damaged.
    """
    total = hashlib.sha256()
    held = b""
    try:
        while part := os.read(fd, PART):
            total.update(part)
            if held:
                yield held
            held = part
    except OSError as error:
        raise Damaged("the archive cannot be read", str(error.strerror)) from error
    if total.hexdigest() != sha256:
        raise AnotherSum("the archive is damaged", "its sum is not the one that was recorded")
    yield held
