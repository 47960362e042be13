"""The state of directories on a host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.core.address import Address
from reconciler.core.changes import Observed
from reconciler.core.host import HostView, Unreadable, UnsafePath
from reconciler.kinds.shared import ownership


def observe(view: HostView, addresses: Sequence[Address]) -> Mapping[Address, Observed]:
    """The state of each directory, from one look at its path."""
    return {address: _observe(view, address.name) for address in addresses}


def _observe(view: HostView, path: str) -> Observed:
    try:
        entry = view.entry(path)
    except (Unreadable, UnsafePath) as error:
        return ownership.unreadable(error)
    if entry is None:
        return Observed(None)
    return Observed(ownership.path_document(entry), expects=str(entry.type))
