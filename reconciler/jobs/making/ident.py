"""The id of a new archive sorts after those of all archives of its job, also where the clock stood still, or
was set back a little.

A clock that was set back by more is followed, and retention and health tell of it: an archive that took its
time from those of a wrong clock would be as wrong as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import sleep

from reconciler.core.host import HostError
from reconciler.formats.backups import manifest as manifests
from reconciler.formats.backups import record as records
from reconciler.formats.backups.job import Job
from reconciler.formats.backups.record import NotARecord
from reconciler.host.process import environment
from reconciler.host.state.job_records import DIRECTORY, read_record
from reconciler.jobs.engines import engine_of

_SECOND = 1_000_000
"""In microseconds, as all times here."""
_LITTLE = 5 * _SECOND
"""A step back of a clock that is waited for."""


def new_ident(job: Job, records_directory: str = DIRECTORY) -> str:
    """A new id, under the lock of the job."""
    now = environment.microseconds()
    latest = max((time for time in _times(job, records_directory) if time <= now + _LITTLE), default=0)
    if latest > now:
        sleep((latest - now) / _SECOND)
    return manifests.new_id(max(environment.microseconds(), latest + 1), environment.random_hex(4))


def _times(job: Job, records_directory: str) -> Iterator[int]:
    """The times of all archives, as far as they are known without another machine."""
    if not job.root and environment.is_root():
        try:
            content = read_record(job.name, records_directory)
            newest = records.load(content, job.name).newest.values() if content is not None else ()
        except (HostError, NotARecord):
            newest = ()
        for item in newest:
            yield from (manifests.microseconds_of(item.archive), item.started * _SECOND)
    for path in job.destinations:
        try:
            yield from engine_of(job).times(job, path)
        except HostError:  # the run says so, if it is still so then
            continue
