"""Checks of a package's unit against the host: units that cannot be as declared, drop-ins of others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from reconciler.core.changes import Change, Observed, Part
from reconciler.core.content_marks import RELOADED, changed_ns, entry_of
from reconciler.core.diagnostic import Diagnostic, error, warning
from reconciler.core.host import HostView
from reconciler.formats.systemd import unit
from reconciler.kinds.services.model import OnChange, Service
from reconciler.kinds.services.vendor.observe import DROP_IN, STATE, VendorFacts, VendorUnit
from reconciler.kinds.services.vendor.parts import MASKED, service_of, vendor_unit_of
from reconciler.kinds.shared import drop_ins, units
from reconciler.kinds.shared.unit_fields import State

_QUADLETS = ("/etc/containers/systemd/", "/usr/share/containers/systemd/", "/run/containers/systemd/")


def check(
    view: HostView, changes: Sequence[Change], written: Collection[str], packages: Sequence[str]
) -> Iterator[Diagnostic]:
    """Yield units that do not exist or cannot be as declared, and drop-ins of others.

    `written` has the paths that this plan writes, `packages` the packages that come with it.
    """
    for change in changes:
        if change.part is None or change.observed.facts(VendorFacts).unit is None:
            continue
        service, vendor_unit = service_of(change.part), vendor_unit_of(change.observed)
        missing = vendor_unit.absent and not _is_absence(change)
        source = _made_of(view, vendor_unit.name, service, written) if missing else ""
        if missing and packages and not source:
            problems: Iterable[Diagnostic] = [_packaged(vendor_unit, packages)]
        elif source:
            problems = [_coming(vendor_unit, source)]
        else:
            problems = _problems(change, service, vendor_unit)
        for problem in problems:
            yield replace(problem, address=change.address, source=change.part.declared.source)


def _made_of(view: HostView, name: str, service: Service, written: Collection[str]) -> str:
    """The file of which a generator may make a missing unit; empty if there is none.

    The service watches it, or quadlet turns its name into this unit's (podman-systemd.unit(5)).
    This plan writes it, or somebody did since systemd last read its units.
    """
    watched = [
        path
        for path in written
        if any(f"{path}/".startswith(f"{above.rstrip('/')}/") for above in service.watch)
    ]
    quadlets = [
        path
        for path in written
        if path.startswith(_QUADLETS) and _quadlet_unit(path.rpartition("/")[2]) == name
    ]
    if watched or quadlets:
        return [*watched, *quadlets][0]
    reloaded = entry_of(view, RELOADED)
    if reloaded is None:
        return ""
    entries = ((path, entry_of(view, path)) for path in service.watch)
    newer = (path for path, entry in entries if entry is not None and changed_ns(entry) > reloaded.mtime_ns)
    return next(newer, "")


def _quadlet_unit(name: str) -> str:
    """The unit that quadlet makes of a file of this name; empty if it makes none."""
    stem, _, suffix = name.rpartition(".")
    if suffix in ("container", "kube"):
        return f"{stem}.service"
    return f"{stem}-{suffix}.service" if suffix in ("volume", "network", "pod", "image", "build") else ""


def _coming(vendor_unit: VendorUnit, source: str) -> Diagnostic:
    detail = (
        f"A generator is to make it of {source}. Whether it does is seen after the daemon-reload; until then"
        " nothing is known of it."
    )
    return warning(f"unit {vendor_unit.name} is not known before the apply", detail, rule="generated-unit")


def _packaged(vendor_unit: VendorUnit, packages: Sequence[str]) -> Diagnostic:
    detail = (
        f"A package of this plan is to bring it ({', '.join(packages)}). Whether it does is seen when it"
        " is installed; until then nothing is known of it."
    )
    return warning(f"unit {vendor_unit.name} is not known before the apply", detail, rule="packaged-unit")


def _problems(change: Change, service: Service, vendor_unit: VendorUnit) -> Iterator[Diagnostic]:
    if vendor_unit.alias_of:
        alias_of = vendor_unit.alias_of
        detail = f"Declare `{alias_of.removesuffix('.service')}` instead: it is that unit's other name."
        yield error(f"{vendor_unit.name} is an alias of {alias_of}", detail, rule="vendor-unit")
    elif vendor_unit.ours:
        detail = (
            f"{vendor_unit.file} is a unit file that we wrote. If this plan removes it, apply, and plan"
            " again; otherwise remove it by hand. Until then the package's unit is not in force."
        )
        yield error(f"{vendor_unit.name} is still a unit of our own", detail, rule="vendor-unit")
    elif vendor_unit.broken:
        yield error(
            f"unit {vendor_unit.name} cannot be loaded",
            f"{vendor_unit.broken}. Remove the link, or put there what it leads to.",
            rule="vendor-unit",
        )
    elif vendor_unit.absent and not _is_absence(change):
        detail = (
            f"Declare the package that brings it under `packages:`, often `{change.address.name}: {{}}`"
            f" (`apt-file search {vendor_unit.name}` tells), or leave `unit: vendor` out and declare it all."
        )
        yield error(f"unit {vendor_unit.name} does not exist", detail, rule="vendor-unit")
    elif (
        change.address.part == STATE
        and vendor_unit.ends_by_itself
        and (change.after or {}).get("state") == State.RUNNING
    ):
        detail = "It is a job: systemd starts it, it runs and ends. Leave `state` out."
        yield error(f"{vendor_unit.name} does not keep running", detail, rule="vendor-unit")
    elif change.address.part == DROP_IN:
        yield from _refused(change, vendor_unit)
        if service.on_change is OnChange.RELOAD and not (vendor_unit.reloads or service.exec_reload):
            detail = (
                "Its unit has no ExecReload: declare `exec_reload`, or write `on_change: restart` or `none`."
            )
            yield error(f"{vendor_unit.name} cannot reload", detail, rule="vendor-unit")
        yield from _foreign(vendor_unit, (change.after or {}).get("unit", {}))


def _refused(change: Change, vendor_unit: VendorUnit) -> Iterator[Diagnostic]:
    """Yield why systemd would not load the package's unit with our drop-in."""
    ours = (change.after or {}).get("unit")
    if (
        change.part is not None and ours is not None and "Exec" in vendor_unit.text
    ):  # an old snapshot does not have its commands
        texts = vendor_unit.with_ours(units.text(change.address, ours).decode())
        yield from units.would_refuse_together(change.part, texts, [vendor_unit.file])


def _is_absence(change: Change) -> bool:
    """Whether a missing unit can be as declared: stopped, disabled or masked."""
    return (change.after or {}) in ({"state": State.STOPPED.value}, {"enabled": False}, {"enabled": MASKED})


def _foreign(vendor_unit: VendorUnit, ours: unit.Sections) -> Iterator[Diagnostic]:
    """Warn of drop-ins that we did not write: they stay, and those that come after ours win."""
    yield from (_foreign_drop_in(vendor_unit, drop_in, ours) for drop_in in vendor_unit.foreign)


def _foreign_drop_in(vendor_unit: VendorUnit, drop_in: drop_ins.DropIn, ours: unit.Sections) -> Diagnostic:
    same = drop_ins.both_say(ours, drop_in.sections)
    detail = f"{drop_in.path} is not ours and stays."
    if same:
        wins = (
            "it comes after ours and wins" if drop_in in vendor_unit.after_ours() else "ours comes after it"
        )
        detail += f" It says {', '.join(same)} as well; {wins}."
    return warning(f"another drop-in for {vendor_unit.name}", detail, rule="other-drop-in")


def others(part: Part, observed: Observed) -> Iterator[Diagnostic]:
    """Warn of foreign drop-ins that win over an unchanged part; `check` tells of all where a part changes."""
    vendor_unit = vendor_unit_of(observed)
    yield from units.refused(part, observed, vendor_unit.name)
    if observed.document == part.document:
        for drop_in in vendor_unit.foreign:
            if drop_in.path in observed.others:
                yield replace(
                    _foreign_drop_in(vendor_unit, drop_in, part.document["unit"]),
                    address=part.address,
                    source=part.declared.source,
                )
