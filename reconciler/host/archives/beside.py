"""Reading an archive while it is written, on another processor: its proof takes no time of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

from reconciler.core.host import HostError
from reconciler.host.process.pipeline import enlarge


@contextmanager
def reader(read: Callable[[int], None]) -> Iterator[int]:
    """A descriptor to write a stream to that `read` reads at the same time, from its own descriptor.

    When the block ends, so does the stream, and `read` has read it. Raises what `read` raises.
    """
    source, target = os.pipe2(os.O_CLOEXEC)
    enlarge(target)
    problems: list[HostError] = []

    def follow() -> None:
        try:
            read(source)
        except HostError as problem:
            problems.append(problem)
        finally:
            os.close(source)  # whoever writes on must not wait for a reader

    thread = Thread(target=follow)
    thread.start()
    try:
        yield target
    finally:
        os.close(target)
        thread.join()
    if problems:
        raise problems[0]


def give(follower: int, chunk: bytes) -> bool:
    """Give a reader the next bytes; False if it reads no more: it says itself why."""
    rest = memoryview(chunk)
    try:
        while rest:
            rest = rest[os.write(follower, rest) :]
    except BrokenPipeError:
        return False
    return True
