"""Locks on the account files that a killed program left.

shadow-utils removes such a lock itself when it next wants it, but only by the number in it: once another
process has that number, which in a container is soon, every account command fails.

Every program that takes these locks holds lckpwdf(3) for as long: whoever holds that may tell a lock of the
dead from one of the living.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.core.basics.lazy_regex import Late
from reconciler.host.process.failpoints import hit

_FILES = ("passwd", "shadow", "group", "gshadow", "subuid", "subgid")
_LEFT = Late(rf"({'|'.join(_FILES)})\.(lock|[0-9]+)")
_LONGEST = 16
"""Bytes of a lock: a process id."""


def remove_stale_locks(prefix: str) -> tuple[str, ...]:
    """Remove the locks of processes that are no more below `prefix` (`/`: the system's own); their paths.

    None while another holds them.
    """
    etc = f"{prefix.rstrip('/')}/etc"
    if not any(map(_LEFT.fullmatch, _names(etc))):
        return ()
    with _pwd_lock(f"{etc}/.pwd.lock") as held:
        stale = (
            [f"{etc}/{name}" for name in _names(etc) if _LEFT.fullmatch(name) and _is_stale(f"{etc}/{name}")]
            if held
            else []
        )
        for path in stale:
            hit("accounts.lock.stale")
            os.unlink(path)
        return tuple(stale)


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


@contextmanager
def _pwd_lock(path: str) -> Iterator[bool]:
    """The lock of lckpwdf(3), without waiting for it; whether it was to be had."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError:
        yield False
        return
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        yield False
    else:
        yield True
    finally:
        os.close(file)


def _is_stale(path: str) -> bool:
    """Whether it is a lock and no process has its number.

    One without a number was cut short, and would block for ever.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        facts = os.fstat(file)
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_size > _LONGEST:
            return False
        said = os.read(file, _LONGEST).strip(b"\0\n ")
    finally:
        os.close(file)
    return not (said.isdigit() and os.path.exists(f"/proc/{int(said)}"))
