"""One lock per job: a run by hand and one by the timer never overlap.

The kernel holds it: it is free when its holder is dead.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.core.host import HostError
from reconciler.host.state.files import make_state_directory, open_directory

RUN = "/run/reconciler"


class JobBusy(HostError):
    """The job is running already."""


@contextmanager
def job_lock(job: str, directory: str = RUN) -> Iterator[None]:
    """Hold `DIRECTORY/JOB.lock` (the directory is made, 0700). Raises JobBusy at once, StateError."""
    make_state_directory(directory)
    at = open_directory(directory)
    try:
        fd = os.open(f"{job}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=at)
    finally:
        os.close(at)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JobBusy("the job is running already", f"{job}: wait for it to end") from None
        yield
    finally:
        os.close(fd)


def is_held(job: str, directory: str = RUN) -> bool:
    """Whether a process holds the lock of a job, by the kernel's own list.

    Nothing is locked to find out: a run that begins meanwhile would be turned away.
    """
    try:
        facts = os.stat(f"{directory}/{job}.lock", follow_symlinks=False)
        with open("/proc/locks", encoding="ascii") as file:
            lines = file.read().splitlines()
    except OSError:
        return False
    inode = f"{os.major(facts.st_dev):02x}:{os.minor(facts.st_dev):02x}:{facts.st_ino}"
    return any(" FLOCK " in line and inode in line.split() for line in lines)
