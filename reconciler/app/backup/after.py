"""`backup after`: the commands at the end of a run, which its unit runs outside of the sandbox, and those
that a run owes which did not end by itself. The unit calls it when the run is over, however it ended.
"""

from __future__ import annotations

from collections.abc import Callable

from reconciler.app.backup.outcome import End, Report, guarded
from reconciler.formats.backups.record import GOOD, PARTLY
from reconciler.host.process import environment
from reconciler.host.state.job_lock import RUN, JobBusy
from reconciler.host.state.job_records import DIRECTORY as RECORDS
from reconciler.host.state.owed_hooks import DIRECTORY
from reconciler.jobs import jobfile
from reconciler.jobs.health.recording import record_end
from reconciler.jobs.lock import lock_of
from reconciler.jobs.making import parts
from reconciler.jobs.making.hooks import settle
from reconciler.jobs.making.owed import ENDED, MADE, note_of

Tell = Callable[[str], None]


def settle_run(
    name: str, tell: Tell, lock_directory: str = RUN, owed: str = DIRECTORY, records: str = RECORDS
) -> Report:
    """`backup after`."""
    return guarded(lambda: _settle(name, tell, lock_directory, owed, records))


def _settle(name: str, tell: Tell, lock_directory: str, owed: str, records: str) -> Report:
    job = jobfile.load(name)
    result = environment.variable("SERVICE_RESULT")
    why = f"the run was ended: {result}" if result else "the run was killed"
    try:
        with lock_of(job, lock_directory, owed):
            note = note_of(job, owed)
            if note is not None and note.is_handed_on(MADE):
                more = bool(job.restore_drill) and not result
                status, problems = parts.end(job, note, tell, owed, more=more)
                all_problems = (*problems, *record_end(job, problems, records))
                goes_on = more and status in (GOOD, PARTLY)
                return Report(End.FAILED if problems and not goes_on else End.GOOD, problems=all_problems)
            outcome = note.outcome if note is not None and note.is_handed_on(ENDED) else None
            problems = settle(job, why, tell, owed)
    except JobBusy:  # a run by hand, which sees to its own commands
        return Report(End.GOOD)
    good = End.PARTLY if outcome is not None and outcome.status == PARTLY else End.GOOD
    return Report(End.FAILED if problems else good, problems=problems)
