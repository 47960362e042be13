"""The commands of a job's own: before a run, at its end however it ended, and when it was not good.

Before the first of them begins, a file says that those of the end are owed; it goes when they have run. So a
run that was killed is made good: at once by its unit (ExecStopPost=), else by the next run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

from reconciler.core.host import HostError
from reconciler.formats.backups.job import Hook, Job
from reconciler.formats.backups.record import FAILED, GOOD, NOT_NOW, PARTLY
from reconciler.host.archives.tar import ArchiveError
from reconciler.host.process import failpoints
from reconciler.host.state.owed_hooks import DIRECTORY, remove_owed
from reconciler.jobs.making.owed import ENDED, PROBLEM, Note, Outcome, note_of, write_note

if TYPE_CHECKING:
    from reconciler.host.process.run import Result as Ended

SOFT = 75
"""The exit status by which a command in `before` says: not now (sysexits' EX_TEMPFAIL, borgmatic's soft
failure).
"""
_LINES = 200
"""Lines of the output of one command that are told."""
_LONGEST = 500
"""Characters of a line that are told."""
KILLED = "the run was killed, or the host went down"

Tell = Callable[[str], None]


class NotNow(HostError):
    """A command in `before` said: not now. There is no backup, and no failure."""


class Result(Protocol):
    """The result of a run that made a backup."""

    @property
    def failed(self) -> Mapping[str, str]:
        """The destinations that did not get it, each with the reason."""
        ...


Made = TypeVar("Made", bound=Result)


def around(
    job: Job,
    ident: str,
    ready: Callable[[], None],
    make: Callable[[], Made],
    tell: Tell,
    owed: str = DIRECTORY,
) -> tuple[Made, tuple[str, ...]]:
    """Run a job between its commands; return its result, and the problems of the commands at the end.

    `ready` is what must hold before any command runs. The caller holds the lock of the job. Raises NotNow,
    what the two raise, and ArchiveError for a command that failed and is not told otherwise.
    """
    if not (job.before or job.after or job.on_failure):
        ready()
        failpoints.hit("backup.before")
        return make(), ()
    for problem in settle(job, KILLED, tell, owed):
        tell(problem)
    from reconciler.host.process.stopping import interrupted_by_sigterm

    hooks = Hooks(job, ident, tell, owed)
    with interrupted_by_sigterm():
        with hooks.ending():
            ready()
            hooks.before()
            result = make()
        return result, hooks.end(of_result(result))


def settle(job: Job, why: str, tell: Tell, owed: str = DIRECTORY) -> tuple[str, ...]:
    """Run the commands that a killed run owes; return their problems. The caller holds the lock of the job.

    `why` says what became of that run. Raises HostError where nobody can look.
    """
    note = note_of(job, owed)
    if note is None:
        return ()
    if note.stage != ENDED and (job.after or job.on_failure):
        tell(f"the run {note.ident} did not end by itself: its commands at the end run now")
    hooks = Hooks(job, note.ident, tell, owed)
    hooks.begun = True
    if note.stage == ENDED:
        return hooks.forget()
    # An archive that is there already does not make a run good whose commands were not done.
    status = FAILED if note.outcome is None or note.outcome.status == FAILED else PARTLY
    known = note.outcome.problem if note.outcome else ""
    return hooks.end(Outcome(status, "; ".join(filter(None, (known, why)))))


def of_problem(problem: BaseException) -> Outcome:
    """How a run ended that made none."""
    if isinstance(problem, NotNow):
        return Outcome(NOT_NOW, str(problem))
    if isinstance(problem, HostError):
        return Outcome(FAILED, str(problem))
    return Outcome(
        FAILED,
        "the run was interrupted" if isinstance(problem, KeyboardInterrupt) else "the run ended by a bug",
    )


def of_result(result: Result) -> Outcome:
    """How a run ended that made an archive."""
    if not result.failed:
        return Outcome(GOOD)
    return Outcome(PARTLY, "; ".join(f"{path}: {why}" for path, why in result.failed.items()))


class Hooks:
    """The commands around one run."""

    def __init__(self, job: Job, ident: str, tell: Tell, owed: str) -> None:
        self._job = job
        self._ident = ident
        self._tell = tell
        self._owed = owed
        self.begun = False
        """Whether the commands of the end are owed."""

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Run the commands of the end where the run ends by an exception, which is raised on."""
        try:
            yield
        except BaseException as problem:
            problems = self.end(of_problem(problem))
            if isinstance(problem, NotNow) and problems:
                detail = "; ".join((str(problem), *problems))
                raise ArchiveError("the run did not end well", detail) from problem
            for line in problems:
                self._tell(line)
            raise

    def before(self) -> None:
        """Run the commands of `before`. Raises NotNow, HostError."""
        self._remember(None)
        self.begun = True
        for hook in self._job.before:
            result = self._run("before", hook, None)
            if result.rc == SOFT:
                raise NotNow("not now", f"{hook.program} ended with {SOFT}: {result.message}")
            if result.rc != 0:
                raise ArchiveError("a command before the backup failed", f"{hook.program}: {result.message}")
        failpoints.hit("backup.before")

    def end(self, outcome: Outcome) -> tuple[str, ...]:
        """Run the commands of the end, each of them even if one fails; their problems."""
        _, problems = self.ended(outcome)
        return (*problems, *self.forget())

    def ended(self, outcome: Outcome) -> tuple[Outcome, tuple[str, ...]]:
        """The same, still owed; and how the run ended with them."""
        problems: list[str] = []
        if self.begun:
            self._remember(outcome)
            failpoints.hit("backup.after")
            problems += self._all("after", "a command after the backup failed", self._job.after, outcome)
        if problems and outcome.status in (GOOD, NOT_NOW):
            outcome = Outcome(PARTLY if outcome.status == GOOD else FAILED, "; ".join(problems))
        if outcome.status in (PARTLY, FAILED):
            problems += self._all(
                "on_failure", "a command for a failed run failed", self._job.on_failure, outcome
            )
        failpoints.hit("backup.settled")
        return outcome, tuple(problems)

    def _remember(self, outcome: Outcome | None) -> None:
        """Write down what is owed. Raises HostError if that is more than the news of a failure."""
        if not (self._job.after or self._job.on_failure):
            return
        try:
            write_note(self._job, Note(self._ident, outcome), self._owed)
        except HostError as problem:
            if self._job.after and outcome is None:
                raise
            self._tell(str(problem))

    def forget(self) -> tuple[str, ...]:
        """Nothing is owed any more; why that cannot be put down, if so."""
        if not self.begun:
            return ()
        try:
            remove_owed(self._job.name, self._owed)
        except HostError as problem:
            return (str(problem),)
        return ()

    def _all(self, name: str, summary: str, hooks: Sequence[Hook], outcome: Outcome) -> Iterator[str]:
        for hook in hooks:
            try:
                result = self._run(name, hook, outcome)
            except HostError as problem:
                yield f"{summary}: {hook.program}: {problem}"
            else:
                if result.rc != 0:
                    yield f"{summary}: {hook.program}: {result.message}"

    def _run(self, name: str, hook: Hook, outcome: Outcome | None) -> Ended:
        from reconciler.host.process.accounts import account
        from reconciler.host.process.run import escape, run

        variables = {"RECONCILER_JOB": self._job.name, "RECONCILER_BACKUP_ID": self._ident}
        if outcome is not None:
            variables |= {
                "RECONCILER_STATUS": outcome.status,
                "RECONCILER_PROBLEM": outcome.problem.replace("\0", "")[:PROBLEM],
            }
        result = run(
            list(hook.run),
            timeout=hook.timeout,
            cap=_LINES * _LONGEST,
            variables=variables,
            account=account(hook.user) if hook.user else None,
        )
        for line in _lines(result.out, result.err):
            self._tell(f"{name}: {hook.program}: {escape(line)}")
        return result


def _lines(*outputs: bytes) -> Iterator[str]:
    """The lines of a command's output that are told, then the number of the others."""
    lines = [
        line for output in outputs for line in output.decode("utf-8", "replace").splitlines() if line.strip()
    ]
    yield from (line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..." for line in lines[:_LINES])
    if len(lines) > _LINES:
        yield f"({len(lines) - _LINES} more lines)"
