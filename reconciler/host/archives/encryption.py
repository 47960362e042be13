"""Archives that are encrypted with age(1) to public keys: this host cannot read what it made.

So the archive is listed while it is made, before it is encrypted; later its sum alone can be judged.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Thread

from reconciler.core.host import HostError

PROGRAM = "/usr/bin/age"
_HEADER = b"age-encryption.org/v1\n"


def stage(recipients: Sequence[str]) -> list[str]:
    """The program that encrypts what it reads."""
    return ["age", "--encrypt", *(word for key in recipients for word in ("--recipient", key))]


def has_header(fd: int) -> bool:
    """Whether a file begins as age writes them."""
    return os.pread(fd, len(_HEADER), 0) == _HEADER


@contextmanager
def beside(read: Callable[[int], None]) -> Iterator[int]:
    """A descriptor to write a stream to that `read` reads at the same time, from its own descriptor.

    When the block ends, so does the stream, and `read` has read it. Raises what `read` raises.
    """
    source, target = os.pipe2(os.O_CLOEXEC)
    problems: list[HostError] = []

    def follow() -> None:
        try:
            read(source)
        except HostError as problem:
            problems.append(problem)
        finally:
            os.close(source)  # whoever writes on must not wait for a reader

    reader = Thread(target=follow)
    reader.start()
    try:
        yield target
    finally:
        os.close(target)
        reader.join()
    if problems:
        raise problems[0]
