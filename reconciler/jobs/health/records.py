"""The record of a job on this host: read, changed under its lock, and made anew where it is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from reconciler.core.host import HostError
from reconciler.formats.backups import record as formats
from reconciler.formats.backups.job import Job
from reconciler.formats.backups.record import NotARecord, Record, Verification
from reconciler.host.process import environment, failpoints
from reconciler.host.state.job_records import DIRECTORY, read_record, records_lock, write_record
from reconciler.jobs.archives import Listing, manifest_of
from reconciler.jobs.engines import listing


def load(job: Job, directory: str = DIRECTORY) -> Record | None:
    """The record of a job; None where there is none that can be used, or only that of a former job of this
    name. Raises HostError where we may not look.
    """
    content = read_record(job.name, directory)
    try:
        record = formats.load(content, job.name) if content is not None else None
    except NotARecord:
        return None
    return record if record is not None and record.is_of(job.destinations) else None


def update(job: Job, change: Callable[[Record], Record], directory: str = DIRECTORY) -> None:
    """Change the record of a job; one that is lost is made anew from the archives. Raises HostError."""
    # Outside of the lock, which is that of all jobs: a destination may take its time.
    rebuilt = None if load(job, directory) else _rebuilt(job, environment.now())
    with records_lock(directory):
        record = load(job, directory) or rebuilt or Record(job.name, environment.now())
        failpoints.hit("backup.record")
        changed = replace(change(record), destinations=job.destinations)
        write_record(job.name, formats.dump(changed), directory)


def _rebuilt(job: Job, now: int) -> Record:
    """A record of what the manifests tell: the newest archives and the last verification that was good."""
    record = Record(job.name, now)
    try:
        listed = listing(job)
    except HostError:
        return record
    return replace(record, verification=_verification(listed), newest=_newest(listed))


def _verification(listed: Listing) -> Verification | None:
    times = [
        entry.manifest.verified_at
        for copies in listed.archives
        for entry in copies.values()
        if entry.good and entry.manifest.verified_at is not None
    ]
    return Verification(max(times), good=True) if times else None


def _newest(listed: Listing) -> dict[str, formats.Newest]:
    return {
        path: formats.Newest(manifest_of(copies).id, manifest_of(copies).started, manifest_of(copies).bytes)
        for copies in listed.archives
        for path, entry in copies.items()
        if not entry.problem and entry.manifest.verified is not False
    }


def keep(job: Job, change: Callable[[Record], Record], directory: str = DIRECTORY) -> list[str]:
    """Change the record of a job, if we are root, who alone has records; return why that could not be done,
    if so.

    A job of a tree has none: one of this host may have its name.
    """
    if job.root or not environment.is_root():
        return []
    try:
        update(job, change, directory)
    except HostError as problem:
        return [str(problem)]
    return []
