"""The one place where a destination of a job is opened, by its name in the job: a path, or a URL."""

from __future__ import annotations

from reconciler.formats.backups.job import Job
from reconciler.host.archives.destination import Destination
from reconciler.host.archives.private_directory import Directory


def open_destination(job: Job, name: str, *, make: bool = False) -> Destination:
    """Open a destination of a job; `make` a missing directory below an existing one. Raises HostError."""
    return Directory(name, make=make, tree=job.root)
