"""timers: a job that runs by the clock, as a systemd timer with its service, or as a file of cron's."""

# No `from __future__ import annotations`: pydantic would evaluate the text of each annotation at every start.

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from reconciler.core.address import Address
from reconciler.core.basics.scalars import Scheduler
from reconciler.core.changes import Change, Part
from reconciler.core.diagnostic import Diagnostic, error, warning
from reconciler.core.host import HostView
from reconciler.core.kind import Kind, Requirement
from reconciler.core.model.fields import Duration, Flag, KnownName, Text, TimeZone
from reconciler.core.model.resource import RefersTo, Resource
from reconciler.core.spec import Declared, Spec
from reconciler.core.steps import Step
from reconciler.kinds.shared import directive_checks, unit_lint, units
from reconciler.kinds.shared.schedule import checks as schedule_checks
from reconciler.kinds.shared.schedule import part as schedule
from reconciler.kinds.shared.schedule.field import ScheduleText
from reconciler.kinds.shared.schedule.rarer import rarer
from reconciler.kinds.shared.unit_fields import (
    Command,
    DirectiveName,
    EnvironmentName,
    State,
    WorkingDirectory,
    problems_of_directives,
)
from reconciler.kinds.timers import ORDER, hints
from reconciler.kinds.timers.observe import observe, unit_of

_OURS = frozenset(("Description", "User", "Group", "WorkingDirectory", "Environment", "ExecStart", "Type"))
"""The directives that have a field."""


def _without_suffix(name: str) -> str:
    for suffix in (".timer", ".service"):
        if name.endswith(suffix):
            raise ValueError(f"leave `{suffix}` out: write `{name.removesuffix(suffix)}`")
    return name


TimerName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9:_.-]{0,200}\z",
        description="The name of the job: its units are NAME.timer and NAME.service.",
    ),
    AfterValidator(_without_suffix),
]


class Timer(Resource):
    """A job that runs by the clock. When its block is removed, it runs no more, and its files go."""

    schedule: ScheduleText
    """When: a cron expression ("0 2 * * *", "@daily") or a systemd calendar ("Mon..Fri 02:00", "daily")."""
    exec_start: Command
    """The command that runs. A list is the exact argv; a string is systemd's own syntax."""
    description: Text | None = None
    """Its description, for people."""
    user: Annotated[KnownName | None, RefersTo("users")] = None
    """The user it runs as; root when left out."""
    group: Annotated[KnownName | None, RefersTo("groups")] = None
    """The group it runs as; the user's own when left out."""
    working_directory: WorkingDirectory | None = None
    """The directory it runs in; `-` in front: may be missing; `~`: the user's home."""
    environment: dict[EnvironmentName, Text] = {}
    """Variables; any user of the host can read them, so no secrets here."""
    persistent: Flag | None = None
    """Make up for a run that was missed while the host was off.

    A timer does unless told not to; cron cannot.
    """
    randomized_delay_sec: Duration | None = None
    """Start up to this much later, always by the same delay on the same host. Not with cron."""
    timezone: TimeZone | None = None
    """The time zone of the schedule: `host`, UTC, or a name such as Europe/Berlin; that of `settings` when
    left out. cron: only `host`.
    """
    scheduler: Scheduler | None = None
    """Ours: what runs it, timer or cron; that of `settings` when left out."""
    directives: dict[DirectiveName, dict[DirectiveName, Text | list[Text]]] = {}
    """Any other directive of its service, by section and name, in systemd's own syntax.

    Linted. Not with cron.
    """
    state: State = State.RUNNING
    """Ours: running or stopped: whether its time comes at all now.

    The job itself is never started or stopped by a change.
    """
    enabled: Flag = True
    """Whether the timer starts with the host."""

    @model_validator(mode="after")
    def _directives_of_jobs(self) -> Self:
        if problems := problems_of_directives(self.directives, _OURS, "a timer"):
            raise ValueError("; ".join(problems))
        return self


def _timer(declared: Declared) -> Timer:
    assert isinstance(declared.resource, Timer)
    return declared.resource


def _job(declared: Declared) -> schedule.Job:
    timer = _timer(declared)
    return schedule.Job(
        declared,
        unit_of(declared.address),
        timer.schedule,
        timer.exec_start,
        scheduler=schedule.scheduler_of(declared, timer.scheduler),
        timezone=schedule.timezone_of(declared, timer.timezone),
        user=timer.user or "",
        group=timer.group or "",
        description=timer.description or "",
        working_directory=timer.working_directory or "",
        environment=timer.environment,
        persistent=timer.persistent,
        randomized_delay_sec=timer.randomized_delay_sec or "",
        sections=timer.directives,
        enabled=timer.enabled,
        started=timer.state is State.RUNNING,
    )


def expand(declared: Declared, running: bool) -> Iterator[Part]:
    """A service and its timer, or a file of cron's."""
    return schedule.expand(_job(declared), running)


def actions(change: Change) -> Iterator[Step]:
    """Yield the steps of the schedule part."""
    return schedule.actions(change, unit_of)


def lint(declared: Declared) -> Iterator[Diagnostic]:
    """Yield errors for what its scheduler cannot do, and warnings about its service."""
    job, timer = _job(declared), _timer(declared)
    yield from schedule_checks.lint(job)
    yield from unit_lint.lint(declared, timer.directives, [timer.exec_start], timer.user)
    yield from directive_checks.lint(declared, timer.directives)
    yield from hints.hints(declared, timer.exec_start, timer.user)
    if job.scheduler == Scheduler.CRON and timer.directives:
        detail = "cron has no directives: leave them out, or write `scheduler: timer`"
        yield error(
            "cron cannot do this", detail, address=declared.address, source=declared.source, rule="cron"
        )


def lint_spec(spec: Spec) -> Iterator[Diagnostic]:
    """Warn of jobs that cron does not run because their account is disabled."""
    states = {
        block.address.name: str(getattr(block.resource, "state", ""))
        for block in spec.resources
        if block.address.kind == "users"
    }
    for declared in spec.resources:
        if (
            declared.address.kind == "timers"
            and schedule.scheduler_of(declared, _timer(declared).scheduler) == Scheduler.CRON
        ):
            user = _timer(declared).user or "root"
            if states.get(user) == "disabled":
                detail = (
                    f"{user} is disabled, and cron runs nothing for an account that has expired: name another"
                    " user"
                )
                yield warning(
                    "cron will not run this",
                    detail,
                    address=declared.address,
                    source=declared.source,
                    rule="cron-user",
                )


def check(view: HostView, spec: Spec, changes: Sequence[Change]) -> Iterator[Diagnostic]:
    """Warn of runs that the host's zone moves and of rarer runs; yield directives that systemd refuses."""
    yield from schedule_checks.check(view, schedule_checks.jobs(changes, "timers", _job))
    yield from rarer(changes, "timers")
    ours = [change for change in changes if change.address.kind == "timers"]
    yield from directive_checks.check(view, ours, lambda declared: _timer(declared).directives)


def overdue(changes: Sequence[Change], now: int) -> Iterator[Diagnostic]:
    """Yield errors for new schedules with no run left."""
    return schedule_checks.overdue(changes, _job, now)


def references(declared: Declared) -> Iterator[Address]:
    """Yield the addresses that the schedule part needs first."""
    return schedule.references(_job(declared))


def requires(declared: Declared) -> Iterable[Requirement]:
    """The requirements of the schedule part."""
    return schedule.requires(_job(declared))


KIND = Kind(
    name="timers",
    model=Timer,
    name_type=TimerName,
    expand=expand,
    observe=observe,
    actions=actions,
    ownership_keys=schedule.OWNERSHIP_KEYS,
    order=ORDER,
    programs=(("systemctl", "systemd"),),
    references=references,
    requires=requires,
    resume_owed=schedule.resume_owed,
    foreign_overrides=units.others,
    paths=lambda address: schedule.paths(address, unit_of),
    identity=lambda address: schedule.paths(address, unit_of),
    lint=lint,
    check=check,
    overdue=overdue,
    unit=lambda part: schedule.declared_unit(part, unit_of),
    lint_spec=lint_spec,
)
