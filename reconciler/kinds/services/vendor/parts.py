"""Services whose unit file is a package's: one drop-in with what is declared, enablement and state only where
they are declared.

A package's unit is shared: it is there before us and stays after us. So each of the three is a part of its
own, and of these only the drop-in is ours to remove.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from reconciler.core.actions import (
    Cause,
    Check,
    MakeDirectory,
    MakeLink,
    RemovePath,
    SetAccess,
    Step,
    Unit,
    UnitVerb,
    WriteFile,
)
from reconciler.core.address import Address
from reconciler.core.basics.digest import digest
from reconciler.core.changes import Change, Observed, Part, Verb
from reconciler.core.content_marks import RELOADED, changed_ns, entry_of
from reconciler.core.diagnostic import Diagnostic, error, warning
from reconciler.core.host import HostView
from reconciler.core.kind import Impossible
from reconciler.core.model.resource import Effect
from reconciler.core.spec import Declared
from reconciler.core.state import OwedRow
from reconciler.formats.systemd import unit
from reconciler.kinds.services import unit_file
from reconciler.kinds.services.model import OnChange, Service
from reconciler.kinds.services.vendor import observe
from reconciler.kinds.services.vendor.observe import DROP_IN, ENABLED, STATE, VendorUnit
from reconciler.kinds.shared import drop_ins, ownership, units
from reconciler.kinds.shared.unit_fields import State

_MASKED = "masked"
_QUADLETS = ("/etc/containers/systemd/", "/usr/share/containers/systemd/", "/run/containers/systemd/")


def _service(part: Part) -> Service:
    assert isinstance(part.declared.resource, Service)
    return part.declared.resource


def _unit(address: Address) -> str:
    return f"{address.name}.service"


def _found(observed: Observed) -> VendorUnit:
    found: VendorUnit = observed.private["unit"]
    return found


# ---------------------------------------------------------------------------------------------------- expand


def expand(declared: Declared, running: bool) -> Iterator[Part]:
    """The drop-in, the enablement and the state, each only if something is said of it."""
    service = declared.resource
    assert isinstance(service, Service)
    at = {part: Address(declared.address.kind, declared.address.name, part) for part in observe.PARTS}
    sections = unit_file.drop_in(service)
    if sections:
        yield Part(at[DROP_IN], {**units.FILE, "unit": sections}, declared)
    # `unit: vendor` says that it exists and is not ours: that it is not as declared yet is no reason to ask
    # again.
    taken = replace(declared, resource=service.model_copy(update={"adopt": True}))
    masked = service.enabled == _MASKED
    if service.says("enabled"):
        yield Part(at[ENABLED], {"enabled": service.enabled}, taken, needs=(at[STATE],) if masked else ())
    if running and (service.says("state") or masked):
        needs = () if masked else (at[DROP_IN], at[ENABLED])
        yield Part(at[STATE], {"state": _wanted_state(service)}, taken, needs=needs)


def _wanted_state(service: Service) -> str:
    """The state that is wanted; a masked service cannot run, so it does not run on either."""
    if service.enabled == _MASKED:
        return State.STOPPED.value
    return service.state.value if service.says("state") else ""


def reason_to_keep(address: Address) -> str:
    """Whether a package's unit runs and is enabled stays as it is when nothing is said of it any more."""
    return "left as it is: the unit is a package's" if address.part in (ENABLED, STATE) else ""


# ---------------------------------------------------------------------------------------------------- steps


def actions(change: Change) -> Iterator[Step]:
    """The steps for one of the parts."""
    if change.address.part == DROP_IN:
        yield from _remove(change) if change.verb is Verb.DELETE else _put(change)
    elif change.address.part == ENABLED:
        yield from _enable(change)
    else:
        yield from _run(change)


def _put(change: Change) -> Iterator[Step]:
    assert change.part is not None and change.after is not None
    name, cause, before = _unit(change.address), (Cause(change.address),), change.before or {}
    place = units.drop_in(name)
    if before.get("type") == "directory":
        raise Impossible(f"{place} is a directory; move it away by hand, nothing here deletes it")
    if not before or change.touches("unit") or change.touches("type"):
        if not change.observed.private["directory"]:
            yield Step(MakeDirectory(place.rpartition("/")[0], "0755", "root", "root"), cause)
        content = units.text(change.address, change.after["unit"])
        expects = ownership.expected(change.observed)
        yield Step(
            WriteFile(
                place,
                content,
                digest(content),
                **ownership.access_of(change.after),
                expects=expects,
                check=Check.SYSTEMD,
            ),
            cause,
        )
        yield units.daemon_reload(change.address, "its drop-in changed" if before else "its drop-in is new")
        service = _service(change.part)
        if change.observed.private["state"] in units.ALIVE and _wanted_state(service) != State.STOPPED:
            cost, directive = unit_file.effect(change.fields)
            yield from _catch_up(
                change.address, service, _found(change.observed), cost, f"{directive} changed"
            )
        return
    yield from units.load_again(change)
    if any(change.touches(key) for key in ownership.ACCESS):
        yield Step(SetAccess(place, **ownership.access_of(change.after)), cause)


def _remove(change: Change) -> Iterator[Step]:
    """Remove our drop-in: the running service is the package's again, and is left running."""
    yield Step(
        RemovePath(
            units.drop_in(_unit(change.address)), ownership.expected(change.observed), prune_parent=True
        ),
        (Cause(change.address),),
    )
    yield units.daemon_reload(
        change.address, "its drop-in is removed; what runs keeps the old settings until it is restarted"
    )


def _enable(change: Change) -> Iterator[Step]:
    """Links as `systemctl enable`, `disable`, `mask` and `unmask` make and remove them."""
    assert change.part is not None and change.after is not None
    wanted, found, cause = change.after["enabled"], _found(change.observed), (Cause(change.address),)
    if wanted == _MASKED:
        yield from _mask(change, found)
        return
    _refuse_to_change(found)
    for mask, expects in found.masks.items():
        yield Step(RemovePath(mask, expects), cause)
    if wanted:
        _refuse_to_enable(found)
        for link in sorted(found.wanted.keys() - found.links.keys()):
            yield Step(MakeLink(link, found.wanted[link]), cause)
    else:
        for link, expects in sorted(found.links.items()):
            yield Step(
                RemovePath(link, expects, prune_parent=link.count("/") > units.PLACE.count("/") + 1), cause
            )
    yield units.daemon_reload(change.address, "its enablement changed")


def _refuse_to_change(found: VendorUnit) -> None:
    if found.lasting_masks:
        raise Impossible(
            f"{found.lasting_masks[0]} masks {found.name}, and is a package's; leave `enabled` out, or write"
            " `enabled: masked`"
        )
    if found.generated:
        raise Impossible(
            f"{found.name} is made by a generator at every boot, so links neither enable nor disable it; "
            "leave `enabled` out, or write `enabled: masked`"
        )


def _refuse_to_enable(found: VendorUnit) -> None:
    if found.transient:
        raise Impossible(
            f"{found.file} is transient: it is gone when it ends, and nothing can start it with the host;"
            " leave `enabled` out"
        )
    if found.unclear:
        raise Impossible(
            f"{found.unclear}; run `systemctl enable {found.name}` by hand and leave `enabled` out"
        )
    if not found.wanted:
        raise Impossible(
            f"{found.name} has no [Install] section that says what starts it; leave `enabled` out, or write"
            " `enabled: false`"
        )


def _mask(change: Change, found: VendorUnit) -> Iterator[Step]:
    place = units.path(found.name)
    if found.occupied:
        raise Impossible(
            f"{place} is a unit of somebody else, and a mask would have to replace it; move it away by hand"
        )
    yield Step(MakeLink(place, "/dev/null"), (Cause(change.address),))
    yield units.daemon_reload(change.address, "it is masked")


def _run(change: Change) -> Iterator[Step]:
    assert change.after is not None
    before, wanted, name = (change.before or {}).get("state"), change.after["state"], _unit(change.address)
    if wanted == State.STOPPED:
        if before == "failed":
            yield units.step(change.address, UnitVerb.RESET_FAILED, name, "it failed and shall be stopped")
        else:
            yield units.step(change.address, UnitVerb.STOP, name, "state: stopped")
    elif before == "restarting":
        yield units.step(change.address, UnitVerb.RESTART, name, "it keeps failing and being restarted")
    else:
        if _found(change.observed).absent:
            yield units.daemon_reload(change.address, f"systemd does not know {name} yet")
        yield units.step(change.address, UnitVerb.START, name, units.why_start(before))


def _catch_up(
    address: Address, service: Service, found: VendorUnit, cost: Effect, why: str
) -> Iterator[Step]:
    """Bring a running process to its configuration as far as `on_change` allows;
    what it forbids stays owed.
    """
    if cost is Effect.NONE or (cost is Effect.RELOAD and not (found.reloads or service.exec_reload)):
        return
    verb = UnitVerb.RELOAD if cost is Effect.RELOAD else UnitVerb.RESTART
    allowed = {
        OnChange.RESTART: (UnitVerb.RELOAD, UnitVerb.RESTART),
        OnChange.RELOAD: (UnitVerb.RELOAD,),
        OnChange.NONE: (),
    }
    never = found.never_restarted if verb is UnitVerb.RESTART else ""
    held = bool(never) or verb not in allowed[service.on_change]
    yield Step(Unit(verb, (_unit(address),)), (Cause(address, why, _unit(address), kept=never),), held=held)


def on_config_change(part: Part, observed: Observed, costs: Sequence[tuple[Effect, str]]) -> Iterator[Step]:
    """The steps that changed files cause for it, if it runs: told by one of its parts."""
    service = _service(part)
    if (
        part.address.part != _speaker(service)
        or observed.private.get("state") not in units.ALIVE
        or _wanted_state(service) == State.STOPPED
    ):
        return
    found = _found(observed)
    steps = [step for cost, why in costs for step in _catch_up(part.address, service, found, cost, why)]
    if found.generated and any(not step.held for step in steps):
        yield units.daemon_reload(part.address, f"a generator makes {found.name}")
    yield from steps


def keeps_running(part: Part) -> bool:
    """Whether this part speaks for a process that may run; whether it does is the package's affair where
    nothing is said of it.
    """
    service = _service(part)
    return part.address.part == _speaker(service) and _wanted_state(service) != State.STOPPED


def _speaker(service: Service) -> str:
    """The part that speaks for the files it watches."""
    if unit_file.drop_in(service):
        return DROP_IN
    return ENABLED if service.says("enabled") else STATE


def resume_owed(part: Part, observed: Observed, row: OwedRow) -> Iterator[Step]:
    """Yield what an earlier run still owes, as far as today's `on_change` allows."""
    service = _service(part)
    if (
        row.verb != UnitVerb.START
        and observed.private.get("state") in units.ALIVE
        and _wanted_state(service) != State.STOPPED
    ):
        cost = Effect.RELOAD if row.verb == UnitVerb.RELOAD else Effect.RESTART
        yield from _catch_up(part.address, service, _found(observed), cost, row.why)


# -------------------------------------------------------------------------------------- what the host forbids


def check(view: HostView, changes: Sequence[Change], written: Collection[str]) -> Iterator[Diagnostic]:
    """No such unit, another unit's name, a job that shall run; and what drop-ins of others say too.

    `written`: paths of this plan.
    """
    for change in changes:
        if change.part is None or "unit" not in change.observed.private:
            continue
        service, unit_found = _service(change.part), _found(change.observed)
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
    return (change.after or {}) in ({"state": State.STOPPED.value}, {"enabled": False}, {"enabled": _MASKED})


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
    found = _found(observed)
    yield from units.refused(part, observed, found.name)
    if observed.document == part.document:
        for one in found.foreign:
            if one.path in observed.others:
                yield replace(
                    _other(found, one, part.document["unit"]),
                    address=part.address,
                    source=part.declared.source,
                )
