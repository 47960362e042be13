"""What a host says about the keys of its users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.core.address import Address
from reconciler.core.changes import Observed
from reconciler.core.host import HostView
from reconciler.kinds import keys


def observe(view: HostView, addresses: Sequence[Address]) -> Mapping[Address, Observed]:
    """As `keys` does."""
    return keys.observe(view, {address: address.name for address in addresses})
