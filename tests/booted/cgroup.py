"""A cgroup of its own for every host, so that two hosts cannot reach each other's processes."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

_MOUNTED = Path("/sys/fs/cgroup")


def _hierarchies() -> list[Path]:
    """Where systemd keeps its units: the unified hierarchy, or the two of the hybrid layout."""
    if (_MOUNTED / "cgroup.controllers").exists():
        return [_MOUNTED]
    return [path for path in (_MOUNTED / "systemd", _MOUNTED / "unified") if path.is_dir()]


def available() -> bool:
    """Whether this machine has the unified hierarchy, alone or beside the old ones."""
    found = _hierarchies()
    return bool(found) and (found[-1] / "cgroup.controllers").exists()


def _paths(name: str) -> list[Path]:
    return [hierarchy / f"reconciler-test-{name}" for hierarchy in _hierarchies()]


def _killer(name: str) -> Path:
    """The file that kills everything in the cgroup when 1 is written to it (Linux 5.14); only the unified
    hierarchy has it.
    """
    return _paths(name)[-1] / "cgroup.kill"


def kill(name: str) -> None:
    """Kill every process of a host at once, its nspawn included."""
    with contextlib.suppress(FileNotFoundError):
        _killer(name).write_text("1")


@contextlib.contextmanager
def private(name: str) -> Iterator[list[Path]]:
    """Directories, one per hierarchy, for a process to put itself into before it starts the host.

    The processes in them are killed at the end, also when this process is killed: then a pipe breaks, and somebody
    waits at its other end.
    """
    made = _paths(name)
    try:
        for path in made:
            path.mkdir()
        waiting = ["/bin/sh", "-c", 'read -r _; echo 1 > "$1"', "watcher", str(_killer(name))]
        with subprocess.Popen(
            waiting, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        ):
            yield made
    finally:
        remove(name)


def remove(name: str) -> None:
    """Remove a host's cgroups, and end whatever should still be in them."""
    for path in _paths(name):
        if path.exists():
            _remove(path)


def _remove(top: Path) -> None:
    """Remove a cgroup and those below it. Processes that were just killed may need a moment to be gone."""
    for _ in range(100):
        with contextlib.suppress(OSError):
            for path in sorted(top.rglob("*/"), key=lambda item: len(item.parts), reverse=True):
                path.rmdir()
            top.rmdir()
        if not top.exists():
            return
        with contextlib.suppress(OSError):
            (top / "cgroup.kill").write_text("1")
        time.sleep(0.05)
