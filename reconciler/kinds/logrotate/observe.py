"""The state of rotation policies on a host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reconciler.core.address import Address
from reconciler.core.changes import Document, Observed
from reconciler.core.host import HostView
from reconciler.formats import logrotate as form
from reconciler.kinds.shared import file_observe


def path_of(address: Address) -> str:
    """The file of a policy."""
    return f"{form.DIRECTORY}/{address.name}"


def observe(view: HostView, addresses: Sequence[Address]) -> Mapping[Address, Observed]:
    """The state of each policy, from one read of each file.

    The other files that logrotate reads are read too: where one rotates a log of ours, ours may be ignored.
    """
    states = {address: file_observe.observe(view, path_of(address), _parsed) for address in addresses}
    documents = {
        address: observed.document for address, observed in states.items() if observed.document is not None
    }
    if not documents:
        return states
    from reconciler.kinds.shared.rotation_files import LogrotateHost  # not where nothing is there

    host = LogrotateHost(view, frozenset(map(path_of, addresses)))
    for address, document in documents.items():
        if clashes := tuple(host.clashes(document.get("paths", ()))):
            states[address] = replace(states[address], others=clashes)
    return states


def _parsed(content: bytes) -> Document:
    return form.parse(content.decode("utf-8", "replace")).data()
