"""Steps for a service with a unit file of our own: for its changes, its configuration and what is owed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.core.actions import Unit, UnitVerb
from reconciler.core.address import Address
from reconciler.core.changes import Change, Observed, Part, Verb
from reconciler.core.model.resource import Effect
from reconciler.core.spec import Declared
from reconciler.core.state import OwedRow
from reconciler.core.steps import Cause, Step
from reconciler.kinds.services import unit_file
from reconciler.kinds.services.model import OnChange, Service
from reconciler.kinds.services.observe import unit_of
from reconciler.kinds.shared import units
from reconciler.kinds.shared.unit_fields import State


def service_of(declared: Declared) -> Service:
    """The service that is declared."""
    assert isinstance(declared.resource, Service)
    return declared.resource


def ends_by_itself(service: Service) -> bool:
    """A oneshot that ran is healthy and not running: its state cannot be converged to."""
    return service.type == "oneshot" and not service.remain_after_exit and service.state is State.RUNNING


def actions(change: Change) -> Iterator[Step]:
    """STOP what has to stop, write, tell systemd once, then start, restart or reload
    as `on_change` allows.
    """
    name = unit_of(change.address)
    if change.address.part:
        from reconciler.kinds.services.vendor import parts

        yield from parts.actions(change)
        return
    if change.verb is Verb.DELETE:
        yield from units.remove(change, name)
        return
    yield from _stop(change)
    yield from units.put(change, name)
    yield from _run(change)


def _stop(change: Change) -> Iterator[Step]:
    if change.touches("state") and (change.after or {}).get("state") == "stopped":
        if (change.before or {}).get("state") == "failed":
            yield units.step(
                change.address,
                UnitVerb.RESET_FAILED,
                unit_of(change.address),
                "it failed and shall be stopped",
            )
        elif change.before is not None:
            yield units.step(change.address, UnitVerb.STOP, unit_of(change.address), "state: stopped")


def _run(change: Change) -> Iterator[Step]:
    assert change.part is not None and change.after is not None
    service, state = service_of(change.part.declared), (change.before or {}).get("state")
    if service.state is State.STOPPED or service.enabled == "masked":
        return
    job, name = ends_by_itself(service), unit_of(change.address)
    if change.verb is Verb.CREATE:
        yield units.step(change.address, UnitVerb.START, name, "it is new", once=job)
    elif state == "restarting":
        yield units.step(change.address, UnitVerb.RESTART, name, "it keeps failing and being restarted")
    elif change.touches("state") and state not in units.ALIVE:
        yield units.step(change.address, UnitVerb.START, name, units.why_start(state))
    elif state in units.ALIVE or job:
        cost, directive = unit_file.effect(change.fields)
        if state in units.ALIVE:
            yield from _catch_up(change.address, service, cost, f"{directive} changed")
            if change.touches(
                "state"
            ):  # it is still starting: waited for, unless a restart takes the place of that (engine.order)
                yield units.step(change.address, UnitVerb.START, name, units.why_start(state))
        elif cost is Effect.RESTART and service.on_change is OnChange.RESTART:
            yield units.step(change.address, UnitVerb.START, name, f"{directive} changed", once=True)


def _catch_up(address: Address, service: Service, cost: Effect, why: str) -> Iterator[Step]:
    """Bring a running process to its configuration as far as `on_change` allows;
    what it forbids stays owed.
    """
    verb = {Effect.NONE: None, Effect.RELOAD: UnitVerb.RELOAD, Effect.RESTART: UnitVerb.RESTART}[cost]
    if verb is None:
        return
    if verb is UnitVerb.RELOAD and service.exec_reload is None:
        return
    yield Step(
        Unit(verb, (unit_of(address),)),
        (Cause(address, why, unit_of(address)),),
        held=verb not in MAY[service.on_change],
    )


def config_paths(declared: Declared) -> Iterator[str]:
    """Files that are its configuration."""
    service = service_of(declared)
    yield from service.watch
    yield from _read_at_start(service)


def _read_at_start(service: Service) -> Iterator[str]:
    yield from (path.removeprefix("-") for path in service.environment_file)
    yield from service.load_credential.values()
    if service.directives:
        yield from (
            path.replace("%%", "%")
            for path in unit_file.encrypted_credentials(service)
            if not unit_file.has_specifier(path)
        )


def on_config_change(part: Part, observed: Observed, paths: Sequence[str]) -> Iterator[Step]:
    """Restart or reload it, if it runs.

    Environment files and credentials are read at the start only: a reload is not enough.
    """
    service = service_of(part.declared)
    costs = list(_costs(service, paths))
    if part.address.part:
        from reconciler.kinds.services.vendor import parts

        yield from parts.on_config_change(part, observed, costs)
    elif (observed.document or {}).get("state") in units.ALIVE and part.document.get("state") == "running":
        for cost, why in costs:
            yield from _catch_up(part.address, service, cost, why)


MAY = {
    OnChange.RESTART: (UnitVerb.RELOAD, UnitVerb.RESTART),
    OnChange.RELOAD: (UnitVerb.RELOAD,),
    OnChange.NONE: (),
}
"""The verbs that a change may use on a running process, by `on_change`."""


def _costs(service: Service, paths: Sequence[str]) -> Iterator[tuple[Effect, str]]:
    at_start = set(_read_at_start(service)) if service.on_change is OnChange.RELOAD else set(paths)
    for cost, some in (
        (Effect.RELOAD, [path for path in paths if path not in at_start]),
        (Effect.RESTART, [path for path in paths if path in at_start]),
    ):
        if some:
            yield (
                cost,
                f"{some[0]} changed" if len(some) == 1 else f"{some[0]} and {len(some) - 1} more changed",
            )


def resume_owed(part: Part, observed: Observed, row: OwedRow) -> Iterator[Step]:
    """Yield what an earlier run still owes, as far as today's `on_change` allows."""
    if part.address.part:
        from reconciler.kinds.services.vendor import parts

        yield from parts.resume_owed(part, observed, row)
        return
    if row.verb == UnitVerb.START:
        if ends_by_itself(service_of(part.declared)) and part.document["type"] == "file":
            yield Step(
                Unit(UnitVerb.START, (row.unit,)), (Cause(part.address, row.why, row.unit, once=True),)
            )
        return
    if (observed.document or {}).get("state") in units.ALIVE and part.document.get("state") == "running":
        cost = Effect.RELOAD if row.verb == UnitVerb.RELOAD else Effect.RESTART
        yield from _catch_up(part.address, service_of(part.declared), cost, row.why)


def paths(address: Address) -> tuple[str, ...]:
    """Its unit file, or a mask in its place; and our drop-in for a package's unit."""
    name = unit_of(address)
    by_part = {"drop-in": (units.drop_in(name),), "enabled": (units.path(name),), "state": ()}
    return by_part.get(address.part, (units.path(name), units.drop_in(name)))
