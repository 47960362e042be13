"""Services: units that failed, and how much of the system each could reach."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.audit.areas.network import public_listeners, socket_of
from reconciler.audit.areas.processes import hidden_owner, processes
from reconciler.audit.facts import Facts
from reconciler.audit.model import RUNNING, Fail, Finding, Severity, Snippet
from reconciler.audit.registry import check
from reconciler.core.host import FileType
from reconciler.formats.audit.services import parse_exposures, parse_failed

_ADMINISTRATORS = "/etc/systemd/system"
_PACKAGED = "/usr/lib/systemd/system"
_UNSAFE = 9.0
"""The exposure from which on systemd itself calls a service unsafe: next to nothing confines it."""
_NEEDS_ALL = ("ssh.service", "sshd.service")
"""Whoever logs in by these gets the whole system."""


@check(
    "unit-failed",
    severity=Severity.MEDIUM,
    title="No unit has failed",
    rationale="A backup, a log or a firewall that did not start protects nothing, and nobody is told.",
    remediation="Find out why (systemctl status UNIT, journalctl -u UNIT), mend it, and start it.",
    needs=(RUNNING, "systemctl"),
)
def no_unit_failed(facts: Facts) -> Iterator[Finding]:
    """The units in the state `failed`."""
    for unit in facts.parsed("failed-units", parse_failed):
        yield Fail(unit, "active, or stopped in order", "failed", "systemctl --failed")


@check(
    "service-exposed",
    severity=Severity.MEDIUM,
    title="A service of root that listens to the network is confined",
    rationale="One mistake in such a program makes root of whoever sends the right packet.",
    remediation=(
        "Run it as an account of its own (user:), or confine it (hardening: strict of the service);"
        " systemd-analyze security UNIT says what is open."
    ),
    needs=(RUNNING, "systemd-analyze"),
)
def public_services_are_confined(facts: Facts) -> Iterator[Finding]:
    """The services of root whose sockets others reach, by systemd's own measure; SSH needs everything."""
    root = {process.pid: process.unit for process in processes(facts) if process.uid == 0 and process.unit}
    sockets = {root[item.pid]: socket_of(item) for item in public_listeners(facts) if item.pid in root}
    hidden = (hidden_owner(facts, listener) for listener in public_listeners(facts))
    yield from filter(None, hidden)
    exposures = facts.parsed("unit-exposures", parse_exposures) if sockets else {}
    for unit, socket in sorted(sockets.items()):
        exposure = exposures.get(unit, 0.0)
        if exposure < _UNSAFE or unit in _NEEDS_ALL:
            continue
        yield Fail(
            unit,
            f"an exposure below {_UNSAFE}",
            f"{exposure}, as root on {socket}",
            "systemd-analyze security",
            spec=_hardened(facts, unit),
        )


def _hardened(facts: Facts, unit: str) -> Snippet | None:
    """The field of the spec, where it declares the service."""
    declared = facts.intent.names("services")
    name = next((name for name in (unit, unit.removesuffix(".service")) if name in declared), None)
    return Snippet(("services", name, "hardening"), "strict") if name is not None else None


@check(
    "unit-overridden",
    severity=Severity.LOW,
    title="Nobody changed the unit of a package by hand",
    rationale="A masked or changed unit is easily forgotten, and an update of the package does not reach it.",
    remediation="Declare it in the spec, or take it back: systemctl revert UNIT, systemctl unmask UNIT.",
)
def units_are_as_packaged(facts: Facts) -> Iterator[Finding]:
    """Units of packages that /etc/systemd/system masks, replaces or extends, and that the spec does not
    declare.
    """
    packaged = set(facts.names(_PACKAGED))
    declared = facts.intent.names("files")
    for name in facts.names(_ADMINISTRATORS):
        path = f"{_ADMINISTRATORS}/{name}"
        unit = name.removesuffix(".d")
        if unit not in packaged or unit in facts.intent.units or path in declared:
            continue
        how = _override(facts, path, declared)
        if how:
            yield Fail(unit, "as the package has it", how, path)


def _override(facts: Facts, path: str, declared: frozenset[str]) -> str:
    """How a unit of a package is changed at a path; empty if it is not."""
    entry = facts.entry(path)
    match entry.type if entry is not None else None:
        case FileType.LINK:
            return "masked" if entry is not None and entry.target == "/dev/null" else ""
        case FileType.FILE:
            return "replaced"
        case FileType.DIRECTORY if path.endswith(".d"):
            drop_ins = [name for name in facts.names(path) if name.endswith(".conf")]
            return "extended" if any(f"{path}/{name}" not in declared for name in drop_ins) else ""
        case _:
            return ""
