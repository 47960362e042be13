"""The processes of a host, as the question `processes` has them."""

from __future__ import annotations

import json

from reconciler.core.basics.frozen import frozen


@frozen
class Process:
    """A process with a program; the kernel's own are none."""

    pid: int
    """Its number."""
    uid: int
    """The effective user id."""
    name: str
    """The name that the kernel has for it, 15 characters at most."""
    program: str
    """The path of what it runs; empty where that cannot be read. A memory file begins with `/memfd:`."""
    deleted: bool
    """Whether that file was deleted or replaced after the start."""
    gone: bool
    """Whether nothing is at its path now."""
    unit: str
    """The system's service that it belongs to; empty for sessions and containers."""
    own_root: bool
    """Whether it sees another file system than the host, as in a container."""
    libraries: tuple[str, ...]
    """The libraries that it uses and that were deleted or replaced."""
    serves: str
    """The server that its command line names, of those that the audit knows: `vllm`, `jupyter`."""


def parse_processes(text: str) -> list[Process]:
    """The processes in the answer. Raises ValueError."""
    return [Process(**{**row, "libraries": tuple(row["libraries"])}) for row in json.loads(text)]
