"""The records of restic jobs on this host: what a repository does not say of itself."""

from __future__ import annotations

import os

from reconciler.core.host import HostError
from reconciler.host.state.files import make_state_directory, open_directory, read_small, replace_small

DIRECTORY = "/var/lib/reconciler/restic"
_MOST = 64 << 20


def read(job: str) -> bytes | None:
    """The record of a job, None where there is none, or it is not ours to read. Raises HostError."""
    try:
        at = open_directory(DIRECTORY)
        try:
            return read_small(at, f"{job}.json", _MOST)
        finally:
            os.close(at)
    except FileNotFoundError:
        return None
    except OSError as problem:
        if isinstance(problem, PermissionError) and os.geteuid() != 0:
            return None
        detail = f"{DIRECTORY}/{job}.json: {problem.strerror}"
        raise HostError("the record of the job cannot be read", detail) from problem


def write(job: str, content: bytes) -> None:
    """Put the record of a job in place, durably. Raises HostError."""
    make_state_directory(DIRECTORY)
    try:
        at = open_directory(DIRECTORY)
        try:
            replace_small(at, f"{job}.json", content)
        finally:
            os.close(at)
    except OSError as problem:
        detail = f"{DIRECTORY}/{job}.json: {problem.strerror}"
        raise HostError("the record of the job cannot be kept", detail) from problem
