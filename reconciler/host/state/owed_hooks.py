"""The file that says that the commands after a run are still owed, /var/lib/reconciler/jobs/NAME.owed:
root's, private, written durably before the run begins, and removed once they have run.
"""

from __future__ import annotations

import os

from reconciler.core.host import HostError
from reconciler.host.hosts import state_directory
from reconciler.host.state.files import make_state_directory, open_directory, read_small, replace_small

DIRECTORY = f"{state_directory(None)}/jobs"
_MOST = 1 << 16


def read_owed(job: str, directory: str = DIRECTORY) -> bytes | None:
    """The file; None if nothing is owed. Raises HostError."""
    try:
        at = open_directory(directory)
        try:
            return read_small(at, _name(job), _MOST)
        finally:
            os.close(at)
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise _cannot("read", directory, job, problem) from problem


def write_owed(job: str, content: bytes, directory: str = DIRECTORY) -> None:
    """Write down what is owed. Raises HostError."""
    try:
        make_state_directory(directory)
        at = open_directory(directory)
        try:
            replace_small(at, _name(job), content)
        finally:
            os.close(at)
    except OSError as problem:
        raise _cannot("written", directory, job, problem) from problem


def remove_owed(job: str, directory: str = DIRECTORY) -> None:
    """Nothing is owed any more. Raises HostError."""
    try:
        at = open_directory(directory)
        try:
            os.unlink(_name(job), dir_fd=at)
            os.fsync(at)
        finally:
            os.close(at)
    except FileNotFoundError:
        return
    except OSError as problem:
        raise _cannot("removed", directory, job, problem) from problem


def _name(job: str) -> str:
    return f"{job}.owed"


def _cannot(verb: str, directory: str, job: str, problem: OSError) -> HostError:
    detail = f"{directory}/{_name(job)} cannot be {verb}: {problem.strerror}"
    return HostError("the commands after a run cannot be kept in mind", detail)
