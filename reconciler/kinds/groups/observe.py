"""The state of groups on a host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.core.address import Address
from reconciler.core.changes import Observed
from reconciler.core.host import HostView, Unreadable, UnsafePath
from reconciler.formats.accounts import account_files, passwd
from reconciler.kinds.shared import ownership

HALF_MADE = "group without its line in /etc/gshadow"
"""The remains of a groupadd that is killed between its two files."""


def observe(view: HostView, addresses: Sequence[Address]) -> Mapping[Address, Observed]:
    """The state of each group, from one read of /etc/group and of /etc/gshadow."""
    try:
        groups = {group.name: group for group in account_files.groups(view)}
    except (Unreadable, UnsafePath) as error:
        return {address: ownership.unreadable(error) for address in addresses}
    shadowed = _shadowed(view) if any(address.name in groups for address in addresses) else None
    return {address: _observed(groups.get(address.name), shadowed) for address in addresses}


def _shadowed(view: HostView) -> frozenset[str] | None:
    """The names of groups with a line in /etc/gshadow; None where that file is missing or may not be read."""
    text = account_files.known_text(view, "gshadow")
    return None if text is None else frozenset(row.name for row in passwd.parse_group_shadows(text))


def _observed(group: passwd.Group | None, shadowed: frozenset[str] | None) -> Observed:
    if group is None:
        return Observed(None)
    complete = shadowed is None or group.name in shadowed
    return Observed({"type": "group" if complete else HALF_MADE, "gid": group.gid})
