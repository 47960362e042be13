"""Relations of a service to other units (systemd.unit(5)): impossible orders and unmet requirements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from reconciler.core.address import Address
from reconciler.core.changes import Change, Verb
from reconciler.core.diagnostic import Diagnostic, error, warning
from reconciler.core.host import HostView, Unreadable, UnsafePath
from reconciler.core.spec import Declared, Spec
from reconciler.kinds.services.vendor import observe

_NEEDED = {"Requires": "requires", "Requisite": "requires (Requisite=)", "BindsTo": "is bound to"}
"""Directives that name units which a unit cannot start without, each in words."""
_MADE_BY_SYSTEMD = (".device", ".slice", ".scope", ".swap", ".mount", ".automount")
"""Suffixes of units that need no file."""
_SYSTEMD_TARGETS = frozenset(
    f"{name}.target"
    for name in (
        "basic",
        "cryptsetup",
        "default",
        "emergency",
        "final",
        "getty",
        "graphical",
        "halt",
        "kexec",
        "local-fs",
        "local-fs-pre",
        "multi-user",
        "network",
        "network-online",
        "network-pre",
        "nss-lookup",
        "nss-user-lookup",
        "paths",
        "poweroff",
        "reboot",
        "remote-fs",
        "remote-fs-pre",
        "rescue",
        "shutdown",
        "sleep",
        "slices",
        "sockets",
        "swap",
        "sysinit",
        "system-update",
        "time-set",
        "time-sync",
        "timers",
        "umount",
    )
)
"""Targets that come with systemd itself (systemd.special(7))."""
_UNITS: Mapping[str, tuple[str, ...]] = {"services": (".service",), "timers": (".service", ".timer")}


# ------------------------------------------------------------------------------------------ by the spec alone


def lint(spec: Spec) -> Iterator[Diagnostic]:
    """Yield ordering cycles, requirements of masked or stopped units, and conflicts of units that are to run.

    Each names both places of the spec.
    """
    declared = _declared(spec)
    related = {name: unit for name, unit in declared.items() if _hangs_on_others(unit.resource)}
    if not related:
        return
    yield from _cycles(declared, related)
    for name, unit in related.items():
        yield from _contradicted(name, unit, declared)


def _contradicted(name: str, unit: Declared, declared: Mapping[str, Declared]) -> Iterator[Diagnostic]:
    """Yield the relations of a unit that contradict the declarations of the units they name."""

    def related_by(directive: str) -> list[Declared]:
        return [
            declared[other]
            for other in _words(unit.resource, directive)
            if other in declared and other != name
        ]

    for directive in _NEEDED:
        needed = related_by(directive)
        yield from (
            _masked_here(unit, other, directive)
            for other in needed
            if _is_masked(other) and not _is_masked(unit)
        )
        stopped = (other for other in needed if _is_stopped(other) and not _is_masked(other))
        yield from (_stopped_here(unit, other, directive) for other in stopped if _runs(unit))
    if _runs(unit):
        yield from (_upheld_here(unit, other) for other in related_by("Upholds") if _is_stopped(other))
        yield from (_not_together(unit, other) for other in related_by("Conflicts") if _runs(other))


def _declared(spec: Spec) -> dict[str, Declared]:
    return {
        f"{unit.address.name}{suffix}": unit
        for unit in spec.resources
        for suffix in _UNITS.get(unit.address.kind, ())
    }


def _cycles(declared: Mapping[str, Declared], related: Mapping[str, Declared]) -> Iterator[Diagnostic]:
    before: dict[str, set[str]] = {}
    for name, unit in related.items():
        for other in _words(unit.resource, "After"):
            before.setdefault(name, set()).add(other)
        for other in _words(unit.resource, "Before"):
            before.setdefault(other, set()).add(name)
    graph = {
        name: sorted(others & declared.keys() - {name}) for name, others in before.items() if name in declared
    }
    while (circle := _circle(graph)) is not None:
        yield _cycle([declared[name] for name in circle])
        del graph[circle[0]]


def _circle(graph: Mapping[str, Sequence[str]]) -> list[str] | None:
    """Units in a circle, each ordered before the next, the last before the first; None if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as cycle:
        circle: list[str] = cycle.args[1][:-1]
        first = circle.index(min(circle))
        return [*circle[first:], *circle[:first]]
    return None


def _cycle(circle: Sequence[Declared]) -> Diagnostic:
    names = [f"{unit.address} ({unit.source})" for unit in circle]
    detail = (
        f"{', which is to start before '.join([*names, str(circle[0].address)])}. systemd cannot keep such an"
        " order: it refuses to start them, or leaves one of them out. Take one `after` or `before` away."
    )
    return error(
        "ordering cycle", detail, address=circle[0].address, source=circle[0].source, rule="ordering-cycle"
    )


def _masked_here(unit: Declared, needed: Declared, directive: str) -> Diagnostic:
    detail = (
        f"{unit.address} ({unit.source}) {_NEEDED[directive]} {needed.address}, and {needed.source} says"
        " `enabled: masked`: systemd would refuse to start it. Take one of the two away."
    )
    return error(
        "a required unit is masked", detail, address=unit.address, source=unit.source, rule="masked-unit"
    )


def _stopped_here(unit: Declared, needed: Declared, directive: str) -> Diagnostic:
    detail = (
        f"{unit.address} ({unit.source}) is to run and {_NEEDED[directive]} {needed.address}, and"
        f" {needed.source} says `state: stopped`: systemd would stop both, or start both. Take one of the two"
        " away."
    )
    return error(
        "a required unit is stopped", detail, address=unit.address, source=unit.source, rule="required"
    )


def _upheld_here(unit: Declared, other: Declared) -> Diagnostic:
    detail = (
        f"{unit.address} ({unit.source}) is to run and upholds {other.address}, and {other.source} says"
        " `state: stopped`: systemd would start it again after each stop. Take one of the two away."
    )
    return error("a stopped unit is upheld", detail, address=unit.address, source=unit.source, rule="upheld")


def _not_together(unit: Declared, other: Declared) -> Diagnostic:
    detail = (
        f"{unit.address} ({unit.source}) conflicts with {other.address} ({other.source}), and both are to"
        " run: systemd stops one when it starts the other. Stop one of them."
    )
    return error(
        "two services cannot run together", detail, address=unit.address, source=unit.source, rule="conflict"
    )


def _is_stopped(unit: Declared) -> bool:
    return str(getattr(unit.resource, "state", "")) == "stopped"


def _runs(unit: Declared) -> bool:
    """Whether a unit is declared to run; a package's unit without `state` is not."""
    resource = unit.resource
    says = getattr(resource, "says", None)
    running = (
        unit.address.kind == "services"
        and str(getattr(resource, "state", "")) == "running"
        and not _is_masked(unit)
    )
    return running and (says is None or bool(says("state")))


def _is_masked(unit: Declared) -> bool:
    return getattr(unit.resource, "enabled", None) == "masked"


def _hangs_on_others(resource: Any) -> bool:
    """Whether a service or job names units that it needs, excludes or is ordered by."""
    fields = any(getattr(resource, name, ()) for name in ("after", "before", "requires", "conflicts"))
    return fields or "Unit" in (getattr(resource, "directives", None) or ())


def _words(resource: Any, directive: str) -> list[str]:
    """The units of a dependency, from its field and from `directives`."""
    value = (getattr(resource, "directives", None) or {}).get("Unit", {}).get(directive, ())
    texts = [value] if isinstance(value, str) else value
    return [
        *(getattr(resource, directive.lower(), None) or ()),
        *(word for text in texts for word in text.split()),
    ]


# ----------------------------------------------------------------------------------------------- on this host


def check(view: HostView, spec: Spec, changes: Sequence[Change]) -> Iterator[Diagnostic]:
    """Yield units that a changed service needs, and targets that are to start it, which do not exist.

    Neither the spec nor the host has them.
    """
    declared = _declared(spec)
    going = {
        f"{change.address.name}.service"
        for change in changes
        if change.verb is Verb.DELETE and not change.address.part
    }
    yielded: set[tuple[Address, str]] = set()
    for change in changes:
        if (
            change.part is None
            or change.verb in (Verb.NONE, Verb.DELETE)
            or "unit" not in change.part.document
        ):
            continue
        for diagnostic in _missing_units(view, change, declared.keys(), going):
            if (change.address.resource, diagnostic.detail) not in yielded:
                yielded.add((change.address.resource, diagnostic.detail))
                yield diagnostic


def _missing_units(
    view: HostView, change: Change, declared: Iterable[str], going: set[str]
) -> Iterator[Diagnostic]:
    assert change.part is not None
    resource, unit = change.part.declared.resource, change.part.document["unit"].get("Unit", {})
    where = {"address": change.address, "source": change.part.declared.source}
    # Only a warning for a service that is not started, and for a tree into which packages may yet come.
    to_stop = str(getattr(resource, "state", "")) == "stopped"
    diagnostic = warning if to_stop or not view.running else error
    for directive in (name for name in _NEEDED if name in unit):
        for name in dict.fromkeys(_split(unit[directive])):
            if name in declared:
                continue
            if problem := "is removed by this plan" if name in going else missing(view, name):
                detail = (
                    f"{change.address} {_NEEDED[directive]} {name}, which {problem}: systemd would refuse to"
                    f" start it. {_advice(problem)}"
                )
                yield diagnostic(f"a required unit {problem}", detail, **where, rule="missing-unit")
    install = change.part.document["unit"].get("Install", {})
    for directive in (
        name
        for name in ("WantedBy", "RequiredBy", "UpheldBy")
        if name in install and change.part.document.get("enabled")
    ):
        for name in dict.fromkeys(_split(install[directive])):
            if name not in declared and (problem := missing(view, name)):
                detail = (
                    f"{name} is to start {change.address}, and {problem}: with it nothing starts at boot."
                )
                yield warning("what is to start it is missing", detail, **where, rule="missing-unit")


def _advice(problem: str) -> str:
    if problem == _MASKED:
        return "Unmask it, or take the requirement away."
    return "Declare it, install what brings it, or take the requirement away; `wants` does without."


def _split(value: str | list[str]) -> list[str]:
    return [word for text in ([value] if isinstance(value, str) else value) for word in text.split()]


_MASKED, _ABSENT = "is masked on the host", "is not on the host"


def missing(view: HostView, name: str) -> str:
    """Why the host cannot start a unit of this name; empty if it can, or if that cannot be told."""
    if name in _SYSTEMD_TARGETS or "%" in name:
        return ""
    try:
        file, alias_of, masks = observe.find(view, name)
        if masks:
            return _MASKED
        if alias_of and alias_of != name:
            return missing(view, alias_of)
        if file or name.endswith(_MADE_BY_SYSTEMD):
            return ""
        return _ABSENT if not view.running or view.units([name])[name].load == "not-found" else ""
    except (Unreadable, UnsafePath):
        return ""
