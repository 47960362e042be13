"""Locks on the account files that a killed program left.

shadow-utils removes such a lock itself when it next wants it, but only by the number in it: once another
process has that number, which in a container is soon, every account command fails.

Every program that takes these locks holds lckpwdf(3) for as long: only its holder can tell a lock of a dead
process from one that is in use.
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
_LOCK_NAME = Late(rf"({'|'.join(_FILES)})\.(lock|[0-9]+)")
_LONGEST = 16
"""Bytes of a lock: a process id."""


def remove_stale_locks(prefix: str) -> tuple[str, ...]:
    """Remove the locks of dead processes below `prefix` (`/`: the system's own). Returns their paths.

    Removes none while another process holds lckpwdf(3).
    """
    etc = f"{prefix.rstrip('/')}/etc"
    if not any(map(_LOCK_NAME.fullmatch, _names(etc))):
        return ()
    with _pwd_lock(f"{etc}/.pwd.lock") as is_held:
        stale = (
            [
                f"{etc}/{name}"
                for name in _names(etc)
                if _LOCK_NAME.fullmatch(name) and _is_stale(f"{etc}/{name}")
            ]
            if is_held
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
    """Take the lock of lckpwdf(3) without a wait. Whether we hold it."""
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
    """Whether a file is a lock, and no process has its number.

    A lock without a number is stale too: its writer was killed, and it would block for ever.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_size > _LONGEST:
            return False
        number = os.read(file, _LONGEST).strip(b"\0\n ")
    finally:
        os.close(file)
    return not (number.isdigit() and os.path.exists(f"/proc/{int(number)}"))
