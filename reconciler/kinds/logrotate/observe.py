"""The state of rotation policies on a host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reconciler.core.address import Address
from reconciler.core.changes import Document, Observed
from reconciler.core.host import FileType, HostView, Unreadable, UnsafePath
from reconciler.formats import logrotate as form
from reconciler.kinds.shared import ownership

DIRECTORY = "/etc/logrotate.d"


def path_of(address: Address) -> str:
    """The file of a policy."""
    return f"{DIRECTORY}/{address.name}"


def observe(view: HostView, addresses: Sequence[Address]) -> Mapping[Address, Observed]:
    """One read per file of ours, and of each other that logrotate reads: it may rotate one of our logs, and
    then ours is ignored.
    """
    seen = {address: _observe(view, address) for address in addresses}
    documents = {
        address: observed.document for address, observed in seen.items() if observed.document is not None
    }
    if not documents:
        return seen
    from reconciler.kinds.logrotate.config_files import LogrotateHost  # which knows this module

    host = LogrotateHost(view, frozenset(map(path_of, addresses)))
    for address, document in documents.items():
        if clashes := tuple(host.clashes(document.get("paths", ()))):
            seen[address] = replace(seen[address], others=clashes)
    return seen


def _observe(view: HostView, address: Address) -> Observed:
    try:
        entry, content = ownership.read_entry(view, path_of(address))
    except (Unreadable, UnsafePath) as error:
        return ownership.unreadable(error)
    if entry is None:
        return Observed(None)
    document: Document = ownership.path_document(entry)
    if entry.type is FileType.FILE:
        document |= form.parse(content.decode("utf-8", "replace")).data()
    return Observed(document, {"expects": ownership.expects_of(entry, content)})
