"""audit: the policy in /etc/reconciler/audit.json, and the schedule that runs the audit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from reconciler.core.address import Address
from reconciler.core.changes import Change, Document, Observed, Part
from reconciler.core.diagnostic import Diagnostic
from reconciler.core.host import HostView
from reconciler.core.kind import Kind, Requirement
from reconciler.core.spec import Declared, Spec
from reconciler.core.state import OwedRow
from reconciler.core.steps import Step
from reconciler.formats.audit import policy
from reconciler.kinds.audit import ORDER
from reconciler.kinds.audit.model import AuditPolicy
from reconciler.kinds.audit.observe import UNIT, PolicyFacts, is_scheduled, observe, unit_of
from reconciler.kinds.audit.relaxed import relaxed
from reconciler.kinds.shared import file_part, units
from reconciler.kinds.shared.schedule import checks as schedule_checks
from reconciler.kinds.shared.schedule import part as schedule
from reconciler.kinds.shared.schedule.rarer import rarer

_CONFIG = "config"
_FILE = {"type": "file", "mode": "0600", "owner": "root", "group": "root"}
_COMMAND = "/usr/local/bin/reconciler"
_SECTIONS = {
    "Service": {
        # 2: there are findings, 3: something could not be checked. Neither is a failure of the unit.
        "SuccessExitStatus": "2 3 75",
        "TimeoutStartSec": "30min",
        "Nice": "19",
        "IOSchedulingClass": "idle",
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "ReadWritePaths": "/var/lib/reconciler",
        "ProtectHome": "read-only",
        "ProtectClock": "yes",
        "ProtectHostname": "yes",
        "ProtectKernelModules": "yes",
        "ProtectControlGroups": "yes",
        "RestrictAddressFamilies": "AF_UNIX AF_NETLINK AF_INET AF_INET6",
        "RestrictNamespaces": "yes",
        "RestrictRealtime": "yes",
        "LockPersonality": "yes",
        "MemoryDenyWriteExecute": "yes",
        "SystemCallArchitectures": "native",
        "UMask": "0077",
    }
}


def _policy(declared: Declared) -> AuditPolicy:
    assert isinstance(declared.resource, AuditPolicy)
    return declared.resource


def document(declared: Declared) -> Document:
    """The policy as its file has it: everything but the schedule."""
    audit = _policy(declared)
    data = audit.model_dump(
        mode="json", include={"fail_on", "allow", "waivers", "scan"}, exclude_defaults=True
    )
    return {
        "format": policy.FORMAT,
        "fail_on": str(audit.fail_on),
        **{name: data[name] for name in ("allow", "waivers", "scan") if data.get(name)},
    }


def _job(declared: Declared) -> schedule.Job:
    audit = _policy(declared)
    program = str(declared.settings.get("command", _COMMAND))
    return schedule.Job(
        declared,
        UNIT,
        audit.schedule or "weekly",
        [program, "audit", "--record"],
        scheduler=schedule.scheduler_of(declared, audit.scheduler),
        timezone=schedule.timezone_of(declared, audit.timezone),
        description="Security audit",
        # A thousand hosts do not begin in one second; the delay of a host is always the same.
        randomized_delay_sec="" if schedule.scheduler_of(declared, audit.scheduler) == "cron" else "30min",
        sections=_SECTIONS,
    )


def expand(declared: Declared, running: bool) -> Iterator[Part]:
    """The file of the policy, then the parts of the schedule, which need it."""
    address = Address(declared.address.kind, declared.address.name, _CONFIG)
    data = document(declared)
    yield Part(address, {**_FILE, "policy": data}, declared, policy.render(data).encode())
    if _policy(declared).schedule:
        for part in schedule.expand(_job(declared), running):
            yield replace(part, needs=(*part.needs, address))


def actions(change: Change) -> Iterator[Step]:
    """Write or remove the file; the schedule part has the steps of all else."""
    if is_scheduled(change.address):
        yield from schedule.actions(change, unit_of)
        return
    missing = change.observed.facts(PolicyFacts).missing
    yield from file_part.steps(change, policy.PATH, ("policy",), directories=missing)


def resume_owed(part: Part, observed: Observed, row: OwedRow) -> Iterator[Step]:
    """Yield what the schedule part still owes."""
    return schedule.resume_owed(part, observed, row) if is_scheduled(part.address) else iter(())


def lint(declared: Declared) -> Iterator[Diagnostic]:
    """Yield errors for what the scheduler cannot do."""
    if _policy(declared).schedule:
        yield from schedule_checks.lint(_job(declared))


def check(view: HostView, _: Spec, changes: Sequence[Change]) -> Iterator[Diagnostic]:
    """Yield problems of the schedule with the host, and findings that the policy bears from now on."""
    yield from schedule_checks.check(view, schedule_checks.jobs(changes, "audit", _job))
    yield from rarer(changes, "audit")
    yield from relaxed(changes)


def others(part: Part, observed: Observed) -> Iterator[Diagnostic]:
    """Warn of foreign drop-ins for the units."""
    if is_scheduled(part.address):
        yield from units.others(part, observed)


def overdue(changes: Sequence[Change], now: int) -> Iterator[Diagnostic]:
    """Yield an error for a new schedule with no run left."""
    return schedule_checks.overdue(changes, _job, now)


def references(declared: Declared) -> Iterator[Address]:
    """Yield the references of the schedule part."""
    if _policy(declared).schedule:
        yield from (
            address for address in schedule.references(_job(declared)) if address.resource != declared.address
        )


def requires(declared: Declared) -> Iterable[Requirement]:
    """The requirements of the schedule part."""
    return schedule.requires(_job(declared)) if _policy(declared).schedule else ()


def paths(address: Address) -> Iterator[str]:
    """The paths of the policy's file and of the schedule's files."""
    if address.part in ("", _CONFIG):
        yield policy.PATH
    if address.part != _CONFIG:
        yield from schedule.paths(address, unit_of)


KIND = Kind(
    name="audit",
    single=policy.RESOURCE,
    model=AuditPolicy,
    name_type=Annotated[str, Field(pattern=r"^policy\z", description="The only one.")],
    expand=expand,
    observe=observe,
    actions=actions,
    ownership_keys=(*schedule.OWNERSHIP_KEYS, "policy"),
    order=ORDER,
    programs=(("systemctl", "systemd"),),
    references=references,
    requires=requires,
    resume_owed=resume_owed,
    foreign_overrides=others,
    paths=paths,
    identity=paths,
    lint=lint,
    check=check,
    overdue=overdue,
    unit=lambda part: schedule.declared_unit(part, unit_of),
)
