"""Waiting at a gate takes no processor."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.actions import Gate
from reconciler.host.systemd import gate as gates


class Clock:
    """A clock that goes on while somebody waits, and a little with each question."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.looks = 0

    def monotonic(self) -> float:
        """The time."""
        self.now += 0.001
        return self.now


class Healthy:
    """A unit whose one process runs from the start on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.now

    def started_at(self, _: str) -> float:
        """When it was started."""
        return self._began

    def invocation(self, _: str) -> str:
        """Its process."""
        self._clock.looks += 1
        return "one"

    def watch(self, _: str, __: str, deadline: float) -> None:
        """Nothing happens until then."""
        self._clock.now = max(self._clock.now, deadline)

    def passed(self, _: str) -> None:
        """It is well."""


@pytest.mark.parametrize("window", [0.6, 20.0])
def test_a_window_without_a_probe_is_waited_for(window: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that stays is looked at now and then until the window is over, and not all the time."""
    clock = Clock()
    monkeypatch.setattr(gates, "time", clock)
    unit: Any = Healthy(clock)
    receipt = gates.pass_gate(unit, Gate("web.service", window=window))

    assert not receipt.failed
    assert 1000.0 + window <= clock.now < 1000.0 + window + 0.1
    assert clock.looks < window / 0.5 + 6
