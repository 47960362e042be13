"""A limit of bytes per second."""

from __future__ import annotations

import time

_BURST = 0.25
"""Seconds whose bytes may pass at once."""


class Throttle:
    """Lets so many bytes pass per second; 0: no limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._free_at = 0.0
        """When all that passed would have passed at the limit."""

    def take(self, length: int) -> None:
        """Wait until so many bytes may pass."""
        if not self._limit:
            return
        now = time.monotonic()
        self._free_at = max(self._free_at, now - _BURST) + length / self._limit
        if self._free_at > now:
            time.sleep(self._free_at - now)
