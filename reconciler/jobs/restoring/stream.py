"""Streaming one file of an archive to standard output, without a directory to unpack into."""

from __future__ import annotations

from reconciler.formats.backups.job import Job
from reconciler.host.archives.restore_target import send_file
from reconciler.host.archives.stream_directory import stream_directory
from reconciler.host.process import failpoints
from reconciler.jobs.engines import engine_of, restore
from reconciler.jobs.restoring.restore import Restored, must_be_plain


def stream(job: Job, at: str, path: str, to_fd: int) -> Restored:
    """Write one regular file of an archive to `to_fd`, which begins only once the sum was found right.

    The archive is chosen as `restore` does it. Raises Refused, HostError: then the file is not whole.
    """
    must_be_plain(path)
    return engine_of(job).stream(job, at, path, to_fd) or _by_directory(job, at, path, to_fd)


def _by_directory(job: Job, at: str, path: str, to_fd: int) -> Restored:
    """The same by way of the disk, where a chain is put together; a bad archive is passed over."""
    with stream_directory() as directory:
        done = restore(job, at, f"{directory}/files", [path])
        failpoints.hit("restore.streaming")
        send_file(f"{directory}/files{path}", to_fd)
        return done
