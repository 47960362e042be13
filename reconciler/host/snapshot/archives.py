"""The archives of backup jobs in a snapshot: whether a plan lets some of them go is worked out from their
manifests.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.core.address import Address
from reconciler.core.state import LedgerRow
from reconciler.formats.backups import manifest
from reconciler.host.snapshot.recorder import MOST_NAMES, Recorder


def manifests(recorder: Recorder, rows: Mapping[Address, LedgerRow]) -> frozenset[str]:
    """The manifests in the destinations of the jobs that are ours; the destinations are listed.

    Raises HostError.
    """
    return frozenset(
        f"{place}/{name}"
        for address, row in rows.items()
        if address.kind == "backups"
        for place in _destinations(row)
        if recorder.list(place, MOST_NAMES)
        for name in recorder.names(place)
        if manifest.id_in(name, address.name, r"\.json")
    )


def _destinations(row: LedgerRow) -> list[str]:
    job = (row.document or {}).get("job")
    places = job.get("destinations") if isinstance(job, Mapping) else None
    return (
        [place for place in places if isinstance(place, str) and place.startswith("/")]
        if isinstance(places, list)
        else []
    )
