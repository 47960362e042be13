"""One run: a snapshot in each repository, judged, with a check of a part of the data when one is due."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from reconciler._version import __version__
from reconciler.core.host import HostError
from reconciler.formats.backups import restic_output, restic_patterns
from reconciler.formats.backups.doubt import most_with
from reconciler.formats.backups.job import Job
from reconciler.formats.backups.manifest import Manifest
from reconciler.formats.backups.restic_output import Snapshot
from reconciler.formats.backups.restic_record import RepositoryRecord
from reconciler.host.archives.restic import Repository
from reconciler.host.archives.tar import ArchiveError
from reconciler.host.process import environment, failpoints, progress
from reconciler.jobs.restic import records, snapshots
from reconciler.jobs.restic.checking import check, is_due
from reconciler.jobs.restic.contents import contents
from reconciler.jobs.restic.repositories import open_or_make, settings

Tell = Callable[[str], None]
_PARTLY = 3
_KEPT = 50
"""Warnings kept of one run."""


def make(
    job: Job, ident: str, left_out: Sequence[str], tell: Tell, must_be_mounted: Callable[[str], None]
) -> tuple[dict[str, Manifest], dict[str, HostError]]:
    """Make a snapshot in each destination; return the manifests and the failures, by destination.

    A snapshot that lacks files is among both, and so is one in a repository that a check found damaged.
    """
    made: dict[str, Manifest] = {}
    failed: dict[str, HostError] = {}
    for destination in job.destinations:
        try:
            if destination.startswith("/"):
                must_be_mounted(destination)
            record = records.record_of(job, destination)
            repository, record = _opened(job, destination, record, tell)
            with repository:
                manifest, record = _make_in(repository, job, destination, ident, left_out, record, tell)
                made[destination] = manifest
                if manifest.verified is False:
                    raise ArchiveError("the snapshot is partial", snapshots.PARTIAL)
                _check(repository, job, destination, record)
        except HostError as problem:
            failed[destination] = problem
    return made, failed


def _opened(
    job: Job, destination: str, record: RepositoryRecord, tell: Tell
) -> tuple[Repository, RepositoryRecord]:
    """The repository, made if it is new, and what is known of it. Raises HostError."""
    repository, repository_id = open_or_make(job, destination, record)
    if record.id not in ("", repository_id):
        tell(f"{destination}: this is another repository than before, {repository_id[:10]}")
        record = RepositoryRecord(machines=record.machines)
    return repository, replace(record, id=repository_id)


def _make_in(
    repository: Repository,
    job: Job,
    destination: str,
    ident: str,
    left_out: Sequence[str],
    record: RepositoryRecord,
    tell: Tell,
) -> tuple[Manifest, RepositoryRecord]:
    record = record.only({snapshot.id for snapshot in snapshots.listed(repository, job)})
    record = replace(record, unfinished=(*record.unfinished, ident))
    _keep(job, destination, record, tell)
    failpoints.hit("backup.recorded")
    snapshot, warnings, partial = _back_up(repository, job, ident)
    failpoints.hit("backup.streamed")
    manifest = _manifest(repository, job, snapshot, warnings, partial, record)
    manifest = replace(manifest, left_out=tuple(left_out))
    record = record.with_archive(manifest)
    _keep(job, destination, record, tell)
    failpoints.hit("backup.judged")
    return manifest, record


def _keep(job: Job, destination: str, record: RepositoryRecord, tell: Tell) -> None:
    """Put down what is known; without room for that a backup is still better than none."""
    try:
        records.keep(job, destination, record)
    except HostError as problem:
        tell(f"{destination}: the snapshot does not count until `backup verify` has looked: {problem}")


def _check(repository: Repository, job: Job, destination: str, record: RepositoryRecord) -> None:
    """Check the next part of the data when it is time. Raises HostError, also where a fault is known."""
    if job.verify and is_due(record, environment.now()):
        record = check(repository, job, destination, record)
    if record.problem:
        raise ArchiveError("the snapshot is there, but its repository is damaged", record.problem)


def _back_up(repository: Repository, job: Job, ident: str) -> tuple[Snapshot, list[str], bool]:
    """The new snapshot, the complaints of restic, and whether files are missing in it. Raises HostError."""
    output: list[str] = []
    status: list[str] = [""]
    with progress.step("making the snapshot", lambda: restic_output.share(status[0])):
        ended = repository.work(_argv(job, ident), _lines_to(output, status), accept=(0, _PARTLY))
    complaints = [*output, *ended.stderr]
    snapshot = _made(repository, job, ident)
    if {*snapshot.paths} != {*job.sources}:
        missing = sorted({*job.sources} - {*snapshot.paths})
        raise ArchiveError("the snapshot is not whole", f"{', '.join(missing)} is not in {snapshot.sid[:8]}")
    words, all_vanished = restic_output.unread(complaints)
    partial = ended.rc == _PARTLY and not all_vanished
    if ended.rc == _PARTLY and not words:
        words = [restic_output.reason(ended.rc, ended.stderr)]
    if partial:
        snapshot = _marked(repository, job, snapshot, ident)
    return snapshot, words[:_KEPT], partial


def _argv(job: Job, ident: str) -> list[str]:
    marks = restic_output.tags(job.name, ident, snapshots.machine())
    excluded = [
        *map(restic_patterns.pattern, job.exclude),
        *(restic_patterns.literal(path) for path in job.places),
    ]
    return [
        "backup",
        "--json",
        f"--host={settings(job).host}",
        *(f"--tag={mark}" for mark in marks),
        f"--compression={'off' if job.compress == 'none' else 'auto'}",
        *(["--one-file-system"] if job.one_file_system else []),
        *(f"--exclude={pattern}" for pattern in excluded),
        "--",
        *job.sources,
    ]


def _lines_to(lines: list[str], status: list[str]) -> Callable[[bytes], None]:
    """A taker of output that keeps its messages, but of the reports on progress the last one only."""
    rest = bytearray()

    def take(chunk: bytes) -> None:
        rest.extend(chunk)
        *whole, last = bytes(rest).split(b"\n")
        texts = [line.decode("utf-8", "replace") for line in whole]
        lines.extend(text for text in texts if '"status"' not in text)
        status[0] = next((text for text in texts if '"status"' in text), status[0])
        rest[:] = last

    return take


def _made(repository: Repository, job: Job, ident: str) -> Snapshot:
    """The snapshot that the run has made: restic's own word for it is not taken. Raises ArchiveError."""
    made = [snapshot for snapshot in snapshots.listed(repository, job) if snapshot.id == ident]
    if len(made) != 1:
        detail = f"{repository.access.location}: {len(made)} snapshots have the id {ident}"
        raise ArchiveError("restic ended without an error, and there is no snapshot", detail)
    return made[0]


def _marked(repository: Repository, job: Job, snapshot: Snapshot, ident: str) -> Snapshot:
    """The snapshot with the tag that says it is partial; without it where the repository takes no change.

    restic writes it anew for that, under another id of its own.
    """
    try:
        repository.work(["tag", f"--add={restic_output.PARTIAL}", snapshot.sid], lambda _: None)
    except HostError:
        return snapshot
    return _made(repository, job, ident)


def _manifest(
    repository: Repository,
    job: Job,
    snapshot: Snapshot,
    warnings: list[str],
    partial: bool,
    record: RepositoryRecord,
) -> Manifest:
    share = contents(repository, snapshot.sid, job.sources)
    missing = sorted(source for source, count in share.entries.items() if not count)
    if missing:
        raise ArchiveError("the snapshot is not whole", f"{missing[0]} is not in {snapshot.sid[:8]}")
    content = sum(share.data.values())
    now = environment.now()
    manifest = replace(
        snapshots.from_snapshot(snapshot, job),
        finished=now,
        tool=__version__,
        warnings=tuple(warnings),
        bytes=content,
        content=content,
        entries=share.entries,
        data=share.data,
    )
    good = [archive for archive in record.archives.values() if archive.verified]
    ordered = sorted(good, key=lambda archive: (archive.started, archive.id))
    manifest = replace(manifest, most=most_with(ordered, manifest))
    if partial:
        return manifest.judged(good=False, now=now)
    return manifest.judged(good=True, now=now) if job.verify else manifest
