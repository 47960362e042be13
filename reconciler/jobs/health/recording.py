"""Writing down in the record of a job how its runs, verifications and drills ended, whatever engine made its
archives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from reconciler.core.host import HostError, UnsafePath
from reconciler.formats.backups import record as formats
from reconciler.formats.backups.job import Job
from reconciler.formats.backups.record import Drill, Record, Run, Verification, shortened
from reconciler.host.archives.private_directory import Refused
from reconciler.host.process import environment
from reconciler.host.state.job_lock import RUN, JobBusy
from reconciler.host.state.job_records import DIRECTORY
from reconciler.jobs.engines import verify
from reconciler.jobs.health import records
from reconciler.jobs.making.done import Done
from reconciler.jobs.making.hooks import NotNow, Tell
from reconciler.jobs.restoring.drill import drill, is_due, tidy_up
from reconciler.jobs.restoring.verify import Verified


def recorded_run(job: Job, make: Callable[[], Done], tell: Tell, directory: str = DIRECTORY) -> Done:
    """Carry a run out, and write down that it began and how it ended; a record that cannot be kept is told,
    and stops nothing.

    Raises what `make` raises.
    """
    started = environment.now()
    done = _recorded(job, make, tell, directory, started)
    records.keep(job, lambda record: record.after_run(_run(job, started, done)), directory)
    return done


def recorded_begin(job: Job, begin: Callable[[], None], tell: Tell, directory: str = DIRECTORY) -> None:
    """Begin a run, and write down that it began, or how it ended at once. Raises what `begin` raises."""
    _recorded(job, begin, tell, directory, environment.now())


def record_end(job: Job, problems: Sequence[str], directory: str = DIRECTORY) -> list[str]:
    """Write down the problems of the commands at the end of a run whose archive is written down already;
    return why that could not be done, if so.
    """

    def worse(run: Run | None) -> Run | None:
        if run is None or run.result not in (formats.GOOD, formats.PARTLY):
            return run
        reason = "; ".join(filter(None, (run.reason, *problems)))
        return replace(run, result=formats.PARTLY, reason=shortened(reason))

    def change(record: Record) -> Record:
        run = worse(record.run)
        return replace(record, run=run, success=run if record.success == record.run else record.success)

    return records.keep(job, change, directory) if problems else []


_T = TypeVar("_T")


def _recorded(job: Job, make: Callable[[], _T], tell: Tell, directory: str, started: int) -> _T:
    """Write down that a run began, and if it makes no archive how it ended."""
    for problem in records.keep(job, lambda record: replace(record, begun=started), directory):
        tell(f"warning: {problem}")
    try:
        return make()
    except JobBusy:
        raise
    except HostError as problem:
        result = formats.NOT_NOW if isinstance(problem, NotNow) else formats.FAILED
        run = Run(started, environment.now(), result, shortened(str(problem)))
        records.keep(job, lambda record: record.after_run(run), directory)
        raise


def _run(job: Job, started: int, done: Done) -> Run:
    destinations = {path: "" if path in done.made else done.failed.get(path, "") for path in job.destinations}
    return Run(
        started,
        environment.now(),
        formats.PARTLY if done.partly else formats.GOOD,
        shortened("; ".join((*(f"{path}: {why}" for path, why in done.failed.items()), *done.hooks))),
        done.manifest.id,
        done.manifest.bytes,
        {path: shortened(why) for path, why in destinations.items()},
    )


def record_verification(job: Job, done: Verified, directory: str = DIRECTORY) -> list[str]:
    """Write down how a verification ended; return why that could not be done, if so."""
    bad = [
        f"{item.destination}: {item.id} is bad: {item.problem}" for item in done.judgements if item.problem
    ]
    verification = Verification(
        environment.now(), not (bad or done.problems), shortened("; ".join([*bad, *done.problems]))
    )
    return records.keep(job, lambda record: replace(record, verification=verification), directory)


def recorded_drill(job: Job, tell: Tell, directory: str = DIRECTORY, lock_directory: str = RUN) -> Drill:
    """Carry a restore drill out and write down how it ended. Raises what `drill` raises."""
    record = records.load(job, directory) if environment.is_root() else None
    done = drill(job, record.tried if record is not None else {}, tell, lock_directory)
    invocation = environment.variable("INVOCATION_ID")
    for problem in records.keep(job, lambda record: record.after_drill(done, invocation), directory):
        tell(f"warning: {problem}")
    if not done.good:
        _judge(job, done, lock_directory)
    return done


def _judge(job: Job, failed: Drill, lock_directory: str) -> None:
    """Have the archive of a drill that failed read again: one that has rotted must not count as good."""
    try:
        at = replace(job, destinations=(failed.destination,))
        verify(at, failed.archive, everything=False, compare=False, lock_directory=lock_directory)
    except HostError:
        return  # the drill has failed, and says why


def drill_when_due(
    job: Job, tell: Tell, directory: str = DIRECTORY, lock_directory: str = RUN
) -> Drill | None:
    """The drill of a run, if one is due; what a killed one has left goes in any case.

    Another run of the job that begins in between has the lock: then its drill is the one.
    """
    try:
        try:
            tidy_up(job, tell, lock_directory)
        except (Refused, UnsafePath) as problem:
            tell(f"warning: {problem}")  # a drill that is due fails for it
        record = records.load(job, directory) if environment.is_root() else None
        due = is_due(job, record, environment.now())
        return recorded_drill(job, tell, directory, lock_directory) if due else None
    except JobBusy:
        return None
