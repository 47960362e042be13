"""The services and processes that have files below a path open, as /proc shows them."""

from __future__ import annotations

import os
import re
from collections.abc import Collection

from reconciler.core.basics.frozen import frozen

_SERVICE = re.compile(r"[^/]+\.service")


@frozen
class User:
    """A service, or a process of none, that has something open."""

    name: str
    """A unit, or the name of a program."""
    pids: tuple[int, ...]
    is_service: bool


def users_of(paths: Collection[str]) -> tuple[User, ...]:
    """Who has a file at or below one of the paths open, or works in a directory there; not this process."""
    pids: dict[tuple[str, bool], list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdecimal() and int(entry) != os.getpid() and _uses(f"/proc/{entry}", paths):
            pids.setdefault(_name(f"/proc/{entry}"), []).append(int(entry))
    return tuple(
        User(name, tuple(sorted(numbers)), is_service) for (name, is_service), numbers in sorted(pids.items())
    )


def _uses(process: str, paths: Collection[str]) -> bool:
    try:
        links = [f"{process}/cwd", *(f"{process}/fd/{number}" for number in os.listdir(f"{process}/fd"))]
    except OSError:
        return False
    return any(f"{target}/".startswith(f"{path}/") for target in map(_target, links) for path in paths)


def _target(link: str) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""


def _name(process: str) -> tuple[str, bool]:
    """The unit of a process, else its program; and whether it is a service."""
    groups = [part for line in _text(f"{process}/cgroup").splitlines() for part in line.split("/")]
    service = next((part for part in reversed(groups) if _SERVICE.fullmatch(part)), "")
    return (service, True) if service else (_text(f"{process}/comm").strip() or "a process", False)


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
