"""A run in parts, as the unit of a job with commands makes it: `begin` and `end` run the commands, outside of
the unit's sandbox; `between` makes the archive inside of it. Each is a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from reconciler.core.host import HostError
from reconciler.formats.backups.job import Job
from reconciler.formats.backups.record import FAILED
from reconciler.host.process import environment, failpoints
from reconciler.host.process.stopping import interrupted_by_sigterm
from reconciler.host.state.owed_hooks import DIRECTORY, remove_owed
from reconciler.jobs.making.hooks import KILLED, Hooks, Made, NotNow, Tell, of_problem, of_result, settle
from reconciler.jobs.making.owed import ENDED, MADE, READY, Note, Outcome, note_of, write_note


def begin(job: Job, ident: str, ready: Callable[[], None], tell: Tell, owed: str = DIRECTORY) -> None:
    """Run the commands in `before`, and hand the run on; where that fails, its end runs at once.

    `ready` is what must hold before any command runs. The caller holds the lock of the job. Raises NotNow,
    HostError.
    """
    for problem in settle(job, KILLED, tell, owed):
        tell(problem)
    hooks = Hooks(job, ident, tell, owed)
    with interrupted_by_sigterm(), hooks.ending():
        ready()
        hooks.before()
        invocation = environment.variable("INVOCATION_ID")
        write_note(job, Note(ident, stage=READY, invocation=invocation), owed)
        failpoints.hit("backup.ready")


def is_begun(job: Job, owed: str = DIRECTORY) -> bool:
    """Whether `begin` has handed a run on to this start of the unit. Raises HostError."""
    note = note_of(job, owed)
    return note is not None and note.is_handed_on(READY)


def between(
    job: Job, make: Callable[[str], Made], tell: Tell, owed: str = DIRECTORY
) -> tuple[Made, tuple[str, ...]]:
    """Make the archive of the run that was begun, by its id, and hand on how it ended; also return why that
    could not be handed on, if so: then it counts as killed.

    The caller holds the lock of the job. Raises what `make` raises, and NotNow where nothing was begun:
    where `begin` fails, or is killed, systemd runs no further part.
    """
    note = note_of(job, owed)
    if note is None or not note.is_handed_on(READY):
        raise NotNow("not now", f"{job.name}: no run was begun; by hand: reconciler backup run {job.name}")
    with interrupted_by_sigterm():
        try:
            result = make(note.ident)
        except BaseException as problem:
            for line in _hand_on(job, note, of_problem(problem), owed):
                tell(line)
            raise
        return result, _hand_on(job, note, of_result(result), owed)


def _hand_on(job: Job, note: Note, outcome: Outcome, owed: str) -> tuple[str, ...]:
    """Put down how a run ended; why that could not be done, if so."""
    try:
        if job.after or job.on_failure:
            write_note(job, Note(note.ident, outcome, MADE, note.invocation), owed)
        else:
            remove_owed(job.name, owed)
    except HostError as problem:
        return (str(problem),)
    failpoints.hit("backup.made")
    return ()


def end(
    job: Job, note: Note, tell: Tell, owed: str = DIRECTORY, *, more: bool
) -> tuple[str, tuple[str, ...]]:
    """Run the commands at the end of a run that was handed on; how it ended with them, and their problems.

    With `more` the unit goes on, and how the run ended stays put down. The caller holds the lock of the job.
    """
    assert note.outcome is not None
    hooks = Hooks(job, note.ident, tell, owed)
    hooks.begun = True
    outcome, problems = hooks.ended(note.outcome)
    if not more:
        return outcome.status, (*problems, *hooks.forget())
    try:
        write_note(job, Note(note.ident, outcome, ENDED, note.invocation), owed)
    except HostError as problem:
        return FAILED, (*problems, str(problem))
    return outcome.status, problems
