"""The files of reporting: the last report with its deliveries and figures, the output of the drift check, and
the file for Prometheus.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from reconciler.core.host import HostError
from reconciler.host.state.files import file_facts, make_state_directory, open_directory, replace_small

_REPORT, _LOCK, _DRIFT = "report.json", "report.lock", "drift.json"
_WAIT = 120.0
"""Seconds. The holder of the lock may be delivering a report, and waits for an answer for less than that."""
_LIMIT = 64 << 20


@contextmanager
def report_lock(directory: str) -> Iterator[None]:
    """Hold the lock of reports: one is made at a time. Raises HostError when it is not free in time."""
    make_state_directory(directory)
    at = open_directory(directory)
    try:
        fd = os.open(_LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=at)
    finally:
        os.close(at)
    try:
        deadline = time.monotonic() + _WAIT
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise HostError("another report is at it", f"{directory}/{_LOCK} is held") from None
                time.sleep(0.05)
        yield
    finally:
        os.close(fd)


def read_report(directory: str) -> dict[str, Any]:
    """The data of the last report; empty when there is none to be used, and everything is reported afresh."""
    return _read(directory, _REPORT) or {}


def write_report(directory: str, data: Mapping[str, Any]) -> None:
    """Store the data of a report, durably. Raises HostError."""
    try:
        at = open_directory(directory)
        try:
            replace_small(at, _REPORT, (json.dumps(data, indent=2) + "\n").encode())
        finally:
            os.close(at)
    except OSError as problem:
        raise HostError(
            "the report cannot be kept", f"{directory}/{_REPORT}: {problem.strerror}"
        ) from problem


def read_drift(directory: str) -> tuple[dict[str, Any] | None, int]:
    """The last output of the drift check, None when it is of no use; and its time in seconds of the epoch."""
    data = _read(directory, _DRIFT)
    try:
        return data, int(os.stat(f"{directory}/{_DRIFT}", follow_symlinks=False).st_mtime)
    except OSError:
        return data, 0


def _read(directory: str, name: str) -> dict[str, Any] | None:
    try:
        at = open_directory(directory)
        try:
            if file_facts(at, name) is None:
                return None
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=at)
        finally:
            os.close(at)
        with open(fd, "rb") as file:
            data = json.loads(file.read(_LIMIT))
    except (OSError, HostError, ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def publish(path: str, content: bytes, mode: int = 0o644) -> None:
    """Put a whole file in place, for others to read: they see the old or the new one. Raises HostError.

    The directory may be somebody else's (the exporter's): only the temporary file that we make is opened in
    it, and no link is followed.
    """
    directory, _, name = path.rpartition("/")
    temporary = f".{name}.{os.urandom(8).hex()}.tmp"
    try:
        at = os.open(directory or "/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            mode_in_place = _mode(at, name)
            if mode_in_place is not None and not stat.S_ISREG(mode_in_place):
                raise HostError("a file cannot be written", f"{path} is there and is no regular file")
            _publish(at, temporary, name, content, mode)
        finally:
            os.close(at)
    except OSError as problem:
        raise HostError("a file cannot be written", f"{path}: {problem.strerror}") from problem


def _mode(at: int, name: str) -> int | None:
    try:
        return os.stat(name, dir_fd=at, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return None


def _publish(at: int, temporary: str, name: str, content: bytes, mode: int) -> None:
    fd = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=at
    )
    try:
        with open(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(fd, mode)
            os.fsync(fd)
        os.rename(temporary, name, src_dir_fd=at, dst_dir_fd=at)
    except BaseException:
        os.unlink(temporary, dir_fd=at)
        raise
    os.fsync(at)
