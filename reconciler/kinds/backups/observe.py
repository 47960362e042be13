"""The state of backups on a host: the job files and the units or files of cron's that run them."""

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
from reconciler.kinds.shared import file_observe
from reconciler.kinds.shared.named_disks import Absent, absent
from reconciler.kinds.shared.schedule import observe as schedule_observe

_DIRECTORIES = (job.DIRECTORY.rpartition("/")[0], job.DIRECTORY)


@frozen
class BackupFacts(Facts):
    """The facts about the file of a job."""

    missing: tuple[str, ...] = ()
    """The directories above it that have to be made, where the file is missing."""
    absent: tuple[Absent, ...] = ()
    """The disks of its sources and destinations that are not mounted."""


def unit_of(address: Address) -> str:
    """The name of a job's units."""
    return f"backup-{address.name}"


def is_scheduled(address: Address) -> bool:
    """Whether the part is one of the schedule, not the job file."""
    return address.part in schedule_observe.PARTS


def observe(view: HostView, addresses: Sequence[Address]) -> Mapping[Address, Observed]:
    """The state of each part, with one read of each job file."""
    scheduled = schedule_observe.observe(
        view, [address for address in addresses if is_scheduled(address)], unit_of
    )
    configs = [address for address in addresses if not is_scheduled(address)]
    if not configs:
        return scheduled
    missing, disks = _missing(view), Disks(view)
    return scheduled | {
        address: _observe(view, job.path_of(address.name), missing, disks) for address in configs
    }


def _missing(view: HostView) -> list[str]:
    """The directories above a job file that have to be made."""
    try:
        return [path for path in _DIRECTORIES if view.entry(path) is None]
    except (Unreadable, UnsafePath):
        return []


def _observe(view: HostView, path: str, missing: Sequence[str], disks: Disks) -> Observed:
    observed = file_observe.observe(view, path, _parsed)
    if observed.document is None:
        return observed if observed.unreadable else Observed(None, BackupFacts(missing=tuple(missing)))
    absent_disks = absent(disks, observed.document.get("job", {}))
    return replace(
        observed,
        private=BackupFacts(absent=tuple(absent_disks)),
        others=tuple(disk.mount_point for disk in absent_disks),
    )


def _parsed(content: bytes) -> Document:
    try:
        return {"job": job.parse(content.decode("utf-8"))}
    except (job.NotAJob, UnicodeDecodeError):
        return {"job": {"content": digest(content)}}
