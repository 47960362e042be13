"""Checks: the structure of a repository, and one part of its data after the other.

`restic check` alone does not read the data: a byte that was flipped there is found only by reading it.
"""

from __future__ import annotations

from dataclasses import replace

from reconciler.formats.backups import restic_output
from reconciler.formats.backups.job import Job
from reconciler.formats.backups.restic_record import PARTS, RepositoryRecord
from reconciler.host.archives.restic import Repository
from reconciler.host.process import environment, failpoints
from reconciler.host.process.run import escape
from reconciler.jobs.restic import records

_ANOTHER_DAY = 20 * 3600
"""Seconds between two checks of runs: a job that runs each hour checks once a day."""
_FAULTY = 1
_TELLING = ("pack", "blob", "tree", "index", "snapshot", "error")


def is_due(record: RepositoryRecord, now: int) -> bool:
    """Whether a run is to check the repository: there was no check today, or it found a fault."""
    return record.checked is None or bool(record.problem) or not 0 <= now - record.checked < _ANOTHER_DAY


def check(
    repository: Repository, job: Job, destination: str, record: RepositoryRecord, *, everything: bool = False
) -> RepositoryRecord:
    """Check the structure and the next part of the data, or all of it, and put the verdict down.

    Raises HostError where the check could not be made.
    """
    part = 0 if everything else record.part
    reading = "--read-data" if everything else f"--read-data-subset={part}/{PARTS}"
    output: list[bytes] = []
    ended = repository.work(["check", reading], output.append, accept=(0, _FAULTY))
    failpoints.hit("backup.checked")
    now = environment.now()
    if ended.rc == 0:
        return records.keep(job, destination, _proved(record.passed(part, now), now))
    lines = [*ended.stderr, *b"".join(output).decode("utf-8", "replace").splitlines()]
    return records.keep(job, destination, record.failed(part, _fault(lines), now))


def _proved(record: RepositoryRecord, now: int) -> RepositoryRecord:
    """The same with the archives that nobody had looked at as good."""
    unseen = [archive for archive in record.archives.values() if archive.verified is None]
    return replace(
        record,
        archives={
            **record.archives,
            **{archive.id: archive.judged(good=True, now=now) for archive in unseen},
        },
    )


def _fault(lines: list[str]) -> str:
    """The line that says most about a damaged repository."""
    faults = [
        line.strip()
        for line in lines
        if any(word in line.lower() for word in _TELLING)
        and not line.startswith(("check ", "load ", "create ", "read ", "[", "Fatal", "using "))
    ]
    return escape(faults[0][:300] if faults else restic_output.reason(_FAULTY, lines))
