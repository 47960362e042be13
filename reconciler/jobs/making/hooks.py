"""The commands of a job's own: before a run, at its end however it ended, and when it was not good.

Before the first of them begins, a file says that those of the end are owed; it goes when they have run. So a
run that was killed is made good: at once by its unit (ExecStopPost=), else by the next run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError
from reconciler.formats.backups.job import Hook, Job
from reconciler.formats.backups.record import FAILED, GOOD, NOT_NOW, PARTLY
from reconciler.host.archives.tar import ArchiveError
from reconciler.host.process import failpoints
from reconciler.host.state.job_lock import RUN, is_held
from reconciler.host.state.owed_hooks import DIRECTORY, read_owed, remove_owed, write_owed

if TYPE_CHECKING:
    from reconciler.host.process.run import Result as Ended

SOFT = 75
"""The exit status by which a command in `before` says: not now (sysexits' EX_TEMPFAIL, borgmatic's soft
failure).
"""
_FORMAT = 1
_LINES = 200
"""Lines of the output of one command that are told."""
_LONGEST = 500
"""Characters of a line that are told."""
_PROBLEM = 4000
"""Characters of the problem that a command is told: the kernel limits an environment."""

Tell = Callable[[str], None]


class NotNow(HostError):
    """A command in `before` said: not now. There is no backup, and no failure."""


@frozen
class Outcome:
    """How a run ended, as the commands after it are told."""

    status: str
    """GOOD, PARTLY, FAILED or NOT_NOW."""
    problem: str = ""
    """Why it is not good, in words."""


class Result(Protocol):
    """The result of a run that made a backup."""

    @property
    def failed(self) -> Mapping[str, str]:
        """The destinations that did not get it, each with the reason."""
        ...


_Result = TypeVar("_Result", bound=Result)


def around(
    job: Job,
    ident: str,
    ready: Callable[[], None],
    make: Callable[[], _Result],
    tell: Tell,
    owed: str = DIRECTORY,
) -> tuple[_Result, tuple[str, ...]]:
    """Run a job between its commands; return its result, and the problems of the commands at the end.

    `ready` is what must hold before any command runs. The caller holds the lock of the job. Raises NotNow,
    what the two raise, and ArchiveError for a command that failed and is not told otherwise.
    """
    if not (job.before or job.after or job.on_failure):
        ready()
        failpoints.hit("backup.before")
        return make(), ()
    for problem in settle(job, "the run was killed, or the host went down", tell, owed):
        tell(problem)
    from reconciler.host.process.stopping import interrupted_by_sigterm

    hooks = _Hooks(job, ident, tell, owed)
    with interrupted_by_sigterm():
        try:
            ready()
            hooks.before()
            result = make()
        except BaseException as problem:
            problems = hooks.end(_outcome(problem))
            if isinstance(problem, NotNow) and problems:
                raise ArchiveError(
                    "the run did not end well", "; ".join((str(problem), *problems))
                ) from problem
            for line in problems:
                tell(line)
            raise
        return result, hooks.end(_of(result))


def settle(job: Job, why: str, tell: Tell, owed: str = DIRECTORY) -> tuple[str, ...]:
    """Run the commands that a killed run owes; return their problems. The caller holds the lock of the job.

    `why` says what became of that run. Raises HostError where nobody can look.
    """
    content = read_owed(job.name, owed) if job.after or job.on_failure else None
    if content is None:
        return ()
    ident, outcome = _load(content)
    tell(f"the run {ident} did not end by itself: its commands at the end run now")
    hooks = _Hooks(job, ident, tell, owed)
    hooks.begun = True
    # An archive that is there already does not make a run good whose commands were not done.
    status = FAILED if outcome is None or outcome.status == FAILED else PARTLY
    return hooks.end(Outcome(status, "; ".join(filter(None, (outcome.problem if outcome else "", why)))))


def still_owed(job: Job, lock_directory: str = RUN, owed: str = DIRECTORY) -> str:
    """Why something may still be frozen: a run was killed, and nobody has run its commands at the end; empty
    if they have, or we may not look.
    """
    try:
        content = read_owed(job.name, owed) if job.after or job.on_failure else None
    except HostError:
        return ""
    if content is None or is_held(f"backup-{job.name}", lock_directory):
        return ""
    command = f"reconciler backup after {job.name}"
    return f"the run {_load(content)[0]} was killed, and its commands at the end have not run: {command}"


def _outcome(problem: BaseException) -> Outcome:
    if isinstance(problem, NotNow):
        return Outcome(NOT_NOW, str(problem))
    if isinstance(problem, HostError):
        return Outcome(FAILED, str(problem))
    return Outcome(
        FAILED,
        "the run was interrupted" if isinstance(problem, KeyboardInterrupt) else "the run ended by a bug",
    )


def _of(result: Result) -> Outcome:
    if not result.failed:
        return Outcome(GOOD)
    return Outcome(PARTLY, "; ".join(f"{path}: {why}" for path, why in result.failed.items()))


class _Hooks:
    """The commands around one run."""

    def __init__(self, job: Job, ident: str, tell: Tell, owed: str) -> None:
        self._job = job
        self._ident = ident
        self._tell = tell
        self._owed = owed
        self.begun = False
        """Whether the commands of the end are owed."""

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
        return (*problems, *self._forget())

    def _remember(self, outcome: Outcome | None) -> None:
        """Write down what is owed. Raises HostError if that is more than the news of a failure."""
        if not (self._job.after or self._job.on_failure):
            return
        try:
            write_owed(self._job.name, _dump(self._ident, outcome), self._owed)
        except HostError as problem:
            if self._job.after and outcome is None:
                raise
            self._tell(str(problem))

    def _forget(self) -> Sequence[str]:
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
                "RECONCILER_PROBLEM": outcome.problem.replace("\0", "")[:_PROBLEM],
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


def _dump(ident: str, outcome: Outcome | None) -> bytes:
    """The commands that are owed, as a file; `outcome` None: the run has not ended yet."""
    ended = {} if outcome is None else {"status": outcome.status, "problem": outcome.problem[:_PROBLEM]}
    return json.dumps({"format": _FORMAT, "id": ident, **ended}).encode() + b"\n"


def _load(content: bytes) -> tuple[str, Outcome | None]:
    """The id of the run in the file, and its outcome if it got so far. A damaged file owes all the same."""
    try:
        data = json.loads(content)
        ended = Outcome(str(data["status"]), str(data["problem"])) if "status" in data else None
        return str(data["id"]), ended
    except (ValueError, TypeError, KeyError, RecursionError):
        return "", None
