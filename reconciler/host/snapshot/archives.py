"""The manifests of backup jobs in a snapshot.

A plan works out from them whether it lets some archives go.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.core.address import Address
from reconciler.core.state import LedgerRow
from reconciler.formats.backups import manifest
from reconciler.host.snapshot.recorder import MOST_NAMES, Recorder


def manifests(recorder: Recorder, rows: Mapping[Address, LedgerRow]) -> frozenset[str]:
    """The paths of the manifests in the destinations of our jobs; notes the destinations as listed.

    Raises HostError.
    """
    return frozenset(
        f"{destination}/{name}"
        for address, row in rows.items()
        if address.kind == "backups"
        for destination in _destinations(row)
        if recorder.list_directory(destination, MOST_NAMES)
        for name in recorder.names(destination)
        if manifest.id_in(name, address.name, r"\.json")
    )


def _destinations(row: LedgerRow) -> list[str]:
    job = (row.document or {}).get("job")
    destinations = job.get("destinations") if isinstance(job, Mapping) else None
    return (
        [path for path in destinations if isinstance(path, str) and path.startswith("/")]
        if isinstance(destinations, list)
        else []
    )
