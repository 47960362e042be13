"""Waiting until a service that was started is well, or is seen not to become so."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from reconciler.core.actions import Gate
from reconciler.core.host import Receipt
from reconciler.host import failpoints
from reconciler.host.probes import probe

if TYPE_CHECKING:
    from reconciler.host.systemd import Systemd

_STEADY = 0.4
"""Seconds that a process must have lasted, whatever the probe says: what answers may be its predecessor."""


def pass_gate(systemd: Systemd, gate: Gate) -> Receipt:
    """Wait; a unit that does not pass is in `failed`, with systemd's result, the probe's last words and the journal of that process.

    The probe is asked at least once, also when the window is over: it began with the start, and gates of other units may have taken it.
    """
    began = systemd.started_at(gate.unit)
    deadline = began + gate.window
    watched = systemd.invocation(gate.unit)
    steady = deadline if not gate.probe else began + min(_STEADY, gate.window)
    while True:
        failpoints.hit("gate.waiting")
        reason = probe(gate.probe, gate.user, max(deadline - time.monotonic(), 1.0)) if watched else ""
        if not watched or systemd.invocation(gate.unit) != watched:
            return systemd.fallen(gate.unit, watched)
        now = time.monotonic()
        if not reason and now >= steady:
            return Receipt(f"healthy {now - began:.1f} s after its start")
        if reason and now >= deadline:
            words = f"not healthy within {gate.window:g} s: {reason}{systemd.last_words(watched)}"
            return Receipt(failed={gate.unit: words})
        pause = gate.interval if reason else min(gate.interval, max(steady - now, 0.0))
        systemd.watch(gate.unit, watched, min(now + pause, max(deadline, steady, now + 0.05)))
