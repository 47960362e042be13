"""What a host says about groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.core.address import Address
from reconciler.core.changes import Observed
from reconciler.core.host import HostView, Unreadable, UnsafePath
from reconciler.formats import accounts


def observe(view: HostView, addresses: Sequence[Address]) -> Mapping[Address, Observed]:
    """One read of /etc/group for all."""
    try:
        text = view.read("/etc/group").decode("utf-8", "replace")
    except FileNotFoundError:
        text = ""
    except (Unreadable, UnsafePath) as error:
        return {address: Observed(None, unreadable=str(error)) for address in addresses}
    found = {group.name: group for group in accounts.parse_groups(text)}
    return {address: _observed(found.get(address.name)) for address in addresses}


def _observed(group: accounts.Group | None) -> Observed:
    return Observed(None) if group is None else Observed({"type": "group", "gid": group.gid})
