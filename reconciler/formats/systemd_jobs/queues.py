"""The queues of PID 1 for jobs of its own accord (systemd.unit(5)).

It starts upheld units (Upholds=), and stops units that are bound to one that is down (BindsTo=) or that no
other one needs (StopWhenUnneeded=).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from reconciler.core.host import UnitNode
from reconciler.formats.systemd_jobs.job import DOWN, UP, JobType, Order, Reason

_MOST = 16
"""The number of times that systemd starts or stops a unit of its own accord within ten seconds."""


class Manager(Protocol):
    """PID 1, as the queues use it."""

    units: Mapping[str, UnitNode]
    order: Order

    def node(self, name: str) -> UnitNode:
        """One unit; MISSING when there is none of that name."""

    def state(self, name: str) -> str:
        """Its ActiveState."""

    def job(self, name: str) -> JobType | None:
        """The job that it has already."""

    def add(self, type_: JobType, name: str, because: Reason, *, spare: bool = False) -> None:
        """Install a job that nobody has asked for, unless systemd would refuse it."""


class Queues:
    """Units that systemd will look at, the last one first."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self._upheld: dict[str, None] = {}
        self._bound: dict[str, None] = {}
        self._unneeded: dict[str, None] = {}
        self._moved: dict[str, int] = {}
        self._last_down: dict[str, str] = {}

    @property
    def restless(self) -> frozenset[str]:
        """Units that systemd has started or stopped of its own accord as often as it allows."""
        return frozenset(name for name, times in self._moved.items() if times > _MOST)

    def enter(self, unit: str, node: UnitNode, state: str) -> None:
        """Enter the units that are concerned by a unit's new state."""
        if state in DOWN:
            for other in _related(node, "Requires", "Requisite", "Wants", "BindsTo", "Upholds"):
                self._last_down[other] = unit
                self._unneeded[other] = None
            for other in _related(node, "BoundBy"):
                self._bound[other] = None
            self._upheld[unit] = None
        elif state in UP:
            for other in _related(node, "Upholds"):
                self._upheld[other] = None
            self._unneeded[unit] = None
            self._bound[unit] = None

    def submit(self, unit: str) -> None:
        """Enter a unit into all queues, whatever its state."""
        self._upheld[unit] = self._bound[unit] = self._unneeded[unit] = None

    def work_off(self) -> bool:
        """Look at all units in the queues. Always False: it only makes jobs, and those are run next."""
        for queue, look in (
            (self._upheld, self._look_upheld),
            (self._bound, self._look_bound),
            (self._unneeded, self._look_unneeded),
        ):
            while queue:
                unit, _ = queue.popitem()
                look(unit)
        return False

    def _look_upheld(self, unit: str) -> None:
        manager = self._manager
        if manager.state(unit) not in DOWN or manager.job(unit):
            return
        holders = manager.order(manager.node(unit).relations.get("UpheldBy", ()))
        holder = next(
            (
                other
                for other in holders
                if other in manager.units and not manager.job(other) and manager.state(other) in UP
            ),
            None,
        )
        if holder and self._not_too_often(unit):
            manager.add(JobType.START, unit, ("Upholds", holder), spare=True)

    def _look_bound(self, unit: str) -> None:
        manager = self._manager
        if manager.state(unit) != "active" or manager.job(unit):
            return
        others = manager.order(manager.node(unit).relations.get("BindsTo", ()))
        down = next(
            (other for other in others if not manager.job(other) and manager.state(other) in DOWN), None
        )
        if down and self._not_too_often(unit):
            manager.add(JobType.STOP, unit, ("BoundBy", down))

    def _look_unneeded(self, unit: str) -> None:
        manager = self._manager
        node = manager.node(unit)
        if (
            node.flags.get("StopWhenUnneeded") != "yes"
            or manager.state(unit) != "active"
            or manager.job(unit)
        ):
            return
        pins = _related(node, "RequiredBy", "RequisiteOf", "WantedBy", "BoundBy", "UpheldBy")
        if any(manager.job(other) or manager.state(other) not in DOWN for other in pins):
            return
        if self._not_too_often(unit):
            manager.add(JobType.STOP, unit, ("StopWhenUnneeded", self._last_down.get(unit, unit)), spare=True)

    def _not_too_often(self, unit: str) -> bool:
        self._moved[unit] = self._moved.get(unit, 0) + 1
        return self._moved[unit] <= _MOST


def _related(node: UnitNode, *relations: str) -> Iterable[str]:
    """The names of the units that these relations name, by relation, then by name."""
    for relation in relations:
        yield from sorted(node.relations.get(relation, ()))
