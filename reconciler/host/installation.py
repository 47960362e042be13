"""The installation of our own program on a host: its state directory, its units, the programs that it calls.

Nothing here is changed.
"""

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
    """The condition of the state directory.

    `wrong` has a sentence for each fault in modes and owners; `damaged` names databases that were put aside.
    """

    exists: bool
    readable: bool = True
    wrong: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()


def state_facts(directory: str) -> StateFacts:
    """The condition of the state directory, with the modes and owners of its files."""
    try:
        status = os.lstat(directory)
    except FileNotFoundError:
        return StateFacts(exists=False)
    except OSError as problem:
        return StateFacts(exists=True, readable=False, wrong=(f"{directory}: {problem.strerror}",))
    if not stat.S_ISDIR(status.st_mode):
        return StateFacts(exists=True, readable=False, wrong=(f"{directory} is no directory",))
    wrong = list(_faults(directory, status, 0o700))
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return StateFacts(exists=True, readable=False, wrong=tuple(wrong))
    for name in names:
        path = f"{directory}/{name}"
        wrong += _faults(path, os.lstat(path), _PRIVATE[name]) if name in _PRIVATE else []
    return StateFacts(
        exists=True,
        wrong=tuple(wrong),
        damaged=tuple(name for name in names if name.startswith(f"{DATABASE}.damaged-")),
    )


def _faults(path: str, status: os.stat_result, mode: int) -> Iterable[str]:
    """Yield a sentence for each way in which a path is not private to us, with this mode at most."""
    if stat.S_ISLNK(status.st_mode):
        yield f"{path} is a link"
        return
    if stat.S_IMODE(status.st_mode) & ~mode:
        yield f"{path} has mode {stat.S_IMODE(status.st_mode):04o}, it must be {mode:04o}"
    if status.st_uid not in (0, os.geteuid()):
        yield f"{path} belongs to uid {status.st_uid}"


def lock_holder(directory: str) -> str:
    """The process that has the lock now, in words; empty when the lock is free."""
    from reconciler.host.state.lock import is_held_by_other

    if not is_held_by_other(directory):
        return ""
    try:
        with open(f"{directory}/{LOCK}", encoding="utf-8") as stream:
            holder = json.loads(stream.read(4096))
        return f"process {int(holder['pid'])}"
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that did not say which"


def find_program(name: str) -> str:
    """The path of a program, empty when the host lacks it. The environment's PATH does not count."""
    return next((path for directory in _SEARCH if os.path.exists(path := f"{directory}/{name}")), "")


def own_units(root: str = "/") -> tuple[str, ...]:
    """The names of the units that `install` has written, sorted."""
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
    """The properties of units by name: ActiveState, UnitFileState, Result, and a timer's next elapse.

    Raises HostError.
    """
    from reconciler.host.process.run import run

    names = list(names)
    if not names:
        return {}
    properties = "Id,ActiveState,UnitFileState,Result,NextElapseUSecRealtime,NeedDaemonReload"
    argv = ["systemctl", "show", "--no-pager", f"--property={properties}", "--", *names]
    result = run(argv, timeout=_TIMEOUT)
    if result.rc:
        raise HostError("systemd cannot be asked", result.message)
    blocks = [
        dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        for text in result.out.decode().split("\n\n")
    ]
    return {block["Id"]: block for block in blocks if "Id" in block}


def systemd_version() -> tuple[str, str]:
    """The version of systemd, and the problem with asking it, empty if there is none."""
    from reconciler.host.process.run import run

    try:
        first_line = run(["systemctl", "--version"], timeout=_TIMEOUT).out.decode("utf-8", "replace")
        version = first_line.partition("\n")[0].removeprefix("systemd ")
        result = run(["systemctl", "show", "--property=Version"], timeout=_TIMEOUT)
    except HostError as problem:
        return "", str(problem)
    return version, "" if result.rc == 0 else result.message


def versions() -> dict[str, str]:
    """The versions of Python, SQLite and the kernel that we run on."""
    return {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "kernel": platform.release(),
    }


def running_hostname() -> str:
    """The host name that the kernel has now."""
    return platform.node()
