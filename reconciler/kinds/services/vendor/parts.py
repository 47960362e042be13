"""Services whose unit file is a package's: one drop-in with what is declared, enablement and state only where
they are declared.

A package's unit is shared: it is there before us and stays after us. So each of the three is a part of its
own, and of these only the drop-in is ours to remove.
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
from reconciler.kinds.shared import file_part, ownership, units
from reconciler.kinds.shared.unit_fields import State

MASKED = "masked"


def service_of(part: Part) -> Service:
    """The declared service of a part."""
    assert isinstance(part.declared.resource, Service)
    return part.declared.resource


def _unit(address: Address) -> str:
    return f"{address.name}.service"


def found_in(observed: Observed) -> VendorUnit:
    """The package's unit as it was observed."""
    found = observed.facts(VendorFacts).unit
    assert found is not None
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
    masked = service.enabled == MASKED
    if service.says("enabled"):
        yield Part(at[ENABLED], {"enabled": service.enabled}, taken, needs=(at[STATE],) if masked else ())
    if running and (service.says("state") or masked):
        needs = () if masked else (at[DROP_IN], at[ENABLED])
        yield Part(at[STATE], {"state": _wanted_state(service)}, taken, needs=needs)


def _wanted_state(service: Service) -> str:
    """The state that is wanted; a masked service cannot run, so it does not run on either."""
    if service.enabled == MASKED:
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
        raise file_part.in_the_way(place, "directory")
    if not before or change.touches("unit") or change.touches("type"):
        if not change.observed.facts(VendorFacts).directory:
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
        service = service_of(change.part)
        if (
            change.observed.facts(VendorFacts).state in units.ALIVE
            and _wanted_state(service) != State.STOPPED
        ):
            cost, directive = unit_file.effect(change.fields)
            yield from _catch_up(
                change.address, service, found_in(change.observed), cost, f"{directive} changed"
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
    wanted, found, cause = change.after["enabled"], found_in(change.observed), (Cause(change.address),)
    if wanted == MASKED:
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
        if found_in(change.observed).absent:
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
    service = service_of(part)
    if (
        part.address.part != _speaker(service)
        or observed.facts(VendorFacts).state not in units.ALIVE
        or _wanted_state(service) == State.STOPPED
    ):
        return
    found = found_in(observed)
    steps = [step for cost, why in costs for step in _catch_up(part.address, service, found, cost, why)]
    if found.generated and any(not step.held for step in steps):
        yield units.daemon_reload(part.address, f"a generator makes {found.name}")
    yield from steps


def keeps_running(part: Part) -> bool:
    """Whether this part speaks for a process that may run; whether it does is the package's affair where
    nothing is said of it.
    """
    service = service_of(part)
    return part.address.part == _speaker(service) and _wanted_state(service) != State.STOPPED


def _speaker(service: Service) -> str:
    """The part that speaks for the files it watches."""
    if unit_file.drop_in(service):
        return DROP_IN
    return ENABLED if service.says("enabled") else STATE


def resume_owed(part: Part, observed: Observed, row: OwedRow) -> Iterator[Step]:
    """Yield what an earlier run still owes, as far as today's `on_change` allows."""
    service = service_of(part)
    if (
        row.verb != UnitVerb.START
        and observed.facts(VendorFacts).state in units.ALIVE
        and _wanted_state(service) != State.STOPPED
    ):
        cost = Effect.RELOAD if row.verb == UnitVerb.RELOAD else Effect.RESTART
        yield from _catch_up(part.address, service, found_in(observed), cost, row.why)
