"""Accepting archives that shrank: a person agrees, and from then on they count like all others."""

from __future__ import annotations

from dataclasses import replace

from reconciler.core.basics.frozen import frozen
from reconciler.formats.backups.doubt import most_of
from reconciler.formats.backups.job import Job
from reconciler.host.archives import stored_archives
from reconciler.host.process import environment
from reconciler.host.state.job_lock import RUN
from reconciler.jobs import machine_marks, store
from reconciler.jobs.destinations import open_destination
from reconciler.jobs.lock import lock_of


@frozen
class Accepted:
    """An archive that was in doubt in one destination, and why."""

    destination: str
    id: str
    why: str


def accept(job: Job, by: str, lock_directory: str = RUN) -> list[Accepted]:
    """Record in the manifest of each archive in doubt who agreed, and when; return those archives.

    Raises JobBusy, Refused where archives are another machine's (then nothing was written), HostError.
    """
    done: list[Accepted] = []
    with lock_of(job, lock_directory):
        machine_marks.all_must_be_ours(job)
        for path in job.destinations:
            with open_destination(job, path) as directory:
                archives = stored_archives.scan(directory, job.name)
                doubts = archives.doubts
                for entry in archives.entries:
                    if entry.manifest.id in doubts:
                        agreed = entry.manifest.accepted(by, environment.now())
                        store.record(directory, replace(agreed, most=most_of(agreed)))
                        done.append(Accepted(path, entry.manifest.id, doubts[entry.manifest.id]))
    return done
