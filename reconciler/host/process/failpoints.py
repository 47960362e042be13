"""Named places at which a test can kill the process, as a power cut or an OOM kill would.

`RECONCILER_FAILPOINT=NAME:N` kills with SIGKILL at the N-th hit of NAME, and `RECONCILER_FAILPOINT_LOG=FILE`
adds a line to FILE for each hit of any name. Both are read once, at import, and only when
`RECONCILER_TESTING=1` is set as well; otherwise a hit is one comparison.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence


class _Environment:
    """The settings from the environment: a name with the hits left until it kills, a file for the names, or
    both.
    """

    def __init__(self, name: str, left: int, log: str) -> None:
        self.name = name
        self.left = left
        self._log = log
        self._pid = os.getpid()
        self._unheard: list[str] = []

    def __call__(self, name: str) -> None:
        """One hit."""
        self.note([name])
        if name == self.name:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def note(self, names: Sequence[str]) -> None:
        """Write the names down. A child that gave up its rights cannot: it tells them to its parent."""
        if not self._log:
            return
        if os.getpid() != self._pid:
            self._unheard += names
            return
        with open(self._log, "a", encoding="utf-8") as file:
            file.writelines(f"{name}\n" for name in names)

    def told(self) -> list[str]:
        """The names that were not told yet."""
        told, self._unheard = self._unheard, []
        return told


def _resolve(environment: Mapping[str, str]) -> _Environment | None:
    if environment.get("RECONCILER_TESTING") != "1":
        return None
    name, _, count = environment.get("RECONCILER_FAILPOINT", "").rpartition(":")
    armed = name if count.isdecimal() else ""
    log = environment.get("RECONCILER_FAILPOINT_LOG", "")
    return _Environment(armed, int(count) if armed else 0, log) if armed or log else None


_watch: Callable[[str], None] | None = _resolve(os.environ)


def hit(name: str) -> None:
    """Say that the place called `name` was reached."""
    if _watch is not None:
        _watch(name)


def watch(what: Callable[[str], None] | None) -> None:
    """For tests in one process: `what` is called at each hit, also of forked children, instead of what the
    environment asks for.
    """
    global _watch  # noqa: PLW0603  # a failpoint is global by its nature
    _watch = what


def told() -> object:
    """The message of a child of ours to its parent about its hits; None when nobody asks."""
    return [_watch.left, _watch.told()] if isinstance(_watch, _Environment) else None


def follow(signal_number: int, said: object) -> None:
    """A child of ours has ended: a kill that a failpoint dealt it kills us too, as a power cut would; its
    hits count as ours.
    """
    if _watch is None:
        return
    if signal_number == signal.SIGKILL:
        os.kill(os.getpid(), signal.SIGKILL)
    if isinstance(_watch, _Environment) and isinstance(said, list):
        _watch.left = said[0]
        _watch.note(said[1])
