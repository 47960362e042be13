"""The state of services on a host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.core.address import Address
from reconciler.core.changes import Observed
from reconciler.core.host import HostView
from reconciler.kinds.shared import unit_observe


def unit_of(address: Address) -> str:
    """The unit of an address."""
    return f"{address.name}.service"


def observe(view: HostView, addresses: Sequence[Address]) -> Mapping[Address, Observed]:
    """The state of each part; parts with names are those of packages' units."""
    observed = unit_observe.observe(
        view, {address: unit_of(address) for address in addresses if not address.part}
    )
    others = [address for address in addresses if address.part]
    if others:
        from reconciler.kinds.services.vendor import observe as vendor_observe

        observed |= vendor_observe.observe(view, others)
    return observed
