"""One run: a snapshot in each repository, judged, with a check of a part of the data when one is due.

Each call of restic opens the repository anew, which takes half a second of its slow key: a run makes the
snapshot, and lists what is in it. It asks for the list of all snapshots once a day, with the check, or when
an old one may go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from reconciler._version import __version__
from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError
from reconciler.formats.backups import kept_directory, restic_output, restic_patterns
from reconciler.formats.backups.doubt import most_with
from reconciler.formats.backups.job import Job
from reconciler.formats.backups.manifest import Manifest
from reconciler.formats.backups.restic_output import Snapshot
from reconciler.formats.backups.restic_record import RepositoryRecord
from reconciler.host.archives.restic import Repository, RepositoryMissing
from reconciler.host.archives.tar import ArchiveError
from reconciler.host.process import environment, failpoints, progress
from reconciler.jobs.making.archive import left_out
from reconciler.jobs.making.done import Done, none_made, reason
from reconciler.jobs.making.mounted import must_be_mounted
from reconciler.jobs.pruning import Pruned
from reconciler.jobs.restic import records, snapshots
from reconciler.jobs.restic.checking import check, is_due
from reconciler.jobs.restic.contents import Contents, contents
from reconciler.jobs.restic.prune import prune_after_run
from reconciler.jobs.restic.repositories import gone, open_or_make, settings
from reconciler.jobs.restic.snapshots import Present

Tell = Callable[[str], None]
_PARTLY = 3
_KEPT = 50
"""Warnings kept of one run."""


@frozen
class Outcome:
    """The end of a run in one repository."""

    manifest: Manifest
    problem: HostError | None
    """Why it is not whole: it lacks files, or a check found the repository damaged."""
    doubt: str
    pruned: Pruned


def make(job: Job, ident: str, tell: Tell, snapshots: str) -> Done:
    """Make a snapshot in each destination, and let old ones go there.

    Raises Refused, HostError: then there is none.
    """
    del snapshots  # the files of tar's chains
    made, failed = _make(job, ident, left_out(job), tell)
    if not made:
        raise none_made(job, failed)
    problems = failed | {path: item.problem for path, item in made.items() if item.problem}
    return Done(
        next(iter(made.values())).manifest,
        tuple(made),
        {path: reason(job, path, problem) for path, problem in problems.items()},
        {path: item.pruned for path, item in made.items()},
        {path: item.doubt for path, item in made.items() if item.doubt},
    )


def _make(
    job: Job, ident: str, left_out: Sequence[str], tell: Tell
) -> tuple[dict[str, Outcome], dict[str, HostError]]:
    """The outcomes, and the failures of the destinations that have none, by destination."""
    made: dict[str, Outcome] = {}
    failed: dict[str, HostError] = {}
    for destination in job.destinations:
        try:
            if destination.startswith("/"):
                must_be_mounted(destination)
            made[destination] = _run_in(job, destination, ident, left_out, tell)
        except HostError as problem:
            failed[destination] = problem
    return made, failed


def _run_in(job: Job, destination: str, ident: str, left_out: Sequence[str], tell: Tell) -> Outcome:
    record = records.record_of(job, destination)
    repository, repository_id = open_or_make(job, destination, record)
    record, problem = replace(record, id=repository_id), None
    with repository:
        present = Present(repository, job)
        manifest, record = _make_in(repository, job, destination, ident, left_out, record, tell)
        try:
            if manifest.verified is False:
                raise ArchiveError("the snapshot is partial", snapshots.PARTIAL)
            record = _check(repository, job, destination, ident, record, present, tell)
            if record.problem:
                raise ArchiveError("the snapshot is there, but its repository is damaged", record.problem)
        except HostError as failure:
            problem = failure
    doubt = snapshots.recorded(record).doubts.get(ident, "")
    return Outcome(manifest, problem, doubt, prune_after_run(job, destination, ident, present))


def _make_in(
    repository: Repository,
    job: Job,
    destination: str,
    ident: str,
    left_out: Sequence[str],
    record: RepositoryRecord,
    tell: Tell,
) -> tuple[Manifest, RepositoryRecord]:
    record = replace(record, unfinished=(*record.unfinished, ident))
    _keep(job, destination, record, tell)
    failpoints.hit("backup.recorded")
    try:
        content, warnings, partial = _back_up(repository, job, ident)
    except RepositoryMissing as problem:
        raise gone(destination, record, problem) from problem
    failpoints.hit("backup.streamed")
    manifest = _manifest(job, content, warnings, partial, record)
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


def _check(
    repository: Repository,
    job: Job,
    destination: str,
    ident: str,
    record: RepositoryRecord,
    present: Present,
    tell: Tell,
) -> RepositoryRecord:
    """Check the next part of the data when it is time. Raises HostError."""
    is_time = job.verify and is_due(record, environment.now())
    if is_time or record.problem:
        record = _of_this_repository(repository, destination, ident, record, present, tell)
    return check(repository, job, destination, record) if is_time else record


def _of_this_repository(
    repository: Repository,
    destination: str,
    ident: str,
    record: RepositoryRecord,
    present: Present,
    tell: Tell,
) -> RepositoryRecord:
    """The same without the snapshots that are gone, and without all that was known of another repository that
    was in this place. Raises HostError.
    """
    before = {*record.archives} - {ident}
    if not (before or record.problem or record.unfinished):
        return record
    here = {snapshot.id for snapshot in present.snapshots()}
    if not before & here:
        repository_id = repository.id()
        if repository_id != record.id:
            tell(f"{destination}: this is another repository than before, {repository_id[:10]}")
            record = RepositoryRecord(repository_id, machines=record.machines, archives=record.archives)
    return record.only(here)


def _back_up(repository: Repository, job: Job, ident: str) -> tuple[Contents, list[str], bool]:
    """The new snapshot, the complaints of restic, and whether files are missing in it. Raises HostError."""
    output: list[str] = []
    status: list[str] = [""]
    with progress.step("making the snapshot", lambda: restic_output.share(status[0])):
        ended = repository.work(_argv(job, ident), _lines_to(output, status), accept=(0, _PARTLY))
    complaints = [*output, *ended.stderr]
    content = _made(repository, job, ident, restic_output.new_snapshot(output))
    words, all_vanished = restic_output.unread(complaints)
    partial = ended.rc == _PARTLY and not all_vanished
    if ended.rc == _PARTLY and not words:
        words = [restic_output.reason(ended.rc, ended.stderr)]
    if partial:
        content = replace(content, snapshot=_marked(repository, job, content.snapshot, ident))
    return content, words[:_KEPT], partial


def _argv(job: Job, ident: str) -> list[str]:
    marks = restic_output.tags(job.name, ident, snapshots.machine())
    excluded = [
        *map(restic_patterns.pattern, (*job.exclude, kept_directory.PATTERN)),
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


def _made(repository: Repository, job: Job, ident: str, sid: str) -> Contents:
    """The snapshot that the run has made: restic's own word for it is not taken. Raises HostError."""
    content = contents(repository, sid, job.sources) if sid else None
    if content is None or not snapshots.is_of_run(content.snapshot, job, ident):
        detail = f"{repository.access.location}: it has made {sid or 'none'} for {ident}"
        raise ArchiveError("restic ended without an error, and there is no snapshot", detail)
    missing = {*job.sources} - {*content.snapshot.paths}
    missing |= {source for source, count in content.share.entries.items() if not count}
    if missing:
        detail = f"{', '.join(sorted(missing))} is not in {content.snapshot.sid[:8]}"
        raise ArchiveError("the snapshot is not whole", detail)
    return content


def _marked(repository: Repository, job: Job, snapshot: Snapshot, ident: str) -> Snapshot:
    """The snapshot with the tag that says it is partial; without it where the repository takes no change.

    restic writes it anew for that, under another id of its own.
    """
    try:
        repository.work(["tag", f"--add={restic_output.PARTIAL}", snapshot.sid], lambda _: None)
    except HostError:
        return snapshot
    marked = [item for item in snapshots.listed(repository, job) if item.id == ident]
    return marked[0] if len(marked) == 1 else snapshot


def _manifest(
    job: Job, made: Contents, warnings: list[str], partial: bool, record: RepositoryRecord
) -> Manifest:
    share = made.share
    content = sum(share.data.values())
    now = environment.now()
    manifest = replace(
        snapshots.from_snapshot(made.snapshot, job),
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
