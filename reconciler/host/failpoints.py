"""Named places at which a test can kill the process, as a power cut or an OOM kill would.

`RECONCILER_FAILPOINT=NAME:N` kills with SIGKILL at the N-th hit of NAME. It is read once, at import, and only when
`RECONCILER_TESTING=1` is set as well; otherwise a hit is one comparison.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping


def _resolve(environment: Mapping[str, str]) -> tuple[str, int]:
    """The armed name and the hits left until it kills; an empty name when nothing is armed."""
    if environment.get("RECONCILER_TESTING") != "1":
        return "", 0
    name, _, count = environment.get("RECONCILER_FAILPOINT", "").rpartition(":")
    return (name, int(count)) if name and count.isdecimal() else ("", 0)


_armed, _count = _resolve(os.environ)
_left = [_count]


def hit(name: str) -> None:
    """Say that the place called `name` was reached."""
    if name != _armed:
        return
    _left[0] -= 1
    if _left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)


def left() -> int | None:
    """How many hits are left until it kills; None when nothing is armed."""
    return _left[0] if _armed else None


def follow(signal_number: int, count: object) -> None:
    """A child of ours has ended: a kill that a failpoint dealt it kills us too, as a power cut would; its hits count as ours."""
    if not _armed:
        return
    if signal_number == signal.SIGKILL:
        os.kill(os.getpid(), signal.SIGKILL)
    if isinstance(count, int):
        _left[0] = count
