"""The schedule part: whatever runs by the clock, as a systemd service and timer, or as one file in
/etc/cron.d.

A kind that schedules something (timers, backups) makes a Job of its declaration and passes its parts on.
`unit_of` names the unit of an address without a suffix, from the address alone (a removed part has nothing
else): `lambda address: f"backup-{address.name}"`.

    PARTS                                           {"service", "timer", "cron"}: an address with such a part
        is ours
    CARRIES                                         for Kind.carries
    schedule_text.ScheduleText                      the type of a field `schedule`
    scheduler_of(declared, own), timezone_of(declared, own)     the resource's own word (None: that of
        `settings`)
    Job(declared, unit, schedule, command, ...)     what runs, when, as whom
    lint(job) -> Iterator[Diagnostic]               for Kind.lint: what cannot be scheduled so
    check(view, jobs(changes, kind, job_of)) -> Iterator[Diagnostic]    for Kind.check: what summer time does
        in the host's own zone
    overdue(changes, job_of, now) -> Iterator[Diagnostic]   for Kind.overdue: schedules that are over
    expand(job, running) -> Iterator[Part]          `/service` and `/timer`, or `/cron`
    schedule_observed.observe(view, addresses, unit_of) -> {address: Observed}
    actions(change, unit_of) -> Iterator[Step]
    catch_up(part, observed, row) -> Iterator[Step] for Kind.catch_up
    declared_unit(part, unit_of) -> DeclaredUnit    for Kind.unit
    references(job) -> Iterator[Address]            accounts, program, directories
    requires(job) -> Iterator[Requirement]
    paths(address, unit_of) -> Iterator[str]        for Kind.paths: of a part, or of all three
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace

from reconciler.core.actions import RemovePath, Unit, UnitVerb
from reconciler.core.address import Address
from reconciler.core.basics.digest import digest
from reconciler.core.basics.frozen import frozen
from reconciler.core.basics.scalars import Scheduler
from reconciler.core.changes import Change, Document, Observed, Part, Verb
from reconciler.core.kind import DeclaredUnit, Requirement, RequirementType
from reconciler.core.spec import Declared, nothing
from reconciler.core.state import OwedRow
from reconciler.core.steps import Cause, Step
from reconciler.formats.schedule import calendar, cron
from reconciler.formats.systemd import unit
from reconciler.kinds.shared import file_part, ownership, units
from reconciler.kinds.shared.schedule.observe import CRON_D, PARTS, UnitOf, cron_file
from reconciler.kinds.shared.unit_facts import UnitFacts

CARRIES = ("type", "unit", "cron")

_WANTED_BY = "timers.target"
_OFTEN = 2
"""Seconds between two runs from which on systemd's default limit, five starts in ten seconds, would refuse
some.
"""


@frozen
class Job:
    """A job that runs by the clock. The kind that declares it sets all of it."""

    declared: Declared
    """The resource that the job is of."""
    unit: str
    """The name of the unit, without a suffix."""
    schedule: str
    """When it runs, a ScheduleText."""
    command: Sequence[str] | str
    """An exact argv, or a line in systemd's own syntax, which cron cannot run."""
    scheduler: str = Scheduler.TIMER
    """`timer` or `cron`."""
    timezone: str = "host"
    """The zone that `schedule` is in: `host`, or the name of one."""
    user: str = ""
    """The user as whom the command runs; empty: root."""
    group: str = ""
    """The group as which it runs; empty: the user's own."""
    description: str = ""
    """The text that the unit bears; empty: none."""
    working_directory: str = ""
    """The directory in which the command runs, behind a `-` where it may be missing; empty: none is set."""
    environment: Mapping[str, str] = field(default_factory=nothing)
    """Variables of the command, by name."""
    persistent: bool | None = None
    """Whether a run that was missed is made up for; None: with a timer, which can."""
    randomized_delay_sec: str = ""
    """The longest random delay of a run, in systemd's notation; empty: none."""
    mounts: Sequence[str] = ()
    """Paths whose file systems must be mounted; with cron the command itself must see to it."""
    sections: Mapping[str, Mapping[str, str | Sequence[str]]] = field(default_factory=nothing)
    """More directives for the service, by section; cron has none of them."""
    enabled: bool = True
    """Whether it starts with the host; cron knows only this and `started` together, or none."""
    started: bool = True
    """Whether it runs now."""


def scheduler_of(declared: Declared, own: str | None) -> str:
    """`timer` or `cron`: what the resource says, else the settings."""
    return str(own or declared.settings.get("scheduler", Scheduler.TIMER))


def timezone_of(declared: Declared, own: str | None) -> str:
    """`host` or the name of a zone: what the resource says, else the settings."""
    return str(own or declared.settings.get("timezone", "host"))


# ---------------------------------------------------------------------------------------------------- parts


def expand(job: Job, running: bool) -> Iterator[Part]:
    """A service and its timer, or one file of cron's.

    A job that cron shall not run has no file.
    """
    if job.scheduler != Scheduler.CRON:
        first = service(job)
        yield first
        yield replace(_timer(job, running), needs=(first.address,))
    elif job.enabled:
        yield _cron(job)


def _address(job: Job, part: str) -> Address:
    return Address(job.declared.address.kind, job.declared.address.name, part)


def _unit_part(job: Job, part: str, sections: unit.Sections, enabled: list[str]) -> Part:
    address = _address(job, part)
    document: Document = {**units.FILE, "unit": unit.normalise(sections), "enabled": enabled}
    return Part(address, document, job.declared)


def service(job: Job) -> Part:
    """The service alone: what runs, whoever starts it."""
    escape = unit.escape_specifiers
    run: dict[str, str | list[str]] = {
        "Type": "oneshot",
        "ExecStart": job.command if isinstance(job.command, str) else unit.exec_line(job.command),
        "User": job.user,
        "Group": job.group,
        "WorkingDirectory": escape(job.working_directory),
        "Environment": [unit.environment_value(name, value) for name, value in job.environment.items()],
    }
    about: dict[str, str | list[str]] = {
        "Description": escape(job.description),
        "RequiresMountsFor": " ".join(unit.exec_line([path]) for path in job.mounts),
    }
    if _shortest_gap(calendar.parse(job.schedule)) <= _OFTEN:
        about["StartLimitIntervalSec"] = "0"
    sections = {"Unit": about, "Service": run}
    for section, directives in job.sections.items():
        more = {name: value if isinstance(value, str) else list(value) for name, value in directives.items()}
        sections[section] = {**sections.get(section, {}), **more}
    return _unit_part(
        job,
        "service",
        {name: {key: value for key, value in found.items() if value} for name, found in sections.items()},
        [],
    )


def _timer(job: Job, running: bool) -> Part:
    """Enabled alone it schedules nothing before it is started.

    `@reboot` comes with the next boot, as in cron: it is not started now.
    """
    found = calendar.parse(job.schedule)
    timer: dict[str, str | list[str]]
    if found.reboot:
        timer = {"OnBootSec": calendar.AFTER_BOOT}
    else:
        times = calendar.to_oncalendar(found, job.timezone)
        timer = {"OnCalendar": times, "Persistent": "no" if job.persistent is False else "yes"}
    timer["AccuracySec"] = _accuracy(found)
    if job.randomized_delay_sec:
        # Without FixedRandomDelay every daemon-reload rolls the dice again, and can skip a day (systemd issue
        # 18678).
        timer |= {"RandomizedDelaySec": job.randomized_delay_sec, "FixedRandomDelay": "yes"}
    about: dict[str, str | list[str]] = {"Description": f"When to run {job.unit}.service"}
    sections: unit.Sections = {"Unit": about, "Timer": timer, "Install": {"WantedBy": _WANTED_BY}}
    part = _unit_part(
        job, "timer", sections, units.links(f"{job.unit}.timer", [_WANTED_BY]) if job.enabled else []
    )
    if running and not found.reboot:
        part.document["state"] = "running" if job.started else "stopped"
    return part


def _accuracy(schedule: calendar.Schedule) -> str:
    """How late systemd may be (systemd.timer(5)).

    It leaves out what has come by then, so it must be less than the shortest gap.
    """
    gap = _shortest_gap(schedule)
    return "1min" if gap >= 60 else "1us" if gap == 1 else "1s"


def _shortest_gap(schedule: calendar.Schedule) -> int:
    """Seconds between two runs, where it is less than a minute."""
    if schedule.reboot:
        return 60
    later = (*schedule.seconds[1:], schedule.seconds[0] + 60)
    return min(after - before for before, after in zip(schedule.seconds, later, strict=True))


def crontab_of(job: Job, when: str) -> cron.Crontab:
    """The file of cron's for a job that runs when these words say."""
    assert not isinstance(job.command, str)
    command = cron.shell_line(job.command, job.working_directory)
    environment = {**cron.ENVIRONMENT, **job.environment}
    return {"environment": environment, "schedule": when, "user": job.user or "root", "command": command}


def _cron(job: Job) -> Part:
    address = _address(job, "cron")
    crontab = crontab_of(job, calendar.to_cron(calendar.parse(job.schedule)))
    header = units.header(address)
    described = [job.description] if job.description.isprintable() and job.description else []
    return Part(
        address,
        {**units.FILE, "cron": crontab},
        job.declared,
        cron.render(crontab, (*header, *described)).encode(),
    )


# ---------------------------------------------------------------------------------------------------- steps


def actions(change: Change, unit_of: UnitOf) -> Iterator[Step]:
    """A changed timer is restarted, and nothing else: the service runs when its time comes."""
    if change.address.part == "cron":
        yield from file_part.steps(change, cron_file(change.address, unit_of), ("cron",))
        return
    name = f"{unit_of(change.address)}.{change.address.part}"
    if change.verb is Verb.DELETE:
        yield from units.remove(change, name)
        yield from _forget_last_run(change.address, change.observed)
    else:
        yield from units.put(change, name)
        if change.address.part == "timer":
            yield from _run_timer(change, name)


def _run_timer(change: Change, name: str) -> Iterator[Step]:
    before, after = change.before or {}, change.after or {}
    state, wanted, other = before.get("state"), after.get("state"), change.touches("unit", "Timer")
    if other or change.verb is Verb.CREATE:
        yield from _forget_last_run(change.address, change.observed)
    if wanted == "stopped" and state not in (None, "stopped"):
        verb = UnitVerb.RESET_FAILED if state == "failed" else UnitVerb.STOP
        yield units.step(change.address, verb, name, "state: stopped")
    elif wanted == "running" and state != "running":
        yield units.step(
            change.address,
            UnitVerb.START,
            name,
            "it is new" if change.verb is Verb.CREATE else f"it is {state}",
        )
    elif wanted == "running" and other:
        yield units.step(change.address, UnitVerb.RESTART, name, "its schedule changed")


def _forget_last_run(address: Address, observed: Observed) -> Iterator[Step]:
    """A timer that is new, or has another schedule, must not make up for runs that it would have had before:
    it would run at once.
    """
    stamp = observed.facts(UnitFacts).stamp
    if stamp:
        yield Step(RemovePath(stamp, digest(b"")), (Cause(address),))


def resume_owed(part: Part, observed: Observed, row: OwedRow) -> Iterator[Step]:
    """A timer that a killed apply left with its old schedule."""
    if row.unit.endswith(".timer") and part.document.get("state") == "running" == (
        observed.document or {}
    ).get("state"):
        yield from _forget_last_run(part.address, observed)
        yield Step(Unit(UnitVerb.RESTART, (row.unit,)), (Cause(part.address, row.why, row.unit),))


def declared_unit(part: Part, unit_of: UnitOf) -> DeclaredUnit | None:
    """The unit of a part; a timer is to run, what it starts is not."""
    if part.address.part not in ("service", "timer"):
        return None
    state = part.document.get("state")
    return DeclaredUnit(
        f"{unit_of(part.address)}.{part.address.part}", None if state is None else state == "running"
    )


# ---------------------------------------------------------------------------------------------- what it needs


def paths(address: Address, unit_of: UnitOf) -> Iterator[str]:
    """The files of a part, or of all parts that a resource may have."""
    for part in [address.part] if address.part else sorted(PARTS):
        yield cron_file(address, unit_of) if part == "cron" else units.path(f"{unit_of(address)}.{part}")


def _program(job: Job) -> str:
    words = job.command.lstrip("-@:+!|").split() if isinstance(job.command, str) else job.command
    return words[0] if words else ""


def references(job: Job) -> Iterator[Address]:
    """Its accounts, its program, the directories it needs."""
    yield from ownership.owners(job.user or "root", job.group or "root")
    directory = job.working_directory.removeprefix("-")
    yield Address("files", _program(job))
    yield from ownership.above(_program(job))
    for path in filter(lambda found: found.startswith("/"), (directory, *job.mounts)):
        yield Address("directories", path)
        yield from ownership.above(path)


def requires(job: Job) -> Iterable[Requirement]:
    """A job whose user is missing fails when its time comes; cron passes over the
    whole file without a word.
    """
    fatal = job.scheduler == Scheduler.CRON
    found = [
        Requirement(RequirementType.USER, job.user, fatal),
        Requirement(RequirementType.GROUP, job.group, fatal),
    ]
    found.append(Requirement(RequirementType.PROGRAM, _program(job), fatal=False))
    if fatal:
        found.append(Requirement(RequirementType.DIRECTORY, CRON_D))
        found.append(Requirement(RequirementType.PROGRAM, "/usr/sbin/cron", fatal=False))
    return [need for need in found if need.name]
