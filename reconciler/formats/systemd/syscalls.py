"""System calls by name, and the sets of them that SystemCallFilter= knows (systemd.exec(5))."""

from __future__ import annotations

from functools import cache

from reconciler.formats.systemd import _syscalls_data as data


@cache
def expand(name: str) -> frozenset[str]:
    """The system calls that a name stands for: those of a set, or itself."""
    if not name.startswith("@"):
        return frozenset({name})
    return frozenset[str]().union(*(expand(member) for member in data.SETS.get(name, "").split()))


def exists(name: str) -> bool:
    """Whether there is a set, or on any architecture a system call, of this name."""
    return name in data.SETS if name.startswith("@") else name in expand("@known")
