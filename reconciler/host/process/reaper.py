"""No program that an apply has started outlives it, however it dies.

A process that dies of SIGKILL cannot clean up. So a keeper is forked before the first program is started
under the lock: it waits at a pipe for our end. When we end without a word, it kills every process that
carries the mark of this apply in its environment, again and again until there is none.

The mark is inherited: a daemon that has left its process group and its session has it too. A process that
systemd starts for us does not have it, and lives on. No program slips through: until its exec it holds our
end of the pipe, after that it has the mark. A program that clears the environment of a child of its own is
not covered, except in a unit of `reconciler install`: there systemd kills the rest of the control group when
the apply has died.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NoReturn

MARK = "RECONCILER_APPLY"
_DONE = b"."
_ROUNDS = 500
_PAUSE = 0.01

_state = {"armed": 0, "writer": -1, "keeper": 0}
_mark: list[str] = []


def _forget_in_child() -> None:
    """Close the pipe in a fork of ours: its copy would hide our end from the keeper."""
    if _state["writer"] >= 0:
        os.close(_state["writer"])
    _state.update(armed=0, writer=-1, keeper=0)


os.register_at_fork(after_in_child=_forget_in_child)


def arm() -> None:
    """Let programs die with us from now on. It costs nothing before the first one is started."""
    _state["armed"] += 1


def disarm(*, interrupted: bool = False) -> None:
    """Let running programs outlive us again, unless we were interrupted: then they are killed.

    The keeper ends with the last caller of `arm`.
    """
    _state["armed"] = max(0, _state["armed"] - 1)
    if _state["armed"] or _state["writer"] < 0:
        return
    with suppress(OSError):
        if not interrupted:
            os.write(_state["writer"], _DONE)
    os.close(_state["writer"])
    with suppress(ChildProcessError):
        os.waitpid(_state["keeper"], 0)
    _state.update(writer=-1, keeper=0)
    _mark.clear()


def mark() -> Mapping[str, str]:
    """The variables for a program's environment; none when it may outlive us.

    The first call starts the keeper. Raises OSError.
    """
    if not _state["armed"]:
        return {}
    if _state["writer"] < 0:
        _start()
    return {MARK: _mark[0]}


def _start() -> None:
    _mark[:] = [f"{os.getpid()}-{os.urandom(8).hex()}"]
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        pid = os.fork()
    except OSError:
        os.close(reader)
        os.close(writer)
        raise
    if pid == 0:
        _await_end(reader, _mark[0])
    os.close(reader)
    _state.update(writer=writer, keeper=pid)


def _await_end(reader: int, value: str) -> NoReturn:
    """All that the keeper does: wait for our end, and kill. Nothing of ours may run after it."""
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        os.closerange(0, reader)
        os.closerange(reader + 1, os.sysconf("SC_OPEN_MAX"))
        if os.read(reader, 1) != _DONE:
            end_marked(value)
    finally:
        os._exit(0)


def end_marked(value: str = "") -> None:
    """Kill every process that carries the mark with this value, by default that of this apply.

    An apply that has started no program has no mark: then nothing is killed.
    """
    value = value or next(iter(_mark), "")
    for _ in range(_ROUNDS if value else 0):
        with suppress(OSError):  # no descriptor is free to list processes: the next round
            pids = list(_marked(f"{MARK}={value}".encode()))
            if not pids:
                return
            for pid in pids:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE)  # a process that is just starting another shows in the next round


def _marked(entry: bytes) -> Iterator[int]:
    """Yield the processes with this entry in their environment, except our own."""
    for name in os.listdir("/proc"):
        if name.isdecimal() and int(name) != os.getpid():
            with suppress(OSError), open(f"/proc/{name}/environ", "rb") as stream:
                if entry in stream.read(1 << 16).split(b"\0"):
                    yield int(name)
