"""The state of backups on a host: the job files and what runs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reconciler.core.address import Address
from reconciler.core.basics.digest import digest
from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Document, Facts, Observed
from reconciler.core.host import HostView, Unreadable, UnsafePath
from reconciler.formats.backups import job
from reconciler.formats.disks import Disks
from reconciler.kinds.shared import file_part
from reconciler.kinds.shared.named_disks import Absent, absent
from reconciler.kinds.shared.schedule import observe as schedule_observe

_DIRECTORIES = (job.DIRECTORY.rpartition("/")[0], job.DIRECTORY)


@frozen
class BackupFacts(Facts):
    """The file of a job."""

    missing: tuple[str, ...] = ()
    """The directories above that have to be made, where it is not there."""
    absent: tuple[Absent, ...] = ()
    """The disks among its destinations that are not mounted."""


def unit_of(address: Address) -> str:
    """The name of a job's units."""
    return f"backup-{address.name}"


def is_scheduled(address: Address) -> bool:
    """Whether the part is about when, not what."""
    return address.part in schedule_observe.PARTS


def observe(view: HostView, addresses: Sequence[Address]) -> Mapping[Address, Observed]:
    """Units and cron files at once; one read of each job file."""
    found = schedule_observe.observe(
        view, [address for address in addresses if is_scheduled(address)], unit_of
    )
    configs = [address for address in addresses if not is_scheduled(address)]
    if not configs:
        return found
    missing, disks = _missing(view), Disks(view)
    return found | {address: _observe(view, job.path_of(address.name), missing, disks) for address in configs}


def _missing(view: HostView) -> list[str]:
    """Which of the directories above have to be made."""
    try:
        return [path for path in _DIRECTORIES if view.entry(path) is None]
    except (Unreadable, UnsafePath):
        return []


def _observe(view: HostView, path: str, missing: Sequence[str], disks: Disks) -> Observed:
    observed = file_part.observe(view, path, _parsed)
    if observed.document is None:
        return observed if observed.unreadable else Observed(None, BackupFacts(missing=tuple(missing)))
    gone = absent(disks, observed.document.get("job", {}))
    return replace(
        observed, private=BackupFacts(absent=tuple(gone)), others=tuple(disk.mount_point for disk in gone)
    )


def _parsed(content: bytes) -> Document:
    try:
        return {"job": job.parse(content.decode("utf-8"))}
    except (job.NotAJob, UnicodeDecodeError):
        return {"job": {"content": digest(content)}}
