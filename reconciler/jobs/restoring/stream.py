"""Streaming one file of an archive to standard output, without a directory to unpack into."""

from __future__ import annotations

from reconciler.formats.backups.job import Job
from reconciler.host.archives import members
from reconciler.host.archives.restore_target import send_file
from reconciler.host.archives.stream_directory import stream_directory
from reconciler.host.process import failpoints
from reconciler.jobs.archives import ids_of, listing, manifest_of
from reconciler.jobs.engines import restore
from reconciler.jobs.restoring.restore import Restored, must_be_plain, sound


def stream(job: Job, at: str, path: str, to_fd: int) -> Restored:
    """Write one regular file of an archive to `to_fd`, which begins only once the sum was found right.

    The archive is chosen as `restore` does it. Raises Refused, HostError: then the file is not whole.
    """
    must_be_plain(path)
    if job.restic is not None:
        return _by_directory(job, at, path, to_fd)
    listed = listing(job)
    newest = next(iter(ids_of(listed, at)))
    copies = next((copies for copies in listed.archives if manifest_of(copies).id == newest), {})
    problems = [*listed.problems, *listed.foreign]
    if copies and not manifest_of(copies).parents:
        for copy in sound(job, copies, problems):
            members.print_file(copy.fd, copy.manifest.compress, path, to_fd)
            return Restored(copy.manifest, copy.path, problems=tuple(problems))
    return _by_directory(job, at, path, to_fd)


def _by_directory(job: Job, at: str, path: str, to_fd: int) -> Restored:
    """The same by way of the disk, where a chain is put together; a bad archive is passed over."""
    with stream_directory() as directory:
        done = restore(job, at, f"{directory}/files", [path])
        failpoints.hit("restore.streaming")
        send_file(f"{directory}/files{path}", to_fd)
        return done
