"""The state of the keys of a host's users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.core.address import Address
from reconciler.core.changes import Observed
from reconciler.core.host import HostView
from reconciler.kinds.shared import key_parts


def observe(view: HostView, addresses: Sequence[Address]) -> Mapping[Address, Observed]:
    """The state of the file and of each key, as `key_parts.observe` has it."""
    return key_parts.observe(view, {address: address.name for address in addresses})
