"""Named points at which a test can kill the process, as a power cut or an OOM kill would.

`RECONCILER_FAILPOINT=NAME:N` kills with SIGKILL at the N-th hit of NAME, and `RECONCILER_FAILPOINT_LOG=FILE`
adds a line to FILE for each hit of any name. Both are read once, at import, and only when
`RECONCILER_TESTING=1` is set as well; otherwise a hit is one comparison.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence


class _Environment:
    """The settings from the environment: a name with its remaining hits until the kill, a log, or both."""

    def __init__(self, name: str, remaining: int, log: str) -> None:
        self.name = name
        self.remaining = remaining
        self._log = log
        self._pid = os.getpid()
        self._unreported: list[str] = []

    def __call__(self, name: str) -> None:
        """Count a hit of this name, and kill the process at the last one."""
        self.note([name])
        if name == self.name:
            self.remaining -= 1
            if self.remaining == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def note(self, names: Sequence[str]) -> None:
        """Write the names to the log. A child that gave up its rights cannot: its parent asks for them."""
        if not self._log:
            return
        if os.getpid() != self._pid:
            self._unreported += names
            return
        with open(self._log, "a", encoding="utf-8") as file:
            file.writelines(f"{name}\n" for name in names)

    def take_names(self) -> list[str]:
        """The names that a child has not reported yet; they count as reported from now on."""
        names, self._unreported = self._unreported, []
        return names


def _resolve(environment: Mapping[str, str]) -> _Environment | None:
    if environment.get("RECONCILER_TESTING") != "1":
        return None
    name, _, count = environment.get("RECONCILER_FAILPOINT", "").rpartition(":")
    armed = name if count.isdecimal() else ""
    log = environment.get("RECONCILER_FAILPOINT_LOG", "")
    return _Environment(armed, int(count) if armed else 0, log) if armed or log else None


_watch: Callable[[str], None] | None = _resolve(os.environ)


def hit(name: str) -> None:
    """Note that the point called `name` was reached."""
    if _watch is not None:
        _watch(name)


def watch(callback: Callable[[str], None] | None) -> None:
    """Call `callback` at each hit, also in forked children, in place of the environment's settings.

    For tests that do not start another process.
    """
    global _watch  # noqa: PLW0603  # a failpoint is global by its nature
    _watch = callback


def child_report() -> object:
    """The report of a forked child to its parent about its hits; None when nobody asks."""
    return [_watch.remaining, _watch.take_names()] if isinstance(_watch, _Environment) else None


def follow(signal_number: int, report: object) -> None:
    """Count the hits of a forked child that has ended as ours.

    A child that a failpoint killed takes us with it, as a power cut would.
    """
    if _watch is None:
        return
    if signal_number == signal.SIGKILL:
        os.kill(os.getpid(), signal.SIGKILL)
    if isinstance(_watch, _Environment) and isinstance(report, list):
        _watch.remaining = report[0]
        _watch.note(report[1])
