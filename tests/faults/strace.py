"""Faults in system calls, by strace: which calls a run makes, and a run of which one call fails, or is the
last.

strace counts the calls of each name by itself, and of each process by itself: a point is a name and an
ordinal, never an ordinal alone. It is attached to a child that waits at a gate, so that no call of its own
start is counted.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tests.faults import forks
from tests.faults.forks import Ended

CHANGING = (
    *(
        "openat",
        "write",
        "pwrite64",
        "fsync",
        "fdatasync",
        "ftruncate",
        "fchown",
        "fchmod",
        "chmod",
        "chown",
        "fchownat",
        "fchmodat",
    ),
    *(
        "rename",
        "renameat",
        "renameat2",
        "link",
        "linkat",
        "unlink",
        "unlinkat",
        "mkdir",
        "mkdirat",
        "rmdir",
        "symlink",
        "symlinkat",
    ),
    *("fsetxattr", "fremovexattr", "flock"),
)
"""Every call by which the engine changes something on disk, or takes the lock."""

_CALL = re.compile(r"(?:\d+ +)?(?P<name>\w+)\((?P<rest>.*)")
_WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT")
_NOT_OURS = re.compile(r"<(?:/memfd:|pipe:|socket:|/dev/(?:null|pts)|anon_inode)|systemd\.(?:new|json)")
"""Output, and what the pretended systemd writes."""
_BY_DESCRIPTOR = frozenset(
    (
        "write",
        "pwrite64",
        "fsync",
        "fdatasync",
        "ftruncate",
        "fchown",
        "fchmod",
        "fsetxattr",
        "fremovexattr",
        "flock",
    )
)
_DESCRIPTOR = re.compile(r"\d+<([^>]*)>")
_TOKEN = re.compile(r"(?:\d+|AT_FDCWD)<(?P<directory>[^>]*)>|\"(?P<name>[^\"]*)\"")
_MOST = 700
"""Characters of the arguments of a call."""
_ATTACH_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Call:
    """The n-th call of a name, counted from 1, and what it was about: its arguments, as far as they say which
    files.
    """

    name: str
    n: int
    about: str = ""

    def paths(self) -> list[str]:
        """The files that it was about: of a descriptor its own, of a name the name."""
        if self.name in _BY_DESCRIPTOR:
            return [found[1] for found in [_DESCRIPTOR.match(self.about)] if found]
        found: list[str] = []
        directory = ""
        for token in _TOKEN.finditer(self.about.rpartition(" = ")[0] or self.about):
            if token["name"] is None:
                directory = token["directory"]
            else:
                found.append(str(PurePosixPath(directory, token["name"])))
        return found


def calls_in(trace: str) -> list[Call]:
    """The calls that change something, in order.

    Ordinals count every call of the name, those that are left out too.
    """
    counts: Counter[str] = Counter()
    found = []
    for line in trace.splitlines():
        match = _CALL.match(line)
        if match is None:
            continue
        name, rest = match["name"], match["rest"]
        counts[name] += 1
        what = rest.partition("O_")[0] if name == "openat" else rest.partition(",")[0]
        if (name == "openat" and not _WRITING.search(rest)) or _NOT_OURS.search(what):
            continue
        found.append(Call(name, counts[name], rest[:_MOST]))
    return found


def run(argv: Sequence[str], trace: Path, options: Sequence[str], *, uid: int = 0) -> Ended:
    """Run the command in a fork, traced into a file with these options of strace."""
    gate, opener = os.pipe()
    trace.unlink(missing_ok=True)
    try:
        with forks.paper() as fd:
            pid = forks.start(argv, fd, uid=uid, gate=gate)
            tracer = subprocess.Popen(
                ["strace", "-qq", "-y", "-s", "80", "-o", str(trace), *options, "-p", str(pid)],
                stdin=subprocess.DEVNULL,
            )
            try:
                _attached(pid, tracer)
                os.write(opener, b"x")
                code = forks.wait(pid)
            finally:
                tracer.wait(60)
            return Ended(code, forks.printed(fd))
    finally:
        os.close(gate)
        os.close(opener)


def _attached(pid: int, tracer: subprocess.Popen[bytes]) -> None:
    """Until strace has the child in its hands; it waits at its gate."""
    deadline = time.monotonic() + _ATTACH_SECONDS
    while f"TracerPid:\t{tracer.pid}" not in Path(f"/proc/{pid}/status").read_text():
        if tracer.poll() is not None or time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            forks.wait(pid)
            raise RuntimeError(f"strace did not attach: {tracer.poll()}")
        time.sleep(0.001)
    time.sleep(0.002)


def counted(argv: Sequence[str], trace: Path, *, uid: int = 0) -> tuple[Ended, list[Call]]:
    """Run it undisturbed; the calls that it made."""
    ended = run(argv, trace, ["-e", f"trace={','.join(CHANGING)}", "-e", "signal=none"], uid=uid)
    return ended, calls_in(trace.read_text())


def injected(
    argv: Sequence[str], trace: Path, call: Call, what: str, *, uid: int = 0
) -> tuple[Ended, Call | None]:
    """Run it with something injected at a call (`signal=KILL`, `error=EIO`), and what that call was here;
    None if it did not come to it.

    With a `+` at its end it is injected at every later call of the name as well.
    """
    when = f"{call.n}+" if what.endswith("+") else str(call.n)
    ended = run(
        argv,
        trace,
        ["-e", f"trace={call.name}", "-e", f"inject={call.name}:{what.rstrip('+')}:when={when}"],
        uid=uid,
    )
    if ended.code == -signal.SIGKILL:
        return ended, call
    line = next((line for line in trace.read_text().splitlines() if "(INJECTED)" in line), "")
    match = _CALL.match(line)
    return ended, Call(call.name, call.n, match["rest"][:_MOST]) if match else None
