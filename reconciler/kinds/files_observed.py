"""What a host says about files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.core.address import Address
from reconciler.core.changes import Observed
from reconciler.core.host import FileType, HostView, Unreadable, UnsafePath
from reconciler.kinds import access


def observe(view: HostView, addresses: Sequence[Address]) -> Mapping[Address, Observed]:
    """One look at each path, and one read."""
    return {address: _observe(view, address.name) for address in addresses}


def _observe(view: HostView, path: str) -> Observed:
    try:
        entry, content = access.digest_entry(view, path)
    except (Unreadable, UnsafePath) as error:
        return access.unreadable(error)
    if entry is None:
        return Observed(None)
    document = access.path_document(entry)
    if entry.type is FileType.FILE:
        document["content"] = content
    return Observed(document, {"expects": access.expects_with(entry, content)})
