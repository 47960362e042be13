"""The health of a backup job's archives: whether they are recent enough, good, and as large as they were."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError
from reconciler.formats.backups import manifest as manifests
from reconciler.formats.backups.job import Job, path_of
from reconciler.formats.systemd import timespan
from reconciler.host.archives.private_directory import look
from reconciler.host.process import environment
from reconciler.jobs import machine_marks, store
from reconciler.jobs.destinations import open_destination
from reconciler.jobs.due_runs import due
from reconciler.jobs.store import Found

_SKEW = 86_400
"""Seconds by which an archive may be newer than the clock before a message says so."""


@frozen
class Condition:
    """The condition of a job's archives."""

    known: bool
    """False where we may not look."""
    reasons: tuple[str, ...] = ()
    """Everything that is not well, in words."""
    newest: int | None = None
    """When the newest archive that is not bad was begun, in seconds since the epoch."""


def condition(job: Job, now: int) -> Condition:
    """The condition of a job's archives in all its destinations.

    Each destination is to have a recent archive: the oldest of their newest counts.
    """
    reasons: list[str] = []
    newest: list[int] = []
    for path in job.destinations:
        try:
            with open_destination(job, path) as directory:
                archives = store.scan(directory, job.name)
                foreign = machine_marks.foreign(directory, job.name)
        except HostError as problem:
            if not environment.is_root():
                return Condition(known=False, reasons=(str(problem),))
            archives, foreign = Found(), ""
            reasons += [str(problem)] if _is_there(path) else []
        usable = [
            entry.manifest.started
            for entry in archives.entries
            if not entry.problem and entry.manifest.verified is not False
        ]
        newest += usable[-1:]
        reasons += [foreign] if foreign else []
        reasons += _of_destination(job, path, archives, usable[-1] if usable else None, now)
    return Condition(known=True, reasons=tuple(dict.fromkeys(reasons)), newest=min(newest, default=None))


def _is_there(path: str) -> bool:
    """Whether something is at a path, a link included."""
    try:
        return look(path) is not None
    except HostError:
        return True


def _of_destination(job: Job, path: str, archives: Found, newest: int | None, now: int) -> Iterator[str]:
    last = archives.entries[-1] if archives.entries else None
    strange = max(archives.strange, key=lambda item: item.id, default=None)
    if strange is not None and (last is None or strange.id > last.manifest.id):
        yield strange.problem
    elif last is not None and (last.problem or last.manifest.verified is False):
        yield (
            f"{path}: the newest archive, {last.manifest.id}, is bad:"
            f" {last.problem or 'it did not pass its last verification'}"
        )
    elif last is not None and last.manifest.id in archives.doubts:
        why = archives.doubts[last.manifest.id]
        yield (
            f"{path}: the newest archive shrank: {why}; if that is meant: reconciler backup accept {job.name}"
        )
    missed = _missed(job, newest, now)
    if missed:
        yield f"{path}: {missed}: journalctl -u backup-{job.name}"
    elif newest is None:
        if _is_overdue(job, now):
            yield f"{path}: there is no good archive, and max_age is {timespan.words(job.max_age)}"
    elif newest > now + _SKEW:
        yield (
            f"{path}: the newest archive is of {manifests.timestamp(newest)}: the clock was wrong then, or"
            " is now"
        )
    elif job.max_age and now - newest > job.max_age:
        yield (
            f"{path}: the newest good archive is {timespan.words(now - newest)} old, and max_age is"
            f" {timespan.words(job.max_age)}"
        )


def _missed(job: Job, newest: int | None, now: int) -> str:
    """Why the newest archive is too old for the job's own schedule; empty if it is not, or if the job has a
    `max_age`, which then decides.
    """
    schedule = due(job.name) if not job.max_age else None
    return schedule.missed(newest, now) if schedule is not None else ""


def _is_overdue(job: Job, now: int) -> bool:
    """Whether a job that has no archive at all should have one by now: it is declared for longer than
    `max_age`.
    """
    if not job.max_age:
        return False
    try:
        facts = look(path_of(job.name))
    except HostError:
        return False
    return facts is not None and now - facts.st_mtime > job.max_age
