"""The health of a backup job: whether its archives are recent enough, good, and as large as they were, and
whether its last run, verification and drill went well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError
from reconciler.formats.backups import manifest as manifests
from reconciler.formats.backups.job import Job, path_of
from reconciler.formats.backups.lateness import LATE, late, overdue
from reconciler.formats.backups.record import FAILED, GOOD, Record
from reconciler.formats.systemd import timespan
from reconciler.host.archives.private_directory import look
from reconciler.host.archives.stored_archives import StoredArchives
from reconciler.host.process import environment
from reconciler.host.state.job_lock import RUN
from reconciler.jobs.engines import engine_of
from reconciler.jobs.health import records
from reconciler.jobs.health.due_runs import due
from reconciler.jobs.making.owed import is_running, still_owed

RAN = "run"
"""The cause of a trouble that the last run had."""


@frozen
class Trouble:
    """Something that is not well: its cause, which stays the same while it lasts, and the words for it."""

    cause: str
    text: str


@frozen
class Condition:
    """The condition of a job."""

    is_known: bool
    """False where we may not look."""
    troubles: tuple[Trouble, ...] = ()
    """Everything that is not well."""
    newest: int | None = None
    """When the newest archive that is not bad was begun, in seconds since the epoch."""
    verified: int | None = None
    """When an archive was last proved to be good."""
    bytes: int | None = None
    """The size of the newest archive that is not bad."""
    record: Record | None = None
    """The record of its runs."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Everything that is not well, in words."""
        return tuple(trouble.text for trouble in self.troubles)


def current(job: Job) -> Condition:
    """The condition of a job of this host, now."""
    try:
        record = records.load(job)
    except HostError as problem:
        if not environment.is_root():
            return Condition(is_known=False, troubles=(Trouble("unreadable", str(problem)),))
        record = None
    result = condition(job, environment.now(), record)
    owed = still_owed(job)
    if not owed or not result.is_known:
        return result
    return replace(result, troubles=(Trouble("owed", owed), *result.troubles))


def condition(job: Job, now: int, record: Record | None = None, lock_directory: str = RUN) -> Condition:
    """The condition of a job: its archives in all its destinations, and what its record tells.

    Each destination is to have a recent archive: the oldest of their newest counts. One on another machine is
    not asked where the record says what it got last: it may be slow, and it is no fault that it is off now.
    """
    troubles = [*_of_record(job, record, lock_directory)] if record is not None else []
    newest: list[int] = []
    verified: list[int] = []
    sizes: list[int] = []
    for path in job.destinations:
        last = record.newest.get(path) if record is not None and path in job.remotes else None
        if last is not None:
            newest.append(last.started)
            sizes.append(last.bytes)
            why = _late(job, last.started, now)
            troubles += [Trouble(f"late {path}", f"{path}: {why}")] if why else []
            continue
        try:
            archives, foreign = engine_of(job).archives(job, path)
        except HostError as problem:
            if not environment.is_root():
                return Condition(is_known=False, troubles=(Trouble("unreadable", str(problem)),))
            if path in job.remotes:  # what is there is not known
                troubles.append(Trouble(f"unreadable {path}", str(problem)))
                continue
            archives, foreign = StoredArchives(), ""
            troubles += [Trouble(f"unreadable {path}", str(problem))] if _is_there(path) else []
        usable = [
            entry.manifest
            for entry in archives.entries
            if not entry.problem and entry.manifest.verified is not False
        ]
        newest += [manifest.started for manifest in usable[-1:]]
        sizes += [manifest.bytes for manifest in usable[-1:]]
        verified += [manifest.verified_at for manifest in usable if manifest.verified_at is not None]
        troubles += [Trouble(f"foreign {path}", foreign)] if foreign else []
        troubles += _of_destination(job, path, archives, usable[-1].started if usable else None, now)
    troubles += _overdue(job, record, max(verified, default=None), now)
    return Condition(
        is_known=True,
        troubles=tuple(dict.fromkeys(troubles)),
        newest=min(newest, default=None),
        verified=max(verified, default=None),
        bytes=max(sizes, default=None),
        record=record,
    )


def _of_record(job: Job, record: Record, lock_directory: str) -> Iterator[Trouble]:
    """The troubles of the last run and the last verification."""
    if record.begun is not None and not is_running(job, lock_directory):
        began = manifests.timestamp(record.begun)
        yield Trouble(
            RAN,
            f"its run of {began} did not end: it was killed, or the host went down: journalctl -u"
            f" backup-{job.name}",
        )
    elif record.run is not None and record.run.result != GOOD:
        part = "" if record.run.result == FAILED else " in part"
        yield Trouble(RAN, f"its last run failed{part}: {record.run.reason}")
    if record.drill is not None and not record.drill.good:
        yield Trouble(
            "drill",
            f"its last restore drill failed: {record.drill.reason}: reconciler backup drill {job.name}",
        )
    if record.verification is not None and not record.verification.good:
        yield Trouble(
            "verify",
            f"its last verification did not pass: {record.verification.reason}: reconciler backup verify"
            f" {job.name} --all",
        )


def _overdue(job: Job, record: Record | None, verified: int | None, now: int) -> Iterator[Trouble]:
    """The troubles of a verification or a drill that is late."""
    verification = record.verification if record is not None else None
    times = [verified, verification.finished if verification is not None and verification.good else None]
    last = max((time for time in times if time is not None), default=None)
    late = _too_old(job, record, last, job.verify_max_age, now)
    if late:
        limit = f"verify_max_age is {timespan.words(job.verify_max_age)}"
        yield Trouble(
            "verify late",
            f"no archive was read again {late}, and {limit}: reconciler backup verify {job.name}",
        )
    drilled = record.drilled if record is not None else None
    late = _too_old(job, record, drilled, LATE * job.restore_drill, now)
    if late:
        limit = f"restore_drill is {timespan.words(job.restore_drill)}"
        yield Trouble(
            "drill late",
            f"no restore drill has passed {late}, and {limit}: reconciler backup drill {job.name}",
        )


def _too_old(job: Job, record: Record | None, last: int | None, most: float, now: int) -> str:
    """For how long something has not happened, in words; empty if that is not too long, or there is no limit.

    Where it never happened, the time counts from the job file on, or from the record where that is younger.
    """
    return overdue(most, last, (_declared(job), record.since if record is not None else None), now)


def _declared(job: Job) -> int | None:
    """When the job file was written last; None if that is not known."""
    try:
        facts = look(path_of(job.name))
    except HostError:
        return None
    return int(facts.st_mtime) if facts is not None else None


def _is_there(path: str) -> bool:
    """Whether something is at a path, a link included."""
    try:
        return look(path) is not None
    except HostError:
        return True


def _of_destination(
    job: Job, path: str, archives: StoredArchives, newest: int | None, now: int
) -> Iterator[Trouble]:
    bad = f"bad {path}"
    last = archives.entries[-1] if archives.entries else None
    strange = max(archives.strange, key=lambda item: item.id, default=None)
    if strange is not None and (last is None or strange.id > last.manifest.id):
        yield Trouble(bad, strange.problem)
    elif last is not None and (last.problem or last.manifest.verified is False):
        yield Trouble(
            bad,
            f"{path}: the newest archive, {last.manifest.id}, is bad:"
            f" {last.problem or 'it did not pass its last verification'}",
        )
    elif last is not None and last.manifest.id in archives.doubts:
        why = archives.doubts[last.manifest.id]
        yield Trouble(
            f"shrank {path}",
            f"{path}: the newest archive shrank: {why}; if that is meant: reconciler backup accept"
            f" {job.name}",
        )
    why = _late(job, newest, now)
    if why:
        yield Trouble(f"late {path}", f"{path}: {why}")


def _late(job: Job, newest: int | None, now: int) -> str:
    """Why the newest archive of a destination is too old, or newer than the clock; empty if it is neither."""
    schedule = due(job.name) if newest is None or not job.max_age else None
    return late(job, newest, schedule, _declared(job), now)
