"""Waiting until a service that was started is well, or until it is clear that it will not be.

A process that ends is no verdict as long as systemd starts it again by itself (Restart=) within the window: a
database may not be ready. The last process has to make up for the earlier ones: it must have lasted longer
than all of them together.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.core.actions import Gate
from reconciler.core.host import Receipt
from reconciler.host.process import failpoints
from reconciler.host.systemd.probes import probe

if TYPE_CHECKING:
    from reconciler.host.systemd.systemctl import Systemd

_STEADY = 0.4
"""Seconds that a process must have lasted, whatever the probe says: its predecessor may have answered."""
_RESTART_POLL = 0.25
"""Seconds between two questions to systemd whether it still starts the unit again."""


@dataclass(slots=True)
class _Processes:
    """The processes of one unit since its start."""

    invocation: str
    """The InvocationID of the present process; empty while there is none."""
    since: float
    """When the present process came, on the monotonic clock."""
    ended: str = ""
    """The InvocationID of the last process that ended."""
    lived: float = 0.0
    """Seconds that the ended processes lived, all together."""
    replaced: bool = False
    """Whether the present process is not the one that the start gave."""

    def change(self, invocation: str, now: float) -> None:
        """Another process, or none, is there now."""
        if self.invocation:
            self.lived += now - self.since
            self.ended, self.replaced = self.invocation, True
        self.invocation, self.since = invocation, now

    @property
    def steady(self) -> float:
        """When the present process has lasted long enough, on the monotonic clock."""
        return self.since + max(_STEADY, self.lived)


def pass_gate(systemd: Systemd, gate: Gate) -> Receipt:
    """Wait until the unit passes its gate or does not.

    A unit that does not pass is in `failed`, with systemd's result, the probe's last words and the journal of
    that process. The probe is asked at least once, also when the window is over: the window began with the
    start, and the gates of other units may have used it up.
    """
    began = systemd.started_at(gate.unit)
    deadline = began + gate.window
    first = systemd.invocation(gate.unit)
    processes = _Processes(first, began, replaced=not first)
    while True:
        failpoints.hit("gate.waiting")
        reason = (
            probe(gate.probe, gate.user, max(deadline - time.monotonic(), 1.0))
            if processes.invocation
            else "it does not run"
        )
        now, invocation = time.monotonic(), systemd.invocation(gate.unit)
        if invocation != processes.invocation:
            processes.change(invocation, now)
            reason = "it was started again"
        if not processes.invocation and not systemd.comes_up(gate.unit):
            return systemd.fallen(gate.unit, processes.ended)
        enough = _enough(gate, processes, deadline)
        if not reason and now >= enough and (not processes.replaced or systemd.runs(gate.unit)):
            systemd.passed(gate.unit)
            return Receipt(f"healthy {now - began:.1f} s after its start")
        if now >= deadline and (reason or processes.replaced):
            return _overdue(systemd, gate, processes, reason)
        systemd.watch(
            gate.unit, processes.invocation, _next_look(gate, processes, reason, now, max(deadline, enough))
        )


def _enough(gate: Gate, processes: _Processes, deadline: float) -> float:
    """When the gate opens if nothing is wrong. Without a probe it is watched to the end of the window."""
    if processes.replaced:
        return processes.steady if gate.probe else max(deadline, processes.steady)
    return min(processes.steady, deadline) if gate.probe else deadline


def _next_look(gate: Gate, processes: _Processes, reason: str, now: float, last: float) -> float:
    if not processes.invocation:
        pause = _RESTART_POLL
    elif reason:
        pause = gate.interval
    else:
        seconds_left = processes.steady - now
        pause = min(gate.interval, seconds_left) if seconds_left > 0 else gate.interval
    return min(now + pause, max(last, now + 0.05))


def _overdue(systemd: Systemd, gate: Gate, processes: _Processes, reason: str) -> Receipt:
    """The receipt of a unit that is not well at the end of its window."""
    if processes.replaced:
        return systemd.fallen(gate.unit, processes.ended)
    words = f"not healthy within {gate.window:g} s: {reason}{systemd.last_words(processes.invocation)}"
    return Receipt(failed={gate.unit: words})
