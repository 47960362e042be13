"""`backup after`: the commands that a run owes which did not end by itself. The unit of a job calls it when
the run is over, however it ended.
"""

from __future__ import annotations

from collections.abc import Callable

from reconciler.app.backup.outcome import End, Report, guarded
from reconciler.host.process import environment
from reconciler.host.state.job_lock import RUN, JobBusy, job_lock
from reconciler.host.state.owed_hooks import DIRECTORY
from reconciler.jobs import jobfile
from reconciler.jobs.making.hooks import settle


def settle_run(
    name: str, tell: Callable[[str], None], lock_directory: str = RUN, owed: str = DIRECTORY
) -> Report:
    """`backup after`."""
    return guarded(lambda: _settle(name, tell, lock_directory, owed))


def _settle(name: str, tell: Callable[[str], None], lock_directory: str, owed: str) -> Report:
    job = jobfile.load(name)
    result = environment.variable("SERVICE_RESULT")
    why = f"the run was ended: {result}" if result else "the run was killed"
    try:
        with job_lock(f"backup-{name}", lock_directory):
            problems = settle(job, why, tell, owed)
    except JobBusy:  # a run by hand, which sees to its own commands
        return Report(End.GOOD)
    return Report(End.FAILED if problems else End.GOOD, problems=problems)
