"""Writing down in the record of a job how its runs and verifications ended, whatever made its archives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from reconciler.core.host import HostError
from reconciler.formats.backups import record as formats
from reconciler.formats.backups.job import Job
from reconciler.formats.backups.record import Run, Verification, shortened
from reconciler.host.process import environment
from reconciler.host.state.job_lock import JobBusy
from reconciler.host.state.job_records import DIRECTORY
from reconciler.jobs.backup import Done
from reconciler.jobs.hooks import NotNow, Tell
from reconciler.jobs.records import keep
from reconciler.jobs.verify import Verified


def recorded_run(job: Job, make: Callable[[], Done], tell: Tell, directory: str = DIRECTORY) -> Done:
    """Carry a run out, and write down that it began and how it ended; a record that cannot be kept is told,
    and stops nothing.

    Raises what `make` raises.
    """
    started = environment.now()
    for problem in keep(job, lambda record: replace(record, begun=started), directory):
        tell(f"warning: {problem}")
    try:
        done = make()
    except JobBusy:
        raise
    except HostError as problem:
        result = formats.NOT_NOW if isinstance(problem, NotNow) else formats.FAILED
        run = Run(started, environment.now(), result, shortened(str(problem)))
        keep(job, lambda record: record.after_run(run), directory)
        raise
    keep(job, lambda record: record.after_run(_run(job, started, done)), directory)
    return done


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
    return keep(job, lambda record: replace(record, verification=verification), directory)
