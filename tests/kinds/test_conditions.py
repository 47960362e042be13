"""Conditions of units: what is looked at, and of what systemd is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from reconciler.host.simulation.host import SimulatedHost
from reconciler.kinds.shared.unit_conditions import unmet

pytestmark = pytest.mark.slow

ANSWERS = {
    "ConditionVirtualization=container": False,
    "ConditionVirtualization=!container": True,
    "ConditionCPUs=>=2": False,
}


class Asked(SimulatedHost):
    """A host whose systemd answers."""

    questions: tuple[str, ...] = ()

    def conditions(self, texts: Sequence[str]) -> Mapping[str, bool]:
        """As HostView.conditions."""
        self.questions += tuple(texts)
        return {text: ANSWERS[text] for text in texts if text in ANSWERS}


def judged(**conditions: str | list[str]) -> tuple[str, tuple[str, ...]]:
    """The condition that does not hold on a host with /etc/there, and the questions that systemd was asked."""
    host = Asked(SimulatedHost.of({"/etc/there": "x"}))
    unit = {f"Condition{name}": value for name, value in conditions.items()}
    return unmet(host, {"Unit": unit}, ask=True), host.questions


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ({"Virtualization": "container"}, "ConditionVirtualization=container"),
        ({"Virtualization": "!container"}, ""),
        ({"Capability": "CAP_SYS_BOOT"}, ""),
        (
            {"Virtualization": "|container", "PathExists": "|/etc/gone"},
            "ConditionVirtualization=|container or ConditionPathExists=|/etc/gone",
        ),
        ({"Virtualization": ["|container", "|!container"]}, ""),
        ({"PathExists": "/etc/there", "CPUs": ">=2"}, "ConditionCPUs=>=2"),
    ],
)
def test_what_does_not_hold(conditions: dict[str, str | list[str]], words: str) -> None:
    """The condition is told as it is written; where systemd cannot tell, nothing is."""
    assert words == judged(**conditions)[0]


def test_systemd_is_asked_only_where_that_decides() -> None:
    """Not where a path decides already, and never with a specifier that only the manager fills in."""
    assert () == judged(PathExists="/etc/gone", CPUs=">=2")[1]
    assert () == judged(Host="%H")[1]
    assert ("ConditionCPUs=>=2",) == judged(PathExists="/etc/there", CPUs="|>=2")[1]
