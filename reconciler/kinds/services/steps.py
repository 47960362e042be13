"""The steps for a service with a unit file of our own: for changes, for its configuration, for owed verbs."""

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
from reconciler.kinds.shared import unit_files, units
from reconciler.kinds.shared.unit_fields import State


def service_of(declared: Declared) -> Service:
    """The service that is declared."""
    assert isinstance(declared.resource, Service)
    return declared.resource


def ends_by_itself(service: Service) -> bool:
    """Whether a service is a oneshot that ends: it is well without running, and has no state to reach."""
    return service.type == "oneshot" and not service.remain_after_exit and service.state is State.RUNNING


def actions(change: Change) -> Iterator[Step]:
    """Stop a service that shall not run, write, reload systemd once; then start, restart or reload it.

    `on_change` says what is allowed.
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
            # A unit that is still starting is waited for; `engine.ordering` drops this before a restart.
            if change.touches("state"):
                yield units.step(change.address, UnitVerb.START, name, units.why_start(state))
        elif cost is Effect.RESTART and service.on_change is OnChange.RESTART:
            yield units.step(change.address, UnitVerb.START, name, f"{directive} changed", once=True)


def _catch_up(address: Address, service: Service, cost: Effect, why: str) -> Iterator[Step]:
    """Reload or restart a running process as far as `on_change` allows; a verb that it forbids stays owed."""
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
    """The files that are the configuration of a service."""
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
    """Restart or reload a service that runs.

    It reads environment files and credentials at its start only: for those a reload is not enough.
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
    for cost, changed in (
        (Effect.RELOAD, [path for path in paths if path not in at_start]),
        (Effect.RESTART, [path for path in paths if path in at_start]),
    ):
        if changed:
            more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            yield cost, f"{changed[0]}{more} changed"


def resume_owed(part: Part, observed: Observed, row: OwedRow) -> Iterator[Step]:
    """Yield the steps that an earlier run still owes, as far as today's `on_change` allows."""
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
    """The path of the unit file, or of a mask in its place, and that of our drop-in for a package's unit."""
    name = unit_of(address)
    by_part = {"drop-in": (unit_files.drop_in(name),), "enabled": (unit_files.path(name),), "state": ()}
    return by_part.get(address.part, (unit_files.path(name), unit_files.drop_in(name)))
