"""`service`: list, show, start, stop and enable the services of a spec, and say whether they are healthy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.core.actions import UnitVerb
from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.diagnostic import Diagnostic, error
from reconciler.core.model.resource import DriftPolicy
from reconciler.core.spec import Spec
from reconciler.core.state import Hold, Memory
from reconciler.host.systemd import service_facts
from reconciler.host.systemd.service_facts import Facts
from reconciler.kinds.services.model import Service
from reconciler.kinds.shared.unit_fields import State
from reconciler.render.plan.pending import hold_data
from reconciler.render.plan.phrases import moment

RUNNING = ("active", "reloading", "refreshing")


@frozen
class Chosen:
    """The services that a command is about, or the problem with their names."""

    names: tuple[str, ...] = ()
    declared: Mapping[str, Service] | None = None
    """All services of the spec, by name."""
    problem: Diagnostic | None = None

    @property
    def units(self) -> tuple[str, ...]:
        """Their units, in order."""
        return tuple(f"{name}.service" for name in self.names)

    def declaration(self, name: str) -> Service | None:
        """The spec's declaration of one service."""
        return (self.declared or {}).get(name)


def address_of(name: str) -> Address:
    """The address of a service in the spec, in holds and in plans."""
    return Address("services", name)


def hold_of(name: str, memory: Memory) -> Hold | None:
    """The hold on this service, or on a part of it."""
    return next((hold for hold in memory.holds if hold.address.resource == address_of(name)), None)


def remembered() -> Memory:
    """The memory of this host.

    Raises HostError.
    """
    from reconciler.app.hold import held

    return held(None)


def choose(spec: Spec | None, names: Sequence[str], *, everything: bool) -> Chosen:
    """The named services in this order; without names those of the spec, or all of the host (`everything`).

    Raises HostError.
    """
    resources = spec.resources if spec is not None else ()
    declared = {item.address.name: item.resource for item in resources if isinstance(item.resource, Service)}
    plain = tuple(dict.fromkeys(name.removesuffix(".service") for name in names))
    wrong = next((name for name in plain if not _is_unit_name(name)), None)
    if wrong is not None:
        return Chosen(problem=error("not a service", f"{wrong!r} is not the name of a unit."))
    template = next((name for name in plain if name.endswith("@")), None)
    if template is not None:
        return Chosen(
            problem=error(
                "not a service", f"{template} is a template; name an instance of it: {template}NAME."
            )
        )
    foreign = next((name for name in plain if name not in declared), None)
    if foreign is not None and not everything:
        near = f" The spec has {', '.join(sorted(declared))}." if declared else " The spec has no services."
        return Chosen(
            problem=error(
                "not a service of the spec",
                f"{foreign} is not under `services:`.{near} --all takes any unit.",
            )
        )
    if not plain:
        # An empty list would mean every unit to systemctl and journalctl, so callers check for one.
        plain = (
            tuple(name.removesuffix(".service") for name in service_facts.all_services())
            if everything
            else tuple(sorted(declared))
        )
    return Chosen(plain, declared)


def _is_unit_name(name: str) -> bool:
    return bool(name) and not name.startswith("-") and name.isprintable() and not set(name) & set("/ ")


def look(chosen: Chosen, memory: Memory | None = None) -> list[dict[str, Any]]:
    """One row for each service, JSON-able; with its hold if the memory is given. Raises HostError.

    `healthy` is None for a service about which systemd said nothing.
    """
    facts = service_facts.ask(chosen.units)
    return [
        row(name, facts[unit], chosen, memory) for name, unit in zip(chosen.names, chosen.units, strict=True)
    ]


def row(name: str, facts: Facts, chosen: Chosen, memory: Memory | None) -> dict[str, Any]:
    """The row of one service. `held` is None without a hold, and if `holds_known` is false."""
    declared = chosen.declaration(name)
    why = unhealthy(facts, declared)
    held = hold_of(name, memory) if memory is not None else None
    return {
        "name": name,
        "unit": facts.unit,
        "description": facts.description if facts.installed else "",
        "declared": declared is not None,
        "installed": facts.installed,
        "masked": facts.load == "masked",
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
        "invocation": facts.invocation or None,
        "held": hold_data(held) if held else None,
        "holds_known": memory is not None and not memory.unreadable and not memory.damaged,
        "healthy": not why if facts.is_known else None,
        "reason": why,
    }


def unhealthy(facts: Facts, declared: Service | None) -> str:
    """The reason why a service is not well; empty if it is well.

    Without a declaration, only failures by systemd's own word count.
    """
    ended = facts.exit or facts.result
    idle = f"{facts.active} ({facts.sub}), but should be running"
    rules = (
        (not facts.is_known, "systemd told nothing of it"),
        (not facts.installed, _absent(facts, declared)),
        (
            facts.load not in ("loaded", "masked"),
            f"its unit cannot be loaded ({facts.load}){f': {facts.refusal}' if facts.refusal else ''}",
        ),
        (facts.active == "failed", f"failed ({facts.result}{f', {facts.exit}' if facts.exit else ''})"),
        (facts.sub == "auto-restart", f"keeps ending and being started again ({ended})"),
        (
            to_run(facts, declared) and facts.condition_failed,
            f"{idle}: a Condition...= of the unit does not hold",
        ),
        (to_run(facts, declared) and facts.active not in RUNNING, idle),
    )
    return next((words for holds, words in rules if holds), "")


def _absent(facts: Facts, declared: Service | None) -> str:
    """The reason why a missing unit is a fault; empty if the spec asks for nothing that needs one."""
    if declared is None:
        return ""
    if facts.active in RUNNING:
        return "it runs, and its unit file is gone"
    from reconciler.kinds.services import unit_file

    needs_unit = (
        not declared.vendor
        or bool(unit_file.drop_in(declared))
        or (declared.says("state") and declared.state is State.RUNNING)
        or (declared.says("enabled") and declared.enabled is True)
    )
    return "not installed" if needs_unit and declared.enabled != "masked" else ""


def to_run(facts: Facts, declared: Service | None) -> bool:
    """Whether the spec wants a service running; a job that ends by itself need not run."""
    runs = (
        declared is not None
        and declared.enabled != "masked"
        and declared.state is State.RUNNING
        and declared.says("state")
    )
    return runs and not is_job(facts)


def is_job(facts: Facts) -> bool:
    """Whether a service runs to its end, and is not kept running."""
    return facts.type == "oneshot" and not facts.remains


# --------------------------------------------------------------------------------------- a person's own doing


@frozen
class Acted:
    """The outcome for one service that a person started, stopped, enabled or disabled."""

    name: str
    failed: str = ""
    """The reason why it was not done."""
    note: str = ""
    """The effect of the next apply on it, in words."""
    back: bool = False
    """Whether the next apply reverts it, unless a hold is added."""
    held: Hold | None = None
    """The hold on the service."""

    @property
    def data(self) -> dict[str, Any]:
        """As JSON."""
        held = hold_data(self.held) if self.held else None
        return {
            "name": self.name,
            "done": not self.failed,
            "reason": self.failed,
            "note": self.note,
            "put_back": self.back,
            "held": held,
        }


def act(verb: UnitVerb, chosen: Chosen) -> list[Acted]:
    """Start, stop or restart each service. Raises HostError."""
    failed = dict(service_facts.change(verb, chosen.units).failed or {})
    runs = State.STOPPED if verb is UnitVerb.STOP else State.RUNNING
    memory = remembered()

    def acted(name: str, unit: str) -> Acted:
        declared = chosen.declaration(name)
        held = hold_of(name, memory)
        if unit in failed:
            return Acted(name, failed=failed[unit], held=held)
        if (
            declared is None
            or not declared.says("state")
            or declared.state is runs
            or declared.type == "oneshot"
        ):
            return Acted(name, held=held)
        back = "starts it again" if runs is State.STOPPED else "stops it again"
        return _acted(name, declared, held, f"state: {declared.state}", back)

    return [acted(name, unit) for name, unit in zip(chosen.names, chosen.units, strict=True)]


def enable(chosen: Chosen, *, enabled: bool) -> list[Acted]:
    """Enable or disable each service. Raises HostError.

    systemd is asked for the result: systemctl succeeds too where it can do nothing.
    """
    service_facts.set_enabled(chosen.units, enabled=enabled)
    facts, memory = service_facts.ask(chosen.units), remembered()

    def acted(name: str, unit: str) -> Acted:
        declared = chosen.declaration(name)
        held = hold_of(name, memory)
        wrong = _not_enabled(facts[unit].enabled) if enabled else _not_disabled(facts[unit].enabled)
        if wrong:
            return Acted(name, failed=wrong, held=held)
        if declared is None or not declared.says("enabled") or declared.enabled is enabled:
            return Acted(name, held=held)
        value = "masked" if declared.enabled == "masked" else str(declared.enabled).lower()
        return _acted(name, declared, held, f"enabled: {value}", "puts that back")

    return [acted(name, unit) for name, unit in zip(chosen.names, chosen.units, strict=True)]


def _not_enabled(state: str) -> str:
    without = {"static", "indirect", "generated", "transient"}
    return (
        f"it is {state}: its unit file says of no target that would start it (WantedBy=)"
        if state in without
        else ""
    )


def _not_disabled(state: str) -> str:
    return f"it is still {state}" if state in ("enabled", "enabled-runtime") else ""


def _acted(name: str, declared: Service, held: Hold | None, declaration: str, back: str) -> Acted:
    says = f"the spec says `{declaration}`; "
    if declared.drift is not DriftPolicy.ENFORCE:
        return Acted(name, note=f"{says}the next apply leaves it so (`drift: {declared.drift}`)", held=held)
    if held is not None:
        return Acted(
            name,
            note=f"{says}it is held until {moment(held.until)}, the first apply after that {back}",
            held=held,
        )
    return Acted(name, note=f"{says}the next apply {back}. Change the spec to keep it", back=True)


def show_logs(chosen: Chosen, *, follow: bool, lines: int | None, since: str, as_json: bool = False) -> int:
    """Print the journal of these services; journalctl's exit status. Raises HostError."""
    return service_facts.logs(chosen.units, follow=follow, lines=lines, since=since, as_json=as_json)


EVERY_SERVICE = Chosen(("*",))
"""All services that have ever written to the journal: journalctl takes patterns."""
