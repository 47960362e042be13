"""The state of timers on a host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.core.address import Address
from reconciler.core.changes import Observed
from reconciler.core.host import HostView
from reconciler.kinds.shared.schedule import observe as schedule_observe


def unit_of(address: Address) -> str:
    """The name of a job's units."""
    return address.name


def observe(view: HostView, addresses: Sequence[Address]) -> Mapping[Address, Observed]:
    """The state of all units and files."""
    return schedule_observe.observe(view, addresses, unit_of)
