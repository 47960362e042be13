"""The snapshots of a job as archives, with the verdicts of this host's record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reconciler.core.basics.digest import machine_digest
from reconciler.core.host import HostError
from reconciler.formats.backups import manifest as manifests
from reconciler.formats.backups import restic_output
from reconciler.formats.backups.job import Job
from reconciler.formats.backups.manifest import Manifest
from reconciler.formats.backups.restic_output import Snapshot
from reconciler.formats.backups.restic_record import RepositoryRecord
from reconciler.host.archives.restic import Repository
from reconciler.host.archives.stored_archives import Entry, StoredArchives
from reconciler.host.hosts import machine_id, open_host
from reconciler.jobs.archives import Copies, Listing
from reconciler.jobs.restic import records
from reconciler.jobs.restic.repositories import open_repository, settings

KIND = "snapshot"
PARTIAL = "files could not be read when it was made: it lacks them"
_UNFINISHED = "the run that made it did not end: nobody knows what it lacks"


def machine() -> str:
    """The digest of this machine as tags have it."""
    return restic_output.short_machine(machine_digest(machine_id(open_host(None))))


def archive_name(job: str, ident: str) -> str:
    """The name that stands for the file of an archive, which a snapshot has not."""
    return f"{manifests.stem(job, ident)}.restic"


def listed(repository: Repository, job: Job) -> list[Snapshot]:
    """The snapshots of a job, the oldest first. Raises HostError."""
    return repository.snapshots(job.name, settings(job).host)


class Present:
    """The snapshots of a job that are in a repository, asked for once at most."""

    def __init__(self, repository: Repository, job: Job) -> None:
        self._repository, self._job = repository, job
        self._snapshots: list[Snapshot] | None = None

    @property
    def is_known(self) -> bool:
        """Whether they were asked for already."""
        return self._snapshots is not None

    def snapshots(self) -> list[Snapshot]:
        """All of them, the oldest first. Raises HostError."""
        if self._snapshots is None:
            self._snapshots = listed(self._repository, self._job)
        return self._snapshots


def is_of_run(snapshot: Snapshot, job: Job, ident: str) -> bool:
    """Whether a snapshot is that of a run of this job."""
    return snapshot.id == ident and restic_output.tag(job.name) in snapshot.tags


def is_ours(snapshot: Snapshot, record: RepositoryRecord) -> bool:
    """Whether this machine made a snapshot, or has taken it over."""
    return snapshot.machine in ("", machine(), *record.machines)


def archives_of(snapshots: Sequence[Snapshot], job: Job, record: RepositoryRecord) -> StoredArchives:
    """The archives of these snapshots, the oldest first."""
    entries = (_entry(snapshot, job, record) for snapshot in snapshots)
    return StoredArchives(
        tuple(sorted(entries, key=lambda entry: (entry.manifest.started, entry.manifest.id)))
    )


def recorded(record: RepositoryRecord) -> StoredArchives:
    """The archives that the record knows, the oldest first."""
    ordered = sorted(record.archives.values(), key=lambda archive: (archive.started, archive.id))
    return StoredArchives(
        tuple(Entry(archive, PARTIAL if archive.verified is False else "") for archive in ordered)
    )


def _entry(snapshot: Snapshot, job: Job, record: RepositoryRecord) -> Entry:
    recorded = record.archives.get(snapshot.id)
    if recorded is not None and recorded.sha256 == snapshot.sid:
        problem = PARTIAL if snapshot.partial or recorded.verified is False else ""
        return Entry(recorded, problem)
    manifest = from_snapshot(snapshot, job)
    problem = PARTIAL if snapshot.partial else _UNFINISHED if snapshot.id in record.unfinished else ""
    return Entry(replace(manifest, verified=False) if problem else manifest, problem)


def from_snapshot(snapshot: Snapshot, job: Job) -> Manifest:
    """The manifest of a snapshot of which nothing is recorded."""
    return Manifest(
        id=snapshot.id,
        job=job.name,
        archive=archive_name(job.name, snapshot.id),
        started=snapshot.time,
        finished=snapshot.time,
        bytes=snapshot.content,
        sha256=snapshot.sid,
        sources=snapshot.paths,
        tool="",
        tar=snapshot.tool,
        kind=KIND,
        compress="none",
        content=snapshot.content,
    )


def listing(job: Job) -> Listing:
    """All archives of a job, as far as its repositories can be reached."""
    archives: dict[str, dict[str, Entry]] = {}
    problems: list[str] = []
    foreign: list[str] = []
    doubts: dict[str, dict[str, str]] = {}
    for destination in job.destinations:
        try:
            record = records.record_of(job, destination)
            with open_repository(job, destination) as repository:
                snapshots = listed(repository, job)
        except HostError as problem:
            problems.append(str(problem))
            continue
        ours = [snapshot for snapshot in snapshots if is_ours(snapshot, record)]
        foreign += [_foreign(job, destination)] if len(ours) < len(snapshots) else []
        problems += [damage(destination, record)] if record.problem else []
        doubts[destination] = archives_of(ours, job, record).doubts
        for entry in archives_of(snapshots, job, record).entries:
            archives.setdefault(entry.manifest.id, {})[destination] = entry
    ordered = sorted(archives.values(), key=_time)
    return Listing(tuple(ordered), tuple(problems), (), doubts, tuple(foreign))


def _time(copies: Copies) -> tuple[int, str]:
    manifest = next(iter(copies.values())).manifest
    return manifest.started, manifest.id


def _foreign(job: Job, destination: str) -> str:
    return (
        f"{destination} has snapshots of {job.name} that another machine of this name made: they are not"
        f" counted, and none of them goes. If they are to be this machine's: reconciler backup accept"
        f" {job.name} --take-over"
    )


def damage(destination: str, record: RepositoryRecord) -> str:
    """The fault that the last check found, in words."""
    return f"{destination}: the repository is damaged: {record.problem}"
