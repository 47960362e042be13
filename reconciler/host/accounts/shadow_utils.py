"""Running the account commands of shadow-utils on a live system: their locks, and whether they succeeded."""

from __future__ import annotations

import time

from reconciler.core.host import ActionFailed
from reconciler.host.process import failpoints
from reconciler.host.process.run import Result, run

_TIMEOUT = 60.0
_GROUP_LOCKED = 10
"""groupadd(8), usermod(8): "can't update group file", which includes that another program holds the lock."""

_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds between attempts while another program holds the lock."""

_LOCKED = b"cannot lock"


def run_unlocked(argv: list[str], feed: bytes = b"") -> Result:
    """The result of a command with `feed` on its standard input.

    It is run again, after a pause, while another program holds a lock on the account files. The command
    itself removes the lock of a dead process.
    """
    for pause in _PAUSES:
        failpoints.hit("account.asking")
        result = run(argv, timeout=_TIMEOUT, input=feed)
        failpoints.hit("account.answered")
        if not _is_locked(result):
            return result
        time.sleep(pause)
    return run(argv, timeout=_TIMEOUT, input=feed)


def check(result: Result, program: str, done: bool) -> None:
    """Raise ActionFailed unless the command succeeded and `done`: an exit code alone is never believed."""
    if result.rc:
        hint = (
            "; another program holds the lock, see which process the number in /etc/*.lock is"
            if _is_locked(result)
            else ""
        )
        raise ActionFailed(f"{program} failed", result.message.removeprefix(f"{program}: ") + hint)
    if not done:
        raise ActionFailed(f"{program} failed", "it said it was done, but the account files say otherwise")


def options_of(prefix: str) -> list[str]:
    """The options that make a command work on the tree below `prefix` (`/`: the system itself)."""
    return [] if prefix == "/" else ["--prefix", prefix]


def _is_locked(result: Result) -> bool:
    return bool(result.rc) and (result.rc == _GROUP_LOCKED or _LOCKED in result.err)
