"""Services whose unit file is a package's: a drop-in with the declared directives, the enablement, the state.

A package's unit is shared: it is there before us and stays after us. So each of the three is a part of its
own, only where it is declared, and only the drop-in is ours to remove.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from reconciler.core.actions import (
    Check,
    MakeDirectory,
    MakeLink,
    RemovePath,
    SetAccess,
    Unit,
    UnitVerb,
    WriteFile,
)
from reconciler.core.address import Address
from reconciler.core.basics.digest import digest
from reconciler.core.changes import Change, Observed, Part, Verb
from reconciler.core.kind import Impossible
from reconciler.core.model.resource import Effect
from reconciler.core.spec import Declared
from reconciler.core.state import OwedRow
from reconciler.core.steps import Cause, Step
from reconciler.kinds.services import unit_file
from reconciler.kinds.services.model import OnChange, Service
from reconciler.kinds.services.vendor import observe
from reconciler.kinds.services.vendor.observe import DROP_IN, ENABLED, STATE, VendorFacts, VendorUnit
from reconciler.kinds.shared import file_part, ownership, unit_files, units
from reconciler.kinds.shared.unit_fields import State

MASKED = "masked"


def service_of(part: Part) -> Service:
    """The declared service of a part."""
    assert isinstance(part.declared.resource, Service)
    return part.declared.resource


def _unit(address: Address) -> str:
    return f"{address.name}.service"


def vendor_unit_of(observed: Observed) -> VendorUnit:
    """The package's unit as it was observed."""
    vendor_unit = observed.facts(VendorFacts).unit
    assert vendor_unit is not None
    return vendor_unit


# ---------------------------------------------------------------------------------------------------- expand


def expand(declared: Declared, running: bool) -> Iterator[Part]:
    """The drop-in, the enablement and the state, each only if it is declared."""
    service = declared.resource
    assert isinstance(service, Service)
    at = {part: Address(declared.address.kind, declared.address.name, part) for part in observe.PARTS}
    sections = unit_file.drop_in(service)
    if sections:
        yield Part(at[DROP_IN], {**units.FILE, "unit": sections}, declared)
    # `unit: vendor` says already that the unit exists and is not ours: its difference needs no `adopt`.
    adopted = replace(declared, resource=service.model_copy(update={"adopt": True}))
    masked = service.enabled == MASKED
    if service.says("enabled"):
        yield Part(at[ENABLED], {"enabled": service.enabled}, adopted, needs=(at[STATE],) if masked else ())
    if running and (service.says("state") or masked):
        needs = () if masked else (at[DROP_IN], at[ENABLED])
        yield Part(at[STATE], {"state": _declared_state(service)}, adopted, needs=needs)


def _declared_state(service: Service) -> str:
    """The state that is declared; empty if none is. A masked service shall be stopped: it cannot run."""
    if service.enabled == MASKED:
        return State.STOPPED.value
    return service.state.value if service.says("state") else ""


def reason_to_keep(address: Address) -> str:
    """Why the enablement and the state of a package's unit stay when they leave the spec."""
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
    path = unit_files.drop_in(name)
    if before.get("type") == "directory":
        raise file_part.in_the_way(path, "directory")
    if not before or change.touches("unit") or change.touches("type"):
        if not change.observed.facts(VendorFacts).directory:
            yield Step(MakeDirectory(path.rpartition("/")[0], "0755", "root", "root"), cause)
        content = units.text(change.address, change.after["unit"])
        expects = ownership.expected(change.observed)
        yield Step(
            WriteFile(
                path,
                content,
                digest(content),
                **ownership.access_of(change.after),
                expects=expects,
                check=Check.SYSTEMD,
            ),
            cause,
        )
        yield units.daemon_reload(change.address, "its drop-in changed" if before else "its drop-in is new")
        service = service_of(change.part)
        if (
            change.observed.facts(VendorFacts).state in units.ALIVE
            and _declared_state(service) != State.STOPPED
        ):
            cost, directive = unit_file.effect(change.fields)
            yield from _catch_up(
                change.address, service, vendor_unit_of(change.observed), cost, f"{directive} changed"
            )
        return
    yield from units.load_again(change)
    if any(change.touches(key) for key in ownership.ACCESS):
        yield Step(SetAccess(path, **ownership.access_of(change.after)), cause)


def _remove(change: Change) -> Iterator[Step]:
    """Remove our drop-in: the running service is the package's again, and is left running."""
    yield Step(
        RemovePath(
            unit_files.drop_in(_unit(change.address)), ownership.expected(change.observed), prune_parent=True
        ),
        (Cause(change.address),),
    )
    yield units.daemon_reload(
        change.address, "its drop-in is removed; what runs keeps the old settings until it is restarted"
    )


def _enable(change: Change) -> Iterator[Step]:
    """Make and remove the links of `systemctl enable`, `disable`, `mask` and `unmask`. Raises Impossible."""
    assert change.part is not None and change.after is not None
    enabled, vendor_unit = change.after["enabled"], vendor_unit_of(change.observed)
    cause = (Cause(change.address),)
    if enabled == MASKED:
        yield from _mask(change, vendor_unit)
        return
    _refuse_to_change(vendor_unit)
    for mask, expects in vendor_unit.masks.items():
        yield Step(RemovePath(mask, expects), cause)
    if enabled:
        _refuse_to_enable(vendor_unit)
        for link in sorted(vendor_unit.install_links.keys() - vendor_unit.links.keys()):
            yield Step(MakeLink(link, vendor_unit.install_links[link]), cause)
    else:
        for link, expects in sorted(vendor_unit.links.items()):
            yield Step(
                RemovePath(link, expects, prune_parent=link.count("/") > unit_files.DIRECTORY.count("/") + 1),
                cause,
            )
    yield units.daemon_reload(change.address, "its enablement changed")


def _refuse_to_change(vendor_unit: VendorUnit) -> None:
    if vendor_unit.lasting_masks:
        raise Impossible(
            f"{vendor_unit.lasting_masks[0]} masks {vendor_unit.name}, and is a package's; leave"
            " `enabled` out, or write `enabled: masked`"
        )
    if vendor_unit.generated:
        raise Impossible(
            f"{vendor_unit.name} is made by a generator at every boot, so links neither enable nor"
            " disable it; leave `enabled` out, or write `enabled: masked`"
        )


def _refuse_to_enable(vendor_unit: VendorUnit) -> None:
    if vendor_unit.transient:
        raise Impossible(
            f"{vendor_unit.file} is transient: it is gone when it ends, and nothing can start it with the"
            " host; leave `enabled` out"
        )
    if vendor_unit.unclear:
        raise Impossible(
            f"{vendor_unit.unclear}; run `systemctl enable {vendor_unit.name}` by hand and leave"
            " `enabled` out"
        )
    if not vendor_unit.install_links:
        raise Impossible(
            f"{vendor_unit.name} has no [Install] section that says what starts it; leave `enabled` out, or"
            " write `enabled: false`"
        )


def _mask(change: Change, vendor_unit: VendorUnit) -> Iterator[Step]:
    path = unit_files.path(vendor_unit.name)
    if vendor_unit.occupied:
        raise Impossible(
            f"{path} is a unit of somebody else, and a mask would have to replace it; move it away by hand"
        )
    yield Step(MakeLink(path, "/dev/null"), (Cause(change.address),))
    yield units.daemon_reload(change.address, "it is masked")


def _run(change: Change) -> Iterator[Step]:
    assert change.after is not None
    before, after, name = (change.before or {}).get("state"), change.after["state"], _unit(change.address)
    if after == State.STOPPED:
        if before == "failed":
            yield units.step(change.address, UnitVerb.RESET_FAILED, name, "it failed and shall be stopped")
        else:
            yield units.step(change.address, UnitVerb.STOP, name, "state: stopped")
    elif before == "restarting":
        yield units.step(change.address, UnitVerb.RESTART, name, "it keeps failing and being restarted")
    else:
        if vendor_unit_of(change.observed).absent:
            yield units.daemon_reload(change.address, f"systemd does not know {name} yet")
        yield units.step(change.address, UnitVerb.START, name, units.why_start(before))


def _catch_up(
    address: Address, service: Service, vendor_unit: VendorUnit, cost: Effect, why: str
) -> Iterator[Step]:
    """Reload or restart a running process as far as `on_change` allows; a verb that it forbids stays owed."""
    can_reload = vendor_unit.reloads or service.exec_reload
    if cost is Effect.NONE or (cost is Effect.RELOAD and not can_reload):
        return
    verb = UnitVerb.RELOAD if cost is Effect.RELOAD else UnitVerb.RESTART
    allowed = {
        OnChange.RESTART: (UnitVerb.RELOAD, UnitVerb.RESTART),
        OnChange.RELOAD: (UnitVerb.RELOAD,),
        OnChange.NONE: (),
    }
    never = vendor_unit.never_restarted if verb is UnitVerb.RESTART else ""
    held = bool(never) or verb not in allowed[service.on_change]
    yield Step(Unit(verb, (_unit(address),)), (Cause(address, why, _unit(address), kept=never),), held=held)


def on_config_change(part: Part, observed: Observed, costs: Sequence[tuple[Effect, str]]) -> Iterator[Step]:
    """The steps that changed files cause for a running unit; only one of its parts has them."""
    service = service_of(part)
    if (
        part.address.part != _speaker(service)
        or observed.facts(VendorFacts).state not in units.ALIVE
        or _declared_state(service) == State.STOPPED
    ):
        return
    vendor_unit = vendor_unit_of(observed)
    steps = [step for cost, why in costs for step in _catch_up(part.address, service, vendor_unit, cost, why)]
    if vendor_unit.generated and any(not step.held for step in steps):
        yield units.daemon_reload(part.address, f"a generator makes {vendor_unit.name}")
    yield from steps


def keeps_running(part: Part) -> bool:
    """Whether the part speaks for a process that may run; without a declared state the package decides."""
    service = service_of(part)
    return part.address.part == _speaker(service) and _declared_state(service) != State.STOPPED


def _speaker(service: Service) -> str:
    """The part that has the steps for changed files: the first that is declared."""
    if unit_file.drop_in(service):
        return DROP_IN
    return ENABLED if service.says("enabled") else STATE


def resume_owed(part: Part, observed: Observed, row: OwedRow) -> Iterator[Step]:
    """Yield the steps that an earlier run still owes, as far as today's `on_change` allows."""
    service = service_of(part)
    if (
        row.verb != UnitVerb.START
        and observed.facts(VendorFacts).state in units.ALIVE
        and _declared_state(service) != State.STOPPED
    ):
        cost = Effect.RELOAD if row.verb == UnitVerb.RELOAD else Effect.RESTART
        yield from _catch_up(part.address, service, vendor_unit_of(observed), cost, row.why)
