"""Archives that are encrypted with age(1) to public keys: this host cannot read what it made.

So the archive is listed while it is made, before it is encrypted; later its sum alone can be judged.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

PROGRAM = "/usr/bin/age"
_HEADER = b"age-encryption.org/v1\n"


def stage(recipients: Sequence[str]) -> list[str]:
    """The program that encrypts what it reads."""
    return ["age", "--encrypt", *(word for key in recipients for word in ("--recipient", key))]


def has_header(fd: int) -> bool:
    """Whether a file begins as age writes them."""
    return os.pread(fd, len(_HEADER), 0) == _HEADER
