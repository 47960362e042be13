"""What the process was started with, and the clock."""

from __future__ import annotations

import os
import time


def variable(name: str) -> str:
    """An environment variable, empty when it is not set."""
    return os.environ.get(name, "")


def is_root() -> bool:
    """Whether we run with root's rights."""
    return os.geteuid() == 0


def now() -> int:
    """Seconds since the epoch. For display only: nothing is ordered or expires by it."""
    return int(time.time())


def throwaway_key() -> bytes:
    """A key for keyed digests where the host has none yet: digests made with it are good for one plan and tell nobody anything."""
    return os.urandom(32)


def monotonic() -> float:
    """Seconds of a clock that never jumps, for durations."""
    return time.monotonic()
