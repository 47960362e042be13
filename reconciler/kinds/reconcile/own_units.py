"""Our own units: the scheduled apply, the scheduled search for drift in a sandbox, and the reports of both.

Not a kind that a spec can declare: `install` makes the declarations, and keeps them in a ledger of their own.
So no apply of a spec, not even of an empty one, can remove the units that apply.
"""

# No `from __future__ import annotations`: pydantic would evaluate the text of each annotation at every start.

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from reconciler.core.address import Address
from reconciler.core.basics.digest import digest
from reconciler.core.basics.frozen import frozen
from reconciler.core.basics.scalars import Scheduler
from reconciler.core.changes import Change, Document, Facts, Observed, Part
from reconciler.core.diagnostic import Diagnostic
from reconciler.core.host import HostView, Unreadable, UnsafePath
from reconciler.core.kind import Kind, Requirement
from reconciler.core.model.resource import Resource
from reconciler.core.spec import Declared, Spec
from reconciler.core.state import OwedRow
from reconciler.core.steps import Step
from reconciler.formats import reconcile
from reconciler.kinds.shared import file_observe, file_part, ownership, units
from reconciler.kinds.shared.schedule import checks as schedule_checks
from reconciler.kinds.shared.schedule import observe as schedule_observe
from reconciler.kinds.shared.schedule import part as schedule
from reconciler.kinds.shared.schedule.field import ScheduleText
from reconciler.kinds.shared.schedule.rarer import rarer

NAME = "reconcile"
_CONFIG = "config"
_FILE = {"type": "file", "mode": "0600", "owner": "root", "group": "root"}
_DIRECTORY = reconcile.PATH.rpartition("/")[0]

Directives = Mapping[str, Mapping[str, str | Sequence[str]]]

_FAILURE = f"{reconcile.FAILURE}.service"
_APPLY: Directives = {
    "Unit": {"OnFailure": _FAILURE},
    # 75: another apply is running, which is no failure. An apply that hangs is ended and reported; the next
    # one takes up its rest.
    "Service": {"TimeoutStartSec": "1h", "SuccessExitStatus": "75", "Nice": "10"},
}
_DRIFT: Directives = {
    # After: while an apply runs, what it has half done would look like drift.
    "Unit": {
        "After": f"{reconcile.APPLY}.service",
        "OnFailure": _FAILURE,
        "OnSuccess": f"{reconcile.NOTIFY}.service",
    },
    "Service": {
        "TimeoutStartSec": "15min",
        "SuccessExitStatus": "2",  # there is drift
        "Nice": "10",
        # Opened by systemd: the process itself can write nowhere.
        "StandardOutput": f"truncate:{reconcile.DRIFT_RECORD}",
        "StandardError": "journal",
        "UMask": "0077",
        # The one right of root's that it has is to read. As root it could ask systemd for anything over the
        # bus, in whatever sandbox.
        "AmbientCapabilities": "CAP_DAC_READ_SEARCH",
        "CapabilityBoundingSet": "CAP_DAC_READ_SEARCH",
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "ReadOnlyPaths": "/",
        "ProtectHome": "read-only",
        "PrivateTmp": "yes",
        "PrivateDevices": "yes",
        "DevicePolicy": "closed",
        "PrivateNetwork": "yes",
        "IPAddressDeny": "any",
        "RestrictAddressFamilies": "AF_UNIX",
        "PrivateIPC": "yes",
        "ProtectClock": "yes",
        "ProtectControlGroups": "yes",
        "ProtectHostname": "yes",
        "ProtectKernelLogs": "yes",
        "ProtectKernelModules": "yes",
        "ProtectKernelTunables": "yes",
        "ProtectProc": "invisible",
        "ProcSubset": "pid",
        "KeyringMode": "private",
        "LockPersonality": "yes",
        "MemoryDenyWriteExecute": "yes",
        "RemoveIPC": "yes",
        "RestrictNamespaces": "yes",
        "RestrictRealtime": "yes",
        "RestrictSUIDSGID": "yes",
        "SystemCallArchitectures": "native",
        "SystemCallFilter": ["@system-service", "~@privileged @resources @mount @swap @reboot"],
        "SystemCallErrorNumber": "EPERM",
    },
}
_REPORT: Directives = {"Service": {"TimeoutStartSec": "5min", "Nice": "10"}}
_ROLES: Mapping[str, tuple[str, Directives]] = {
    "apply": ("Make this host what its spec says", _APPLY),
    "drift": ("Look for changes made on this host outside of its spec", _DRIFT),
    "failure": ("Tell that Reconciler could not finish", _REPORT),
    "notify": ("Tell what Reconciler found", _REPORT),
}


class Own(Resource):
    """One of our own units, or (`settings`) the file with their settings."""

    command: tuple[str, ...] = ()
    """The exact argv."""
    user: str = ""
    """The user it runs as; root when empty."""
    when: ScheduleText = "daily"
    """The schedule; unused for a unit that another one starts."""
    scheduler: Scheduler = Scheduler.TIMER
    """The scheduler that starts it: timer or cron."""
    randomized_delay_sec: str = ""
    """Start up to this much later, always as much on the same host."""
    settings: dict[str, Any] = {}
    """The content of the file of settings."""


def _own(declared: Declared) -> Own:
    assert isinstance(declared.resource, Own)
    return declared.resource


def _unit(address: Address) -> str:
    return f"reconciler-{address.name}"


def _scheduled(declared: Declared) -> bool:
    return declared.address.name in ("apply", "drift")


def _job(declared: Declared) -> schedule.Job:
    own = _own(declared)
    about, sections = _ROLES[declared.address.name]
    return schedule.Job(
        declared,
        _unit(declared.address),
        own.when,
        own.command,
        scheduler=own.scheduler,
        timezone=schedule.timezone_of(declared, None),
        description=about,
        user=own.user,
        randomized_delay_sec=own.randomized_delay_sec,
        sections=sections,
    )


def expand(declared: Declared, running: bool) -> Iterator[Part]:
    """Yield the parts: a unit that runs by the clock has a timer or a file of cron's; the others have only a
    service.
    """
    if declared.address.name == "settings":
        own = _own(declared)
        yield Part(
            Address(NAME, "settings", _CONFIG),
            {**_FILE, "settings": own.settings},
            declared,
            reconcile.render(own.settings).encode(),
        )
    elif _scheduled(declared):
        yield from schedule.expand(_job(declared), running)
    else:
        yield schedule.service(_job(declared))


@frozen
class SettingsFacts(Facts):
    """The facts about a file of settings that is not there."""

    missing: bool = False
    """Whether its directory is missing as well."""


def observe(view: HostView, addresses: Sequence[Address]) -> Mapping[Address, Observed]:
    """The state of all units and files of cron's, and of the file of settings."""
    scheduled = schedule_observe.observe(
        view, [address for address in addresses if address.part != _CONFIG], _unit
    )
    return scheduled | {address: _observe(view) for address in addresses if address.part == _CONFIG}


def _observe(view: HostView) -> Observed:
    try:
        missing = view.entry(_DIRECTORY) is None
    except (Unreadable, UnsafePath) as problem:
        return ownership.unreadable(problem)
    observed = file_observe.observe(view, reconcile.PATH, _parsed)
    return (
        observed
        if observed.document or observed.unreadable
        else Observed(None, SettingsFacts(missing=missing))
    )


def _parsed(content: bytes) -> Document:
    try:
        return {"settings": reconcile.document(reconcile.parse(content.decode("utf-8")))}
    except (reconcile.NotSettings, UnicodeDecodeError):
        return {"settings": {"content": digest(content)}}


def actions(change: Change) -> Iterator[Step]:
    """Write or remove the file of settings; the schedule part has the steps of all else."""
    if change.address.part != _CONFIG:
        yield from schedule.actions(change, _unit)
        return
    missing = (_DIRECTORY,) if change.observed.facts(SettingsFacts).missing else ()
    yield from file_part.steps(change, reconcile.PATH, ("settings",), directories=missing)


def resume_owed(part: Part, observed: Observed, row: OwedRow) -> Iterator[Step]:
    """Yield what the schedule part still owes."""
    return (
        schedule.resume_owed(part, observed, row) if part.address.part in schedule_observe.PARTS else iter(())
    )


def lint(declared: Declared) -> Iterator[Diagnostic]:
    """Yield errors for what the scheduler cannot do."""
    return schedule_checks.lint(_job(declared)) if _scheduled(declared) else iter(())


def check(view: HostView, spec: Spec, changes: Sequence[Change]) -> Iterator[Diagnostic]:
    """Warn of runs that summer time moves in the host's zone, and of schedules that come more rarely."""
    yield from schedule_checks.check(view, schedule_checks.jobs(changes, NAME, _job))
    yield from rarer(changes, NAME)


def overdue(changes: Sequence[Change], now: int) -> Iterator[Diagnostic]:
    """Yield errors for new schedules with no run left."""
    return schedule_checks.overdue(changes, _job, now)


def references(declared: Declared) -> Iterator[Address]:
    """The user and the settings; for a scheduled unit also the units that report on it."""
    if _own(declared).user:
        yield Address("users", _own(declared).user)
    if declared.address.name != "settings":
        yield Address(NAME, "settings")
    if _scheduled(declared):
        yield Address(NAME, "failure")
        yield Address(NAME, "notify")


def requires(declared: Declared) -> Iterator[Requirement]:
    """Our program, and cron where that is to run it; only for `apply`, as all units need the same."""
    if declared.address.name == "apply":
        yield from schedule.requires(_job(declared))


def paths(address: Address) -> Iterator[str]:
    """The files of an address."""
    if address.name == "settings":
        yield reconcile.PATH
    else:
        yield from schedule.paths(address, _unit)


# Not named KIND: this is no kind of a spec, and its folder has no ORDER by which it would be found.
OWN = Kind(
    name=NAME,
    model=Own,
    name_type=Annotated[str, Field()],
    expand=expand,
    observe=observe,
    actions=actions,
    ownership_keys=(*schedule.OWNERSHIP_KEYS, "settings"),
    references=references,
    requires=requires,
    resume_owed=resume_owed,
    foreign_overrides=units.others,
    paths=paths,
    lint=lint,
    check=check,
    overdue=overdue,
    unit=lambda part: schedule.declared_unit(part, _unit),
)
