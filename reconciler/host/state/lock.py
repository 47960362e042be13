"""The lock of an apply: at most one runs on a host.

The kernel holds it: it is free at the moment at which its holder dies, however it dies.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import asdict
from types import TracebackType
from typing import Self

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError
from reconciler.host.process import reaper
from reconciler.host.process.failpoints import hit
from reconciler.host.state.files import LOCK, StateError, file_facts, make_state_directory, open_directory

_PATIENCE = 0.03
"""Seconds for which even an impatient caller tries: `is_held_by_other` takes a shared lock for an instant."""
_PAUSE = 0.01
_LONGEST_PAUSE = 0.25
_FLAGS = os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_descriptors: set[int] = set()


def _forget_in_child() -> None:
    """Close the lock in a fork of ours: its copy would keep the lock after our death.

    O_CLOEXEC does the same for programs that we start.
    """
    for descriptor in _descriptors:
        os.close(descriptor)
    _descriptors.clear()


os.register_at_fork(after_in_child=_forget_in_child)


@frozen
class Holder:
    """The process that has the lock, for display.

    `start` is the process's start in clock ticks, `since` seconds on CLOCK_BOOTTIME.
    """

    pid: int
    start: int
    since: float
    command: str


class LockBusy(HostError):
    """Another apply is running.

    `holder` is None when the process is not known; `age_seconds` is how long it has had the lock.
    """

    def __init__(self, holder: Holder | None, age_seconds: float) -> None:
        who = "Another process holds the lock"
        if holder:
            who = f"{holder.command} (process {holder.pid}) has been at it for {age_seconds:.0f} s"
        super().__init__("Another apply is running", f"{who}. Wait for it, or give --lock-timeout.")
        self.holder = holder
        self.age_seconds = age_seconds


class Lock:
    """`<state directory>/lock`, exclusive.

    `with Lock(directory, timeout_seconds=30): ...` or `with Lock(directory).acquire(30): ...`. The file is
    never removed: removing a locked file lets two processes each hold "the" lock. Its text is for display
    only.
    """

    def __init__(
        self, directory: str, *, command: str = "reconciler apply", timeout_seconds: float = 0
    ) -> None:
        self._directory = directory
        self._command = command
        self._timeout = timeout_seconds
        self._descriptor = -1

    @property
    def held(self) -> bool:
        """Whether we have the lock."""
        return self._descriptor >= 0

    def acquire(self, timeout_seconds: float = 0) -> Self:
        """Take the lock, making the state directory if it is missing.

        Raises LockBusy after `timeout_seconds`, and StateError.
        """
        if self.held:
            return self
        make_state_directory(self._directory)
        descriptor = _open(self._directory, os.O_RDWR)
        _descriptors.add(descriptor)
        try:
            self._wait(descriptor, timeout_seconds)
        except OSError as problem:
            _close(descriptor)
            raise StateError(
                "The lock cannot be taken", f"{self._directory}/{LOCK}: {problem.strerror}"
            ) from problem
        except BaseException:
            _close(descriptor)
            raise
        self._descriptor = descriptor
        reaper.arm()
        return self

    def _wait(self, descriptor: int, timeout_seconds: float) -> None:
        """Take the lock, and write our name into it. Raises LockBusy, OSError."""
        end = time.monotonic() + max(timeout_seconds, _PATIENCE)
        pause = _PAUSE
        while not _try_lock(descriptor, fcntl.LOCK_EX):
            remaining = end - time.monotonic()
            if not remaining > 0:  # not a number is no time either
                holder = _living_holder(descriptor)
                raise LockBusy(holder, max(0.0, _now() - holder.since) if holder else 0.0)
            time.sleep(min(pause, remaining))
            pause = min(pause * 2, _LONGEST_PAUSE)
        _write(descriptor, Holder(os.getpid(), _start_of(os.getpid()), _now(), self._command))
        hit("lock.held")

    def release(self, *, interrupted: bool = False) -> None:
        """Give the lock back; harmless when it is not held.

        With `interrupted` the programs that we have started are killed.
        """
        if not self.held:
            return
        reaper.disarm(interrupted=interrupted)
        descriptor, self._descriptor = self._descriptor, -1
        hit("lock.releasing")
        _write(descriptor, None)
        _close(descriptor)

    def __enter__(self) -> Self:
        return self.acquire(self._timeout)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A Ctrl-C may come while a program is being started: only the mark tells which one it is.
        self.release(interrupted=kind is not None and not issubclass(kind, Exception))


def is_held_by_other(directory: str) -> bool:
    """Whether another process has the lock now; False when there is no lock file or we may not read it.

    Nothing is written. To try the lock is to take it for a moment, and many such looks must not keep an apply
    out: it is tried only where a living process claims to hold it.
    """
    try:
        descriptor = _open(directory, os.O_RDONLY)
    except (OSError, StateError):
        return False
    try:
        holder = _living_holder(descriptor)
        return holder is not None and holder.pid != os.getpid() and not _try_lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _open(directory: str, access: int) -> int:
    parent = -1
    try:
        parent = open_directory(directory)
        file_facts(parent, LOCK)
        if access == os.O_RDONLY:
            return os.open(LOCK, access | _FLAGS & ~os.O_CREAT, dir_fd=parent)
        return os.open(LOCK, access | _FLAGS, 0o600, dir_fd=parent)
    except OSError as problem:
        raise StateError("The lock cannot be opened", f"{directory}/{LOCK}: {problem.strerror}") from problem
    finally:
        if parent >= 0:
            os.close(parent)


def _close(descriptor: int) -> None:
    _descriptors.discard(descriptor)
    os.close(descriptor)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(descriptor: int, holder: Holder | None) -> None:
    try:
        os.ftruncate(descriptor, 0)
        if holder:
            os.pwrite(descriptor, json.dumps(asdict(holder)).encode() + b"\n", 0)
    except OSError:
        return  # on a full disk the lock holds, only the name of its holder is missing


def _living_holder(descriptor: int) -> Holder | None:
    """The holder that the file names, if that process lives: a new holder may not have written yet."""
    try:
        holder = Holder(**json.loads(os.pread(descriptor, 4096, 0)))
        return holder if _start_of(holder.pid) == holder.start else None
    except (OSError, ValueError, TypeError):
        return None


def _start_of(pid: int) -> int:
    """When a process started, in clock ticks since boot (proc(5), stat, field 22). Raises OSError."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[19])


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
