"""The one lock: at most one apply on a host.

The kernel holds it, so it is free the moment its holder dies, however it dies.
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
"""Seconds for which even an impatient caller tries: `holder()` takes a shared lock for an instant, which is
not an apply.
"""
_PAUSE = 0.01
_LONGEST_PAUSE = 0.25
_FLAGS = os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_descriptors: set[int] = set()


def _forget_in_child() -> None:
    """O_CLOEXEC covers programs we start; this covers a plain fork, whose copy would keep the lock after our
    death.
    """
    for descriptor in _descriptors:
        os.close(descriptor)
    _descriptors.clear()


os.register_at_fork(after_in_child=_forget_in_child)


@frozen
class Holder:
    """Who has the lock, for display.

    `start` is the process's start in clock ticks, `since` seconds on CLOCK_BOOTTIME.
    """

    pid: int
    start: int
    since: float
    command: str


class LockBusy(HostError):
    """Another apply is running.

    `holder` is None when it cannot be told who; `age_seconds` is how long it has had the lock.
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
        """Whether we have it."""
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
        end = time.monotonic() + max(timeout_seconds, _PATIENCE)
        pause = _PAUSE
        while not _try(descriptor, fcntl.LOCK_EX):
            left = end - time.monotonic()
            if not left > 0:  # not a number is no time either
                found = _believed(descriptor)
                raise LockBusy(found, max(0.0, _now() - found.since) if found else 0.0)
            time.sleep(min(pause, left))
            pause = min(pause * 2, _LONGEST_PAUSE)
        _write(descriptor, Holder(os.getpid(), _start_of(os.getpid()), _now(), self._command))
        hit("lock.held")

    def release(self, *, interrupted: bool = False) -> None:
        """Give it back.

        Harmless when it is not held. `interrupted`: what programs of ours have started ends with us.
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
        # A Ctrl-C may come while a program is being started: nobody else knows that program then.
        self.release(interrupted=kind is not None and not issubclass(kind, Exception))


def is_held_by_other(directory: str) -> bool:
    """Whether another process has the lock right now.

    Writes nothing; False when there is no lock file or we may not read it.

    The lock is only tried where a living process claims to hold it: a look takes it for a moment, and many
    must not keep an apply out.
    """
    try:
        descriptor = _open(directory, os.O_RDONLY)
    except (OSError, StateError):
        return False
    try:
        found = _believed(descriptor)
        return found is not None and found.pid != os.getpid() and not _try(descriptor, fcntl.LOCK_SH)
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


def _try(descriptor: int, kind: int) -> bool:
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
        return  # a full disk takes the name of the holder, not the lock


def _believed(descriptor: int) -> Holder | None:
    """The holder that is written down, if that very process lives: a new holder may not have written itself
    down yet.
    """
    try:
        found = Holder(**json.loads(os.pread(descriptor, 4096, 0)))
        return found if _start_of(found.pid) == found.start else None
    except (OSError, ValueError, TypeError):
        return None


def _start_of(pid: int) -> int:
    """When a process started, in clock ticks since boot (proc(5), stat, field 22). Raises OSError."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[19])


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
