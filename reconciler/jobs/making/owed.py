"""The note of what a run owes: its commands at the end. It lies in a file of root's, and goes when they have
run.

A unit makes such a run in parts, each a process of its own (`jobs.making.parts`): the note hands it on from
one to the next, and keeps others away in between.
"""

from __future__ import annotations

import json

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError
from reconciler.formats.backups.job import Job
from reconciler.host.process import environment
from reconciler.host.state.job_lock import RUN, is_held
from reconciler.host.state.owed_hooks import DIRECTORY, read_owed, write_owed

READY = "ready"
"""The stage once the commands in `before` have run: the archive comes next."""
MADE = "made"
"""The stage once the run has ended: the commands at the end come next."""
ENDED = "ended"
"""The stage once these have run, too: only how it ended has still to be told."""
_FORMAT = 1
PROBLEM = 4000
"""Characters of the problem that a command is told: the kernel limits an environment."""


@frozen
class Outcome:
    """How a run ended, as the commands after it are told."""

    status: str
    """GOOD, PARTLY, FAILED or NOT_NOW."""
    problem: str = ""
    """Why it is not good, in words."""


@frozen
class Note:
    """A run that has begun, as far as it is known."""

    ident: str
    outcome: Outcome | None = None
    """None as long as it has not ended."""
    stage: str = ""
    """READY, MADE or ENDED between two parts of a run; empty within one."""
    invocation: str = ""
    """The InvocationID of the unit that makes it in parts; empty for a run in one."""

    def is_handed_on(self, *stages: str) -> bool:
        """Whether it was handed to this process, which is of the same start of the unit, in such a stage."""
        return self.stage in stages and self.invocation == environment.variable("INVOCATION_ID")


def note_of(job: Job, owed: str = DIRECTORY) -> Note | None:
    """The note; None where nothing is owed. A damaged one owes all the same. Raises HostError."""
    content = read_owed(job.name, owed)
    if content is None:
        return None
    try:
        data = json.loads(content)
        outcome = Outcome(str(data["status"]), str(data["problem"])) if "status" in data else None
        return Note(str(data["id"]), outcome, str(data.get("stage", "")), str(data.get("invocation", "")))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Note("")


def write_note(job: Job, note: Note, owed: str = DIRECTORY) -> None:
    """Write it down. Raises HostError."""
    end = note.outcome
    parts = {"stage": note.stage, "invocation": note.invocation}
    data = {
        "format": _FORMAT,
        "id": note.ident,
        **({} if end is None else {"status": end.status, "problem": end.problem[:PROBLEM]}),
        **{name: value for name, value in parts.items() if value},
    }
    write_owed(job.name, json.dumps(data).encode() + b"\n", owed)


def is_between(job: Job, owed: str = DIRECTORY) -> bool:
    """Whether the unit of a job is between two parts of a run, where nobody has the lock.

    Raises HostError.
    """
    note = note_of(job, owed) if _has_hooks(job) else None
    if note is None or not note.stage or note.is_handed_on(note.stage):
        return False
    return bool(note.invocation) and note.invocation == _invocation(job)


def is_running(job: Job, lock_directory: str = RUN, owed: str = DIRECTORY) -> bool:
    """Whether a run of a job is under way, as far as we may look."""
    if is_held(f"backup-{job.name}", lock_directory):
        return True
    try:
        return is_between(job, owed)
    except HostError:
        return False


def still_owed(job: Job, lock_directory: str = RUN, owed: str = DIRECTORY) -> str:
    """Why something may still be frozen: a run was killed, and nobody has run its commands at the end; empty
    if they have, or we may not look.
    """
    try:
        note = note_of(job, owed) if job.after or job.on_failure else None
    except HostError:
        return ""
    if note is None or note.stage == ENDED or is_running(job, lock_directory, owed):
        return ""
    command = f"reconciler backup after {job.name}"
    return f"the run {note.ident} was killed, and its commands at the end have not run: {command}"


def _has_hooks(job: Job) -> bool:
    return bool(job.before or job.after or job.on_failure) and not job.root


def _invocation(job: Job) -> str:
    """The InvocationID of the job's unit; empty where it does not run."""
    from reconciler.host.systemd.unit_list import invocation_of  # only where a run is in parts

    return invocation_of(f"backup-{job.name}.service") or ""
