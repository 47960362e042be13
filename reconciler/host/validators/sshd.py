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
    """Why sshd would not start with a configuration; empty if it would.

    None: it cannot be asked, or says the same of the present one.
    """
    try:
        said = _ask(after)
        if said.rc and before and _ask(before).err == said.err:
            return None
    except (HostError, OSError):
        return None
    if said.rc == 0:
        return ""
    lines = [line.strip() for line in said.err.decode("utf-8", "replace").splitlines() if line.strip()]
    return escape("; ".join(lines) or said.message)


def refuses_its_files() -> str:
    """Why the sshd of this host would not start with the files that are on disk; empty if it would.

    Raises HostError.
    """
    said = run(["sshd", "-t"], timeout=_TIMEOUT)
    lines = [line.strip() for line in said.err.decode("utf-8", "replace").splitlines() if line.strip()]
    return escape("; ".join(lines) or said.message) if said.rc else ""


def last_read(units: Sequence[str]) -> tuple[str, int]:
    """The unit that runs sshd, and when systemd last started or reloaded it, in nanoseconds since the epoch;
    ("", 0): none runs.

    A reload that somebody sends past systemd (`kill -HUP`) is not seen. Raises HostError.
    """
    said = run(
        ["systemctl", "show", "--property=Id,ActiveState,StateChangeTimestampMonotonic", "--", *units],
        timeout=_TIMEOUT,
    )
    for block in said.out.decode("utf-8", "replace").split("\n\n"):
        fields = dict(line.partition("=")[::2] for line in block.splitlines())
        if fields.get("ActiveState") == "active":
            ago = (
                time.clock_gettime_ns(time.CLOCK_MONOTONIC)
                - int(fields["StateChangeTimestampMonotonic"]) * 1000
            )
            return fields["Id"], time.time_ns() - ago
    return "", 0


def _ask(files: Staged) -> Result:
    with _in_memory(files) as (main, names):
        said = run(["sshd", "-t", "-f", main], timeout=_TIMEOUT)
    message = said.err.decode("utf-8", "replace")
    for place, path in names.items():
        message = re.sub(rf"{re.escape(place)}(?!\d)", path, message)
    return Result(said.rc, said.out, message.encode("utf-8", "replace"))


@contextlib.contextmanager
def _in_memory(files: Staged) -> Iterator[tuple[str, dict[str, str]]]:
    """The place of the main file, and which path each place stands for."""
    descriptors: dict[str, int] = {}
    try:
        for path in files:
            descriptors[path] = os.memfd_create("sshd_config", os.MFD_CLOEXEC)
        places = {path: f"/proc/{os.getpid()}/fd/{fd}" for path, fd in descriptors.items()}
        for path, (content, included) in files.items():
            os.write(descriptors[path], _redirected(content, included, places))
        yield next(iter(places.values())), {place: path for path, place in places.items()}
    finally:
        for fd in descriptors.values():
            os.close(fd)


def _redirected(content: bytes, included: Mapping[int, tuple[str, ...]], places: Mapping[str, str]) -> bytes:
    """The file with its Include lines leading to what is in memory."""
    lines = content.split(b"\n")
    for number, paths in included.items():
        found = " ".join(places[path] for path in paths if path in places)
        lines[number - 1] = f"Include {found}".encode() if found else b"#"
    return b"\n".join(lines)
