"""Accept snapshots that shrank, and take over those of a former machine: both are put down in the record."""

from __future__ import annotations

from dataclasses import replace

from reconciler.formats.backups.doubt import most_of
from reconciler.formats.backups.job import Job
from reconciler.host.process import environment
from reconciler.jobs.accepting import Accepted
from reconciler.jobs.machine_marks import Taken
from reconciler.jobs.restic import records, snapshots
from reconciler.jobs.restic.repositories import open_repository


def accept(job: Job, by: str) -> list[Accepted]:
    """Record who agreed to each snapshot in doubt, and when; return those archives. Raises HostError."""
    done: list[Accepted] = []
    for destination in job.destinations:
        record = records.record_of(job, destination)
        with open_repository(job, destination) as repository:
            ours = [item for item in snapshots.listed(repository, job) if snapshots.is_ours(item, record)]
        archives = snapshots.archives_of(ours, job, record)
        doubts = archives.doubts
        for entry in archives.entries:
            if entry.manifest.id in doubts:
                agreed = entry.manifest.accepted(by, environment.now())
                record = record.with_archive(replace(agreed, most=most_of(agreed)))
                done.append(Accepted(destination, entry.manifest.id, doubts[entry.manifest.id]))
        if doubts:
            records.keep(job, destination, record)
    return done


def take_over(job: Job) -> list[Taken]:
    """Make the snapshots of other machines of this name this machine's. Raises HostError."""
    done: list[Taken] = []
    for destination in job.destinations:
        record = records.record_of(job, destination)
        with open_repository(job, destination) as repository:
            present = snapshots.listed(repository, job)
        others = [snapshot for snapshot in present if not snapshots.is_ours(snapshot, record)]
        machines = sorted({snapshot.machine for snapshot in others})
        if machines:
            records.keep(job, destination, replace(record, machines=(*record.machines, *machines)))
            done.append(Taken(destination, "is of a machine with another machine-id", len(others)))
    return done
