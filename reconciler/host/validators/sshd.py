"""sshd as the judge of a configuration that is not in place yet.

The files are given to it in memory (memfd_create(2)): it reads them as /proc/PID/fd/N of ours, and nothing is
written anywhere, for a plan never writes. Each Include names the files in memory that it would find.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence

from reconciler.core.host import HostError
from reconciler.host.process.run import Result, escape, run

_TIMEOUT = 10.0

Staged = Mapping[str, tuple[bytes, Mapping[int, tuple[str, ...]]]]
"""Content of each file of a configuration by path, the main one first, and for its Include lines by number
the paths that they find.
"""


def complaint(before: Staged, after: Staged) -> str | None:
    """The reason why sshd would not start with a configuration; empty if it would.

    None if sshd cannot be asked, or gives the same reason for the present one.
    """
    try:
        result = _ask(after)
        if result.rc and before and _ask(before).err == result.err:
            return None
    except (HostError, OSError):
        return None
    if result.rc == 0:
        return ""
    return _reason(result)


def refuses_its_files() -> str:
    """The reason why this host's sshd would not start with the files on disk; empty if it would.

    Raises HostError.
    """
    result = run(["sshd", "-t"], timeout=_TIMEOUT)
    return _reason(result) if result.rc else ""


def _reason(result: Result) -> str:
    lines = [line.strip() for line in result.err.decode("utf-8", "replace").splitlines() if line.strip()]
    return escape("; ".join(lines) or result.message)


def last_read(units: Sequence[str]) -> tuple[str, int]:
    """The unit that runs sshd, and when systemd last started or reloaded it, in nanoseconds since the epoch.

    ("", 0) if none runs. A reload that somebody sends past systemd (`kill -HUP`) is not seen. Raises
    HostError.
    """
    result = run(
        ["systemctl", "show", "--property=Id,ActiveState,StateChangeTimestampMonotonic", "--", *units],
        timeout=_TIMEOUT,
    )
    for block in result.out.decode("utf-8", "replace").split("\n\n"):
        fields = dict(line.partition("=")[::2] for line in block.splitlines())
        if fields.get("ActiveState") == "active":
            ago = (
                time.clock_gettime_ns(time.CLOCK_MONOTONIC)
                - int(fields["StateChangeTimestampMonotonic"]) * 1000
            )
            return fields["Id"], time.time_ns() - ago
    return "", 0


def _ask(files: Staged) -> Result:
    """The result of `sshd -t` with these files; its messages have their real paths."""
    with _in_memory(files) as (main, paths):
        result = run(["sshd", "-t", "-f", main], timeout=_TIMEOUT)
    message = result.err.decode("utf-8", "replace")
    for memory_path, path in paths.items():
        message = re.sub(rf"{re.escape(memory_path)}(?!\d)", path, message)
    return Result(result.rc, result.out, message.encode("utf-8", "replace"))


@contextlib.contextmanager
def _in_memory(files: Staged) -> Iterator[tuple[str, dict[str, str]]]:
    """The path in memory of the main file, and the real path of each file by its path in memory."""
    descriptors: dict[str, int] = {}
    try:
        for path in files:
            descriptors[path] = os.memfd_create("sshd_config", os.MFD_CLOEXEC)
        memory_paths = {path: f"/proc/{os.getpid()}/fd/{fd}" for path, fd in descriptors.items()}
        for path, (content, included) in files.items():
            os.write(descriptors[path], _redirected(content, included, memory_paths))
        yield (
            next(iter(memory_paths.values())),
            {memory_path: path for path, memory_path in memory_paths.items()},
        )
    finally:
        for fd in descriptors.values():
            os.close(fd)


def _redirected(
    content: bytes, included: Mapping[int, tuple[str, ...]], memory_paths: Mapping[str, str]
) -> bytes:
    """The content with Include lines that name the files in memory."""
    lines = content.split(b"\n")
    for number, paths in included.items():
        targets = " ".join(memory_paths[path] for path in paths if path in memory_paths)
        lines[number - 1] = f"Include {targets}".encode() if targets else b"#"
    return b"\n".join(lines)
