"""The services of a spec, as they are on this host: list, look at, start and stop, and whether they are healthy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.core.actions import UnitVerb
from reconciler.core.diagnostic import Diagnostic, error
from reconciler.core.resource import DriftPolicy
from reconciler.core.spec import Spec
from reconciler.host import services
from reconciler.host.services import Facts
from reconciler.kinds.service_model import Service, State

_RUNNING = ("active", "reloading", "refreshing")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Services by name, with their declarations where the spec has one; or why there are none."""

    names: tuple[str, ...] = ()
    declared: Mapping[str, Service] | None = None
    problem: Diagnostic | None = None

    @property
    def units(self) -> tuple[str, ...]:
        """Their units, in order."""
        return tuple(f"{name}.service" for name in self.names)

    def declaration(self, name: str) -> Service | None:
        """What the spec says of one."""
        return (self.declared or {}).get(name)


def choose(spec: Spec | None, names: Sequence[str], *, everything: bool) -> Chosen:
    """The named services, or those of the spec, or (`everything`) all of the host. Raises HostError."""
    resources = spec.resources if spec is not None else ()
    declared = {one.address.name: one.resource for one in resources if isinstance(one.resource, Service)}
    plain = tuple(dict.fromkeys(name.removesuffix(".service") for name in names))
    wrong = next((name for name in plain if not name or name.startswith("-") or not name.isprintable() or set(name) & set("/ ")), None)
    if wrong is not None:
        return Chosen(problem=error("not a service", f"{wrong!r} is not the name of a unit."))
    foreign = next((name for name in plain if name not in declared), None)
    if foreign is not None and not everything:
        near = f" The spec has {', '.join(sorted(declared))}." if declared else " The spec has no services."
        return Chosen(problem=error("not a service of the spec", f"{foreign} is not under `services:`.{near} --all takes any unit."))
    if not plain:
        # An empty list would mean everything to systemctl and journalctl: whoever asks for these looks first.
        plain = tuple(name.removesuffix(".service") for name in services.all_services()) if everything else tuple(declared)
    return Chosen(plain, declared)


def look(chosen: Chosen) -> list[dict[str, Any]]:
    """One row for each, JSON-able. Raises HostError."""
    facts = services.ask(chosen.units)
    return [_row(name, facts[unit], chosen.declaration(name)) for name, unit in zip(chosen.names, chosen.units, strict=True)]


def _row(name: str, facts: Facts, declared: Service | None) -> dict[str, Any]:
    why = unhealthy(facts, declared)
    return {
        "name": name,
        "unit": facts.unit,
        "description": facts.description if facts.installed else "",
        "declared": declared is not None,
        "installed": facts.installed,
        "load": facts.load,
        "state": facts.active,
        "sub": facts.sub,
        "result": facts.result,
        "enabled": facts.enabled,
        "pid": facts.pid or None,
        "memory": facts.memory or None,
        "tasks": facts.tasks or None,
        "restarts": facts.restarts,
        "since": facts.since or None,
        "path": facts.path,
        "drop_ins": list(facts.drop_ins),
        "needs_daemon_reload": facts.outdated,
        "healthy": not why,
        "reason": why,
    }


def unhealthy(facts: Facts, declared: Service | None) -> str:
    """Why a service is not well; empty if it is. Without a declaration, only what systemd itself calls a failure counts."""
    ended = facts.exit or facts.result
    rules = (
        (not facts.installed, "not installed" if declared is not None and declared.enabled != "masked" else ""),
        (facts.load not in ("loaded", "masked"), f"its unit cannot be loaded ({facts.load})"),
        (facts.active == "failed", f"failed ({facts.result}{f', {facts.exit}' if facts.exit else ''})"),
        (facts.sub == "auto-restart", f"keeps ending and being started again ({ended})"),
        (_should_run(facts, declared) and facts.active not in _RUNNING, f"{facts.active} ({facts.sub}), and is to run"),
    )
    return next((words for holds, words in rules if holds), "")


def _should_run(facts: Facts, declared: Service | None) -> bool:
    """A job that ends by itself is well when it has ended well."""
    once = facts.type == "oneshot" and not facts.remains
    runs = declared is not None and declared.enabled != "masked" and declared.state is State.RUNNING and declared.says("state")
    return runs and not once


def act(verb: UnitVerb, chosen: Chosen) -> tuple[dict[str, str], list[str]]:
    """Start, stop or restart; the failed ones with the reason, and what the next apply will do about the others. Raises HostError."""
    failed = dict(services.change(verb, chosen.units).failed or {})
    runs = State.STOPPED if verb is UnitVerb.STOP else State.RUNNING
    notes = [
        note
        for name, unit in zip(chosen.names, chosen.units, strict=True)
        if unit not in failed
        for note in _state_note(chosen, name, runs)
    ]
    return {unit.removesuffix(".service"): why for unit, why in failed.items()}, notes


def _state_note(chosen: Chosen, name: str, runs: State) -> list[str]:
    declared = chosen.declaration(name)
    if declared is None or not declared.says("state") or declared.state is runs or declared.type == "oneshot":
        return []
    back = "starts" if runs is State.STOPPED else "stops"
    return [f"{name}: the spec says `state: {declared.state}`; {_outlook(declared, f'{back} it again')}"]


def enable(chosen: Chosen, *, enabled: bool) -> list[str]:
    """Enable or disable; what the next apply will do about it. Raises HostError."""
    services.set_enabled(chosen.units, enabled=enabled)
    notes = []
    for name in chosen.names:
        declared = chosen.declaration(name)
        if declared is not None and declared.says("enabled") and declared.enabled is not enabled:
            said = "masked" if declared.enabled == "masked" else str(declared.enabled).lower()
            notes.append(f"{name}: the spec says `enabled: {said}`; {_outlook(declared, 'puts that back')}")
    return notes


def _outlook(declared: Service, back: str) -> str:
    if declared.drift is DriftPolicy.ENFORCE:
        return f"the next apply {back}. Change the spec to keep it"
    return f"the next apply leaves it so (`drift: {declared.drift}`)"


def show_logs(chosen: Chosen, *, follow: bool, lines: int | None, since: str) -> int:
    """The journal of these services, on our own output; journalctl's exit status. Raises HostError."""
    return services.logs(chosen.units, follow=follow, lines=lines, since=since)
