"""Streaming one file of an archive that needs no other one, without the disk."""

from __future__ import annotations

from reconciler.formats.backups.job import Job
from reconciler.host.archives import members
from reconciler.jobs.archives import ids_of, listing, manifest_of
from reconciler.jobs.restoring.restore import Restored, sound


def stream(job: Job, at: str, path: str, to_fd: int) -> Restored | None:
    """Write one regular file of an archive to `to_fd`, which begins only once the sum was found right; None
    if it has to be put together on the disk. Raises Refused, HostError.
    """
    listed = listing(job)
    newest = next(iter(ids_of(listed, at)))
    copies = next((copies for copies in listed.archives if manifest_of(copies).id == newest), {})
    problems = [*listed.problems, *listed.foreign]
    if copies and not manifest_of(copies).parents:
        for copy in sound(job, copies, problems):
            members.print_file(copy.fd, copy.manifest.compress, path, to_fd)
            return Restored(copy.manifest, copy.path, problems=tuple(problems))
    return None
