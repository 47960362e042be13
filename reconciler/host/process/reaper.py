"""No program that an apply has started outlives it, however it dies.

A process that dies of SIGKILL cannot clean up. So the first program that is started under the lock is
preceded by a keeper: a fork of ours that waits for our end at a pipe. When that comes without a word, it
kills every process that carries the mark of this apply in its environment, again and again until there is
none. The mark is inherited: a daemon that has left its process group and its session has it too. A process
that systemd starts for us has not, and lives on. There is no moment at which a program could slip through.
Until its exec it holds our end of the pipe; after that it has the mark. Not covered: a program that clears
its environment for a child of its own. In a unit of `reconciler install` the control group covers that as
well: systemd kills what is left in it when the apply has died.
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
    if _state["writer"] >= 0:
        os.close(_state["writer"])
    _state.update(armed=0, writer=-1, keeper=0)


os.register_at_fork(after_in_child=_forget_in_child)


def arm() -> None:
    """From now on programs are to die with us. Costs nothing before the first one is started."""
    _state["armed"] += 1


def disarm(*, interrupted: bool = False) -> None:
    """Let the programs that run go on, unless we were interrupted: then they end.

    Ends the keeper when nobody wants it any more.
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
    """The variables that a program is to have in its environment; nothing when it may outlive us.

    The first call starts the keeper.
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
        _keep(reader, _mark[0])
    os.close(reader)
    _state.update(writer=writer, keeper=pid)


def _keep(reader: int, wanted: str) -> NoReturn:
    """The life of the keeper. Nothing of ours may run after it."""
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        os.closerange(0, reader)
        os.closerange(reader + 1, os.sysconf("SC_OPEN_MAX"))
        if os.read(reader, 1) != _DONE:
            end_marked(wanted)
    finally:
        os._exit(0)


def end_marked(wanted: str = "") -> None:
    """Kill every process that carries the mark.

    None named: that of this apply; nothing, if it has started no program.
    """
    wanted = wanted or next(iter(_mark), "")
    for _ in range(_ROUNDS if wanted else 0):
        with suppress(OSError):  # no descriptor left to list processes with: the next time
            found = list(_marked(f"{MARK}={wanted}".encode()))
            if not found:
                return
            for pid in found:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE)  # one that was just starting another is seen the next time


def _marked(entry: bytes) -> Iterator[int]:
    for name in os.listdir("/proc"):
        if name.isdecimal() and int(name) != os.getpid():
            with suppress(OSError), open(f"/proc/{name}/environ", "rb") as stream:
                if entry in stream.read(1 << 16).split(b"\0"):
                    yield int(name)
