"""The state of the keys of a host's users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.core.address import Address
from reconciler.core.changes import Observed
from reconciler.core.host import HostView
from reconciler.kinds.shared.keys import observe as key_observe


def observe(view: HostView, addresses: Sequence[Address]) -> Mapping[Address, Observed]:
    """The state of the file and of each key, as `key_observe.observe` has it."""
    return key_observe.observe(view, {address: address.name for address in addresses})
