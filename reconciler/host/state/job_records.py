"""The files of the records of jobs, /var/lib/reconciler/jobs/NAME.json: root's, private, replaced durably."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.core.host import HostError
from reconciler.host.hosts import state_directory
from reconciler.host.state.files import make_state_directory, open_directory, read_small, replace_small

_LOCK = ".lock"
_WAIT = 30.0
"""Seconds. A holder of the lock writes one small file."""
_MOST = 1 << 20
DIRECTORY = f"{state_directory(None)}/jobs"


@contextmanager
def records_lock(directory: str = DIRECTORY) -> Iterator[None]:
    """Hold the lock of all records, which are read and written under it. Raises HostError when it is not free
    in time.
    """
    try:
        make_state_directory(os.path.dirname(directory))
        make_state_directory(directory)
        at = open_directory(directory)
        try:
            fd = os.open(_LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=at)
        finally:
            os.close(at)
    except OSError as problem:
        raise HostError("the record cannot be kept", f"{directory}: {problem.strerror}") from problem
    try:
        deadline = time.monotonic() + _WAIT
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise HostError(
                        "the record cannot be kept", f"{directory}/{_LOCK} is held by another process"
                    ) from None
                time.sleep(0.02)
        yield
    finally:
        os.close(fd)


def read_record(name: str, directory: str = DIRECTORY) -> bytes | None:
    """The record of a job; None where there is none. Raises HostError where we may not look, or it is not
    safe.
    """
    try:
        at = open_directory(directory)
        try:
            return read_small(at, f"{name}.json", _MOST)
        finally:
            os.close(at)
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise HostError(
            "the record cannot be read", f"{directory}/{name}.json: {problem.strerror}"
        ) from problem


def write_record(name: str, content: bytes, directory: str = DIRECTORY) -> None:
    """Put the record of a job in place, durably. Raises HostError."""
    try:
        at = open_directory(directory)
        try:
            replace_small(at, f"{name}.json", content)
        finally:
            os.close(at)
    except OSError as problem:
        raise HostError(
            "the record cannot be kept", f"{directory}/{name}.json: {problem.strerror}"
        ) from problem
