"""The parts of a job that runs by the clock: a systemd service and its timer, or one file in /etc/cron.d.

A kind that schedules something (timers, backups) makes a `Job` of its declaration. Its hooks call the
functions of the same names here: `expand`, `actions`, `resume_owed`, `references`, `requires` and `paths`;
`declared_unit` is for `Kind.unit`, OWNERSHIP_KEYS for `Kind.ownership_keys`. The modules beside this one have
the rest: `field` the type of a `schedule`, `observe` the state on a host, `checks` and `rarer` the checks.

`unit_of` names the unit of an address without a suffix, from the address alone, as a removed part has nothing
else: `lambda address: f"backup-{address.name}"`.
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
from reconciler.formats.schedule import calendar, cron_job
from reconciler.formats.systemd import unit
from reconciler.kinds.shared import file_part, ownership, unit_files, units
from reconciler.kinds.shared.schedule.observe import CRON_D, PARTS, UnitOf, cron_file
from reconciler.kinds.shared.unit_facts import UnitFacts

OWNERSHIP_KEYS = ("type", "unit", "cron")

_WANTED_BY = "timers.target"
_OFTEN = 2
"""Seconds between two runs: as many or fewer exceed systemd's default limit of five starts in ten seconds."""


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

    A job of cron's that is disabled has no part.
    """
    if job.scheduler != Scheduler.CRON:
        service_part = service(job)
        yield service_part
        yield replace(_timer(job, running), needs=(service_part.address,))
    elif job.enabled:
        yield _cron(job)


def _address(job: Job, part: str) -> Address:
    return Address(job.declared.address.kind, job.declared.address.name, part)


def _unit_part(job: Job, part: str, sections: unit.Sections, enabled: list[str]) -> Part:
    address = _address(job, part)
    document: Document = {**units.FILE, "unit": unit.normalise(sections), "enabled": enabled}
    return Part(address, document, job.declared)


def service(job: Job) -> Part:
    """The part of the service alone, whatever starts it."""
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
    without_empty = {
        section: {name: value for name, value in directives.items() if value}
        for section, directives in sections.items()
    }
    return _unit_part(job, "service", without_empty, [])


def _timer(job: Job, running: bool) -> Part:
    """The part of the timer. Enabling it schedules nothing before it is started, so it has a state as well.

    A timer for `@reboot` is not started now: its run comes with the next boot, as in cron.
    """
    schedule = calendar.parse(job.schedule)
    timer: dict[str, str | list[str]]
    if schedule.reboot:
        timer = {"OnBootSec": calendar.AFTER_BOOT}
    else:
        times = calendar.to_oncalendar(schedule, job.timezone)
        timer = {"OnCalendar": times, "Persistent": "no" if job.persistent is False else "yes"}
    timer["AccuracySec"] = _accuracy(schedule)
    if job.randomized_delay_sec:
        # Without FixedRandomDelay every daemon-reload rolls the dice again, and can skip a day (systemd issue
        # 18678).
        timer |= {"RandomizedDelaySec": job.randomized_delay_sec, "FixedRandomDelay": "yes"}
    about: dict[str, str | list[str]] = {"Description": f"When to run {job.unit}.service"}
    sections: unit.Sections = {"Unit": about, "Timer": timer, "Install": {"WantedBy": _WANTED_BY}}
    part = _unit_part(
        job, "timer", sections, units.links(f"{job.unit}.timer", [_WANTED_BY]) if job.enabled else []
    )
    if running and not schedule.reboot:
        part.document["state"] = "running" if job.started else "stopped"
    return part


def _accuracy(schedule: calendar.Schedule) -> str:
    """How late systemd may start a run (systemd.timer(5)).

    It skips runs that come due meanwhile, so this must be less than the shortest gap.
    """
    gap = _shortest_gap(schedule)
    return "1min" if gap >= 60 else "1us" if gap == 1 else "1s"


def _shortest_gap(schedule: calendar.Schedule) -> int:
    """The fewest seconds between two runs; 60 for a minute or more."""
    if schedule.reboot:
        return 60
    later = (*schedule.seconds[1:], schedule.seconds[0] + 60)
    return min(after - before for before, after in zip(schedule.seconds, later, strict=True))


def crontab_of(job: Job, when: str) -> cron_job.Crontab:
    """The file of cron's for a job; `when` is its schedule in cron's own words."""
    assert not isinstance(job.command, str)
    command = cron_job.shell_line(job.command, job.working_directory)
    environment = {**cron_job.ENVIRONMENT, **job.environment}
    return {"environment": environment, "schedule": when, "user": job.user or "root", "command": command}


def _cron(job: Job) -> Part:
    address = _address(job, "cron")
    crontab = crontab_of(job, calendar.to_cron(calendar.parse(job.schedule)))
    header = units.header(address)
    description = [job.description] if job.description.isprintable() and job.description else []
    return Part(
        address,
        {**units.FILE, "cron": crontab},
        job.declared,
        cron_job.render(crontab, (*header, *description)).encode(),
    )


# ---------------------------------------------------------------------------------------------------- steps


def actions(change: Change, unit_of: UnitOf) -> Iterator[Step]:
    """The steps of one part. A changed timer is restarted; the service runs when its time comes."""
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
    state, new_state = before.get("state"), after.get("state")
    rescheduled = change.touches("unit", "Timer")
    if rescheduled or change.verb is Verb.CREATE:
        yield from _forget_last_run(change.address, change.observed)
    if new_state == "stopped" and state not in (None, "stopped"):
        verb = UnitVerb.RESET_FAILED if state == "failed" else UnitVerb.STOP
        yield units.step(change.address, verb, name, "state: stopped")
    elif new_state == "running" and state != "running":
        yield units.step(
            change.address,
            UnitVerb.START,
            name,
            "it is new" if change.verb is Verb.CREATE else f"it is {state}",
        )
    elif new_state == "running" and rescheduled:
        yield units.step(change.address, UnitVerb.RESTART, name, "its schedule changed")


def _forget_last_run(address: Address, observed: Observed) -> Iterator[Step]:
    """Remove the stamp of a new or rescheduled timer: it would make up for earlier runs at once."""
    stamp = observed.facts(UnitFacts).stamp
    if stamp:
        yield Step(RemovePath(stamp, digest(b"")), (Cause(address),))


def resume_owed(part: Part, observed: Observed, row: OwedRow) -> Iterator[Step]:
    """Restart a timer that a killed apply left with its old schedule."""
    states = {part.document.get("state"), (observed.document or {}).get("state")}
    if row.unit.endswith(".timer") and states == {"running"}:
        yield from _forget_last_run(part.address, observed)
        yield Step(Unit(UnitVerb.RESTART, (row.unit,)), (Cause(part.address, row.why, row.unit),))


def declared_unit(part: Part, unit_of: UnitOf) -> DeclaredUnit | None:
    """The unit of a part; None for a file of cron's. A timer is to run all the time, its service is not."""
    if part.address.part not in ("service", "timer"):
        return None
    state = part.document.get("state")
    return DeclaredUnit(
        f"{unit_of(part.address)}.{part.address.part}", None if state is None else state == "running"
    )


# --------------------------------------------------------------------------------------------- the relations


def paths(address: Address, unit_of: UnitOf) -> Iterator[str]:
    """The files of a part, or of all parts that a resource may have."""
    for part in [address.part] if address.part else sorted(PARTS):
        yield cron_file(address, unit_of) if part == "cron" else unit_files.path(f"{unit_of(address)}.{part}")


def _program(job: Job) -> str:
    words = job.command.lstrip("-@:+!|").split() if isinstance(job.command, str) else job.command
    return words[0] if words else ""


def references(job: Job) -> Iterator[Address]:
    """The accounts, the program and the directories of a job."""
    yield from ownership.owners(job.user or "root", job.group or "root")
    directory = job.working_directory.removeprefix("-")
    yield Address("files", _program(job))
    yield from ownership.above(_program(job))
    for path in (path for path in (directory, *job.mounts) if path.startswith("/")):
        yield Address("directories", path)
        yield from ownership.above(path)


def requires(job: Job) -> Iterable[Requirement]:
    """The accounts and the program of a job, and with cron its directory and its program.

    A missing account is fatal only with cron, which passes over the whole file silently; a service fails when
    its time comes.
    """
    by_cron = job.scheduler == Scheduler.CRON
    requirements = [
        Requirement(RequirementType.USER, job.user, by_cron),
        Requirement(RequirementType.GROUP, job.group, by_cron),
        Requirement(RequirementType.PROGRAM, _program(job), fatal=False),
    ]
    if by_cron:
        requirements.append(Requirement(RequirementType.DIRECTORY, CRON_D))
        requirements.append(Requirement(RequirementType.PROGRAM, "/usr/sbin/cron", fatal=False))
    return [requirement for requirement in requirements if requirement.name]
