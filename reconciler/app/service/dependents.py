"""The units that systemd takes along when a person starts, stops or restarts a service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.app.service.service import Chosen, hold_of
from reconciler.core.actions import Unit, UnitVerb
from reconciler.core.basics.frozen import frozen
from reconciler.core.host import TakenAlong
from reconciler.core.state import Memory
from reconciler.host.hosts import open_host
from reconciler.host.simulation.host import SimulatedHost
from reconciler.kinds.services.model import OnChange


@frozen
class Dependent:
    """A unit that nobody named and to which something happens."""

    taken: TakenAlong
    declared: bool
    """Whether the spec has it as a service."""
    note: str = ""
    """The objection of the spec or a hold."""

    @property
    def words(self) -> str:
        """One line for a person."""
        if self.taken.unit == self.taken.root:
            return (
                f"{self.taken.unit} does not stay so: systemd would {self.taken.verb} it again, since"
                f" {self.taken.why}"
            )
        about = self.note or ("" if self.declared else "it is not in the spec")
        return f"{self.taken.verb} {self.taken.unit} as well: {self.taken.why}" + (
            f" ({about})" if about else ""
        )

    @property
    def data(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "unit": self.taken.unit,
            "verb": self.taken.verb.value,
            "why": self.taken.why,
            "along_with": self.taken.root,
            "declared": self.declared,
            "note": self.note,
        }


def dependents(verb: UnitVerb, chosen: Chosen, memory: Memory) -> Sequence[Dependent]:
    """The other units that systemd would start, stop or restart too. Raises HostError."""
    host = open_host(None)
    if not host.running:
        return ()
    receipt = SimulatedHost(host).execute(Unit(verb, chosen.units))
    return [_dependent(taken, chosen, memory) for taken in receipt.along]


def asks(units: Sequence[Dependent]) -> bool:
    """Whether a person has to agree: a service would start or stop, or another unit that runs would stop."""
    return any(dependent.taken.ran or dependent.taken.unit.endswith(".service") for dependent in units)


def _dependent(taken: TakenAlong, chosen: Chosen, memory: Memory) -> Dependent:
    name = taken.unit.removesuffix(".service")
    declared = chosen.declaration(name)
    held = hold_of(name, memory)
    if held is not None:
        return Dependent(taken, declared is not None, f"on hold: {held.why}")
    if declared is not None and taken.ran and declared.on_change is not OnChange.RESTART:
        return Dependent(taken, declared=True, note=f"it says `on_change: {declared.on_change}`")
    return Dependent(taken, declared is not None)
