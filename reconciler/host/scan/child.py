"""A pass in a process of its own that gives way to everybody else: nice 19, the disk only when it is idle.

It is given up when it does not answer: a disk that is about to fail must not hold up the rest of the audit.
"""

from __future__ import annotations

import gc
import os
import platform
import select
import signal
import time
from contextlib import suppress
from typing import NoReturn

from reconciler.formats.file_scan import FileScan, Scope, parse_scan, scan_text
from reconciler.host.process.streams import write_all
from reconciler.host.scan.places import Places, choose, parse_mounts
from reconciler.host.scan.walk import Walk

_GRACE = 30.0
"""Seconds after the budget in which an answer is still waited for."""
_CHUNK = 1 << 16
_IOPRIO_SET = {
    "x86_64": 251,
    "aarch64": 30,
    "riscv64": 30,
    "loongarch64": 30,
    "i686": 289,
    "i386": 289,
    "armv7l": 314,
    "armv6l": 314,
    "ppc64le": 273,
    "s390x": 282,
    "mips64": 5273,
}
"""The number of ioprio_set(2), by machine: the C library has no function for it."""
_WHO_PROCESS, _IDLE = 1, 3 << 13


def scan(scope: Scope, top: str = "/") -> FileScan:
    """Look at the files of this host, or of a tree below the directory `top`. Raises OSError."""
    places = _places(scope, top)
    receiver, sender = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        os.close(receiver)
        os.close(sender)
        raise
    if pid == 0:
        _live(sender, scope, places, top)
    os.close(sender)
    deadline = time.monotonic() + scope.seconds + _GRACE
    try:
        heard = _listen(receiver, deadline)
    finally:
        os.close(receiver)
        _end(pid)
    try:
        return parse_scan(heard.decode("ascii"))
    except ValueError:
        why = "the process that looks at the files was killed, or got no answer from a disk"
        return FileScan(partial=why)


def _places(scope: Scope, top: str) -> Places:
    if top != "/":
        return choose(scope.paths, scope.skip, ())
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return choose(scope.paths, scope.skip, parse_mounts(file.read()))


def _live(sender: int, scope: Scope, places: Places, top: str) -> NoReturn:
    """All that the child does. Nothing of ours may run after it: no handlers, buffers, finalizers."""
    try:
        gc.disable()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        give_way()
        write_all(sender, scan_text(Walk(scope, places, top=top).run()).encode("ascii"))
    finally:
        os._exit(0)


def give_way() -> None:
    """Let this process have the processor and the disk last; where that cannot be, as it is."""
    import ctypes  # costs milliseconds, and this process alone needs it

    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, 19)
    number = _IOPRIO_SET.get(platform.machine())
    if number is not None:
        ctypes.CDLL(None).syscall(number, _WHO_PROCESS, 0, _IDLE)


def _listen(receiver: int, deadline: float) -> bytes:
    """The bytes that the child writes until it ends, or the deadline is there."""
    heard = bytearray()
    poll = select.poll()
    poll.register(receiver, select.POLLIN)
    while poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        chunk = os.read(receiver, _CHUNK)
        if not chunk:
            return bytes(heard)
        heard += chunk
    return b""


def _end(pid: int) -> None:
    """Reap the child. One that waits for a disk dies when that answers: nobody waits for it."""
    with suppress(OSError):
        os.kill(pid, signal.SIGKILL)
    for _ in range(100):
        with suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG)[0] == 0:
                time.sleep(0.01)
                continue
        return
