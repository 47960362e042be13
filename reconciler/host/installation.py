"""How our own program stands on a host: its state directory, its units, the programs it calls. Only looks."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import stat
from collections.abc import Iterable, Mapping

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError
from reconciler.host.state.files import DATABASE, JOURNAL, KEY, LOCK, SPEC, WITNESS

_PRIVATE = {DATABASE: 0o600, JOURNAL: 0o600, KEY: 0o600, WITNESS: 0o600, LOCK: 0o600, SPEC: 0o600}
_UNITS = "/etc/systemd/system"
_SEARCH = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")
_TIMEOUT = 10.0


@frozen
class StateFacts:
    """The state directory as it lies there.

    `wrong` says what is not as we make it; `damaged` names databases that were put aside.
    """

    exists: bool
    readable: bool = True
    wrong: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()


def state_facts(directory: str) -> StateFacts:
    """Modes and owners in the state directory."""
    try:
        found = os.lstat(directory)
    except FileNotFoundError:
        return StateFacts(exists=False)
    except OSError as problem:
        return StateFacts(exists=True, readable=False, wrong=(f"{directory}: {problem.strerror}",))
    if not stat.S_ISDIR(found.st_mode):
        return StateFacts(exists=True, readable=False, wrong=(f"{directory} is no directory",))
    wrong = list(_wrong(directory, found, 0o700))
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return StateFacts(exists=True, readable=False, wrong=tuple(wrong))
    for name in names:
        path = f"{directory}/{name}"
        wrong += _wrong(path, os.lstat(path), _PRIVATE[name]) if name in _PRIVATE else []
    return StateFacts(
        exists=True,
        wrong=tuple(wrong),
        damaged=tuple(name for name in names if name.startswith(f"{DATABASE}.damaged-")),
    )


def _wrong(path: str, found: os.stat_result, mode: int) -> Iterable[str]:
    if stat.S_ISLNK(found.st_mode):
        yield f"{path} is a link"
        return
    if stat.S_IMODE(found.st_mode) & ~mode:
        yield f"{path} has mode {stat.S_IMODE(found.st_mode):04o}, it must be {mode:04o}"
    if found.st_uid not in (0, os.geteuid()):
        yield f"{path} belongs to uid {found.st_uid}"


def lock_holder(directory: str) -> str:
    """Who has the lock now, in words; empty when nobody has."""
    from reconciler.host.state.lock import is_held_by_other

    if not is_held_by_other(directory):
        return ""
    try:
        with open(f"{directory}/{LOCK}", encoding="utf-8") as stream:
            said = json.loads(stream.read(4096))
        return f"process {int(said['pid'])}"
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that did not say which"


def find_program(name: str) -> str:
    """The path of a program, empty when this host has none. The environment's PATH does not count."""
    return next((path for directory in _SEARCH if os.path.exists(path := f"{directory}/{name}")), "")


def own_units(root: str = "/") -> tuple[str, ...]:
    """The units that `install` has written, by name."""
    try:
        names = os.listdir(os.path.join(root, _UNITS.lstrip("/")))
    except OSError:
        return ()
    return tuple(
        sorted(
            name for name in names if name.startswith("reconciler-") and name.endswith((".service", ".timer"))
        )
    )


def unit_states(names: Iterable[str]) -> dict[str, Mapping[str, str]]:
    """ActiveState, UnitFileState, Result, and of timers when they elapse next, by unit. Raises HostError."""
    from reconciler.host.process.run import run

    names = list(names)
    if not names:
        return {}
    wanted = "Id,ActiveState,UnitFileState,Result,NextElapseUSecRealtime,NeedDaemonReload"
    done = run(["systemctl", "show", "--no-pager", f"--property={wanted}", "--", *names], timeout=_TIMEOUT)
    if done.rc:
        raise HostError("systemd cannot be asked", done.message)
    blocks = [
        dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        for text in done.out.decode().split("\n\n")
    ]
    return {block["Id"]: block for block in blocks if "Id" in block}


def systemd_says() -> tuple[str, str]:
    """systemd's version, and why it cannot be asked, if it cannot."""
    from reconciler.host.process.run import run

    try:
        done = run(["systemctl", "--version"], timeout=_TIMEOUT)
        version = done.out.decode("utf-8", "replace").partition("\n")[0].removeprefix("systemd ")
        asked = run(["systemctl", "show", "--property=Version"], timeout=_TIMEOUT)
    except HostError as problem:
        return "", str(problem)
    return version, "" if asked.rc == 0 else asked.message


def versions() -> dict[str, str]:
    """The versions of what we are made of."""
    return {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "kernel": platform.release(),
    }


def running_hostname() -> str:
    """The name that the kernel has now."""
    return platform.node()
