"""Facts of the host that speak against a drop-in of a package's unit, and drop-ins of others that win."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from reconciler.core.changes import Change, Observed, Part
from reconciler.core.content_marks import RELOADED, changed_ns, entry_of
from reconciler.core.diagnostic import Diagnostic, error, warning
from reconciler.core.host import HostView
from reconciler.formats.systemd import unit
from reconciler.kinds.services.model import OnChange, Service
from reconciler.kinds.services.vendor.observe import DROP_IN, STATE, VendorFacts, VendorUnit
from reconciler.kinds.services.vendor.parts import MASKED, found_in, service_of
from reconciler.kinds.shared import drop_ins, units
from reconciler.kinds.shared.unit_fields import State

_QUADLETS = ("/etc/containers/systemd/", "/usr/share/containers/systemd/", "/run/containers/systemd/")


def check(view: HostView, changes: Sequence[Change], written: Collection[str]) -> Iterator[Diagnostic]:
    """No such unit, another unit's name, a job that shall run; and what drop-ins of others say too.

    `written`: paths of this plan.
    """
    for change in changes:
        if change.part is None or change.observed.facts(VendorFacts).unit is None:
            continue
        service, unit_found = service_of(change.part), found_in(change.observed)
        source = (
            _made_of(view, unit_found.name, service, written)
            if unit_found.absent and not _is_absence(change)
            else ""
        )
        problems = [_coming(unit_found, source)] if source else _problems(change, service, unit_found)
        for found in problems:
            yield replace(found, address=change.address, source=change.part.declared.source)


def _made_of(view: HostView, name: str, service: Service, written: Collection[str]) -> str:
    """The file of which a generator may make a unit that is not there: written by this plan, or since systemd
    read its units.

    It is one that the service watches, or bears the name that quadlet makes this unit of
    (podman-systemd.unit(5)).
    """
    watched = [
        path for path in written if any(f"{path}/".startswith(f"{one.rstrip('/')}/") for one in service.watch)
    ]
    quadlets = [
        path
        for path in written
        if path.startswith(_QUADLETS) and _quadlet_unit(path.rpartition("/")[2]) == name
    ]
    if watched or quadlets:
        return [*watched, *quadlets][0]
    read = entry_of(view, RELOADED)
    entries = ((path, entry_of(view, path)) for path in service.watch) if read is not None else ()
    return next(
        (
            path
            for path, entry in entries
            if entry is not None and read is not None and changed_ns(entry) > read.mtime_ns
        ),
        "",
    )


def _quadlet_unit(name: str) -> str:
    """The unit that quadlet makes of a file of this name."""
    stem, _, suffix = name.rpartition(".")
    if suffix in ("container", "kube"):
        return f"{stem}.service"
    return f"{stem}-{suffix}.service" if suffix in ("volume", "network", "pod", "image", "build") else ""


def _coming(found: VendorUnit, source: str) -> Diagnostic:
    detail = (
        f"A generator is to make it of {source}. Whether it does is seen after the daemon-reload; until then"
        " nothing is known of it."
    )
    return warning(f"unit {found.name} is not known before the apply", detail, rule="generated-unit")


def _problems(change: Change, service: Service, found: VendorUnit) -> Iterator[Diagnostic]:
    if found.alias_of:
        detail = f"Declare `{found.alias_of.removesuffix('.service')}` instead: it is that unit's other name."
        yield error(f"{found.name} is an alias of {found.alias_of}", detail, rule="vendor-unit")
    elif found.ours:
        detail = (
            f"{found.file} is a unit file that we wrote. If this plan removes it, apply, and plan again;"
            " otherwise remove it by hand. Until then the package's unit is not in force."
        )
        yield error(f"{found.name} is still a unit of our own", detail, rule="vendor-unit")
    elif found.broken:
        yield error(
            f"unit {found.name} cannot be loaded",
            f"{found.broken}. Remove the link, or put there what it leads to.",
            rule="vendor-unit",
        )
    elif found.absent and not _is_absence(change):
        detail = (
            f"Install the package that brings it, often `apt-get install {change.address.name}` (`apt-file"
            f" search {found.name}` tells), or leave `unit: vendor` out and declare it whole."
        )
        yield error(f"unit {found.name} does not exist", detail, rule="vendor-unit")
    elif (
        change.address.part == STATE
        and found.ends_by_itself
        and (change.after or {}).get("state") == State.RUNNING
    ):
        detail = "It is a job: systemd starts it, it runs and ends. Leave `state` out."
        yield error(f"{found.name} does not keep running", detail, rule="vendor-unit")
    elif change.address.part == DROP_IN:
        yield from _refused(change, found)
        if service.on_change is OnChange.RELOAD and not (found.reloads or service.exec_reload):
            detail = (
                "Its unit has no ExecReload: declare `exec_reload`, or write `on_change: restart` or `none`."
            )
            yield error(f"{found.name} cannot reload", detail, rule="vendor-unit")
        yield from _others(found, (change.after or {}).get("unit", {}))


def _refused(change: Change, found: VendorUnit) -> Iterator[Diagnostic]:
    """Yield what systemd would not load of the package's unit and our drop-in together."""
    ours = (change.after or {}).get("unit")
    if (
        change.part is not None and ours is not None and "Exec" in found.text
    ):  # an old snapshot does not have its commands
        texts = found.with_ours(units.text(change.address, ours).decode())
        yield from units.would_refuse_together(change.part, texts, [found.file])


def _is_absence(change: Change) -> bool:
    """Whether a unit that is not there can be as declared: stopped, disabled or masked."""
    return (change.after or {}) in ({"state": State.STOPPED.value}, {"enabled": False}, {"enabled": MASKED})


def _others(found: VendorUnit, ours: unit.Sections) -> Iterator[Diagnostic]:
    """Drop-ins that we did not write stay. Those that come after ours win."""
    yield from (_other(found, one, ours) for one in found.foreign)


def _other(found: VendorUnit, one: drop_ins.DropIn, ours: unit.Sections) -> Diagnostic:
    same = drop_ins.both_say(ours, one.sections)
    detail = f"{one.path} is not ours and stays."
    if same:
        wins = "it comes after ours and wins" if one in found.after_ours() else "ours comes after it"
        detail += f" It says {', '.join(same)} as well; {wins}."
    return warning(f"another drop-in for {found.name}", detail, rule="other-drop-in")


def others(part: Part, observed: Observed) -> Iterator[Diagnostic]:
    """Those of them that win over what is declared, told also when nothing is to be done; otherwise `check`
    tells of all.
    """
    found = found_in(observed)
    yield from units.refused(part, observed, found.name)
    if observed.document == part.document:
        for one in found.foreign:
            if one.path in observed.others:
                yield replace(
                    _other(found, one, part.document["unit"]),
                    address=part.address,
                    source=part.declared.source,
                )
