"""The one place where a destination of a job is opened, by its name in the job: a path, or a URL."""

from __future__ import annotations

from reconciler.formats.backups.job import Job
from reconciler.host.archives.destination import Destination
from reconciler.host.archives.private_directory import Directory
from reconciler.host.archives.tar import TargetError

SPOOL = "/var/tmp"  # noqa: S108  # files have no name there
"""Where archives lie on their way to or from another machine."""
_unreachable: dict[str, TargetError] = {}
"""Destinations that this process could not reach: whoever has no patience does not wait for one twice."""


def open_destination(
    job: Job, name: str, *, make: bool = False, patient: bool = True, spool_in: str = ""
) -> Destination:
    """Open a destination of a job; `make` a missing directory below an existing one. Raises HostError.

    One on another machine has a few seconds to answer without `patient`. Its downloads lie on the disk of
    `spool_in` meanwhile.
    """
    remote = job.remotes.get(name)
    if remote is None:
        return Directory(name, make=make, tree=job.root)
    from reconciler.host.archives.remote.channel import Lost  # few jobs have one
    from reconciler.host.archives.remote.directory import RemoteDirectory

    if not patient and name in _unreachable:
        raise _unreachable[name]
    try:
        return RemoteDirectory(remote, make=make, patient=patient, spool_in=spool_in or SPOOL)
    except Lost as lost:
        _unreachable[name] = lost
        raise
