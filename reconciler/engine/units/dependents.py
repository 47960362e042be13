"""The effects that systemd has on other units along with the steps of a plan, and what follows from them for
the plan.

The trial of a plan on a simulated host tells what is taken along (`core.host.TakenAlong`). Each turn of
`judge` finds what must be otherwise: a verb that stays owed because of whom it would take along, a start of
what would be left down, or an error. The planner makes the steps again with that, until a turn finds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from types import MappingProxyType

from reconciler.core.actions import MakeLink, RemovePath, Unit, UnitVerb
from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Part
from reconciler.core.diagnostic import Diagnostic, Source, error, warning
from reconciler.core.host import HostView, Receipt, TakenAlong
from reconciler.core.kind import DeclaredUnit, Kinds
from reconciler.core.plan import UnitEffect
from reconciler.core.steps import Cause, Step

REQUIRING = frozenset({"Requires", "Requisite", "BindsTo"})
"""The properties that name what must run for the unit to run (systemd.unit(5))."""
_STRONG = REQUIRING | {"Upholds"}
RUNNING = ("active", "activating", "reloading", "refreshing")
_UNITS = "/etc/systemd/system"
NOTHING: Mapping[str, Address] = MappingProxyType({})
_ENDING = (UnitVerb.STOP, UnitVerb.RESTART)

_DONE: Mapping[UnitVerb, str] = {
    UnitVerb.STOP: "stopped",
    UnitVerb.RESTART: "restarted",
    UnitVerb.RELOAD: "reloaded",
    UnitVerb.START: "started",
}


@frozen
class Declared:
    """A unit that the spec declares: by which part, and what its process is to do."""

    address: Address
    unit: DeclaredUnit
    source: Source


def declared_units(parts: Iterable[Part], kinds: Kinds) -> dict[str, Declared]:
    """The units of the spec by name.

    A package's unit may have several parts: the one that says whether it runs speaks for it.
    """
    units: dict[str, Declared] = {}
    for part in parts:
        unit = kinds[part.address.kind].unit(part)
        if unit is None:
            continue
        same_unit = units.get(unit.name)
        if same_unit is None or same_unit.unit.runs is None:
            units[unit.name] = Declared(part.address, unit, part.declared.source)
    return units


@frozen
class Trial:
    """A plan that was tried on a simulated host."""

    host: HostView
    """The host after the steps."""
    failures: Mapping[Address, str] = field(default_factory=dict)
    """The parts that would not be as declared, each with the reason."""
    along: tuple[tuple[Address, TakenAlong], ...] = ()
    """The units that are taken along, each with the address on whose behalf, in the order of the steps."""
    unreadable: Mapping[Address, str] = field(default_factory=dict)
    """The addresses whose steps could not be tried, because who plans may not read what the steps change, and
    why.
    """
    unseen: Mapping[Address, str] = field(default_factory=dict)
    """The addresses whose steps were tried, but who plans may not see what came of it, and why."""
    steps: tuple[Step, ...] = ()
    """The steps, with units named in the order in which systemd is best asked for them."""


@frozen
class Context:
    """The facts that a plan is judged by."""

    units: Mapping[str, Declared]
    """The declarations of units in the spec."""
    steps: Sequence[Step]
    """The steps that were tried."""
    removed: Mapping[str, Address]
    """The units whose unit files the steps remove, or mask."""
    why_held: Callable[[Address], str]
    """Who holds an address; empty if nobody does."""
    idle: frozenset[Address]
    """The parts that nothing is done about."""
    places: Callable[[Address], str]
    """Where in the spec an address is declared, or was."""


@frozen
class Judgement:
    """The reasons for which the plan has to be made otherwise."""

    kept: Mapping[str, str] = field(default_factory=dict)
    """Units that must not be restarted or reloaded now, each with the reason."""
    held: Mapping[Address, str] = field(default_factory=dict)
    """Parts about which nothing is done now, each with the reason."""
    again: Mapping[str, Step] = field(default_factory=dict)
    """Starts of units that would be left down, by unit."""
    wrong: tuple[Diagnostic, ...] = ()
    """The errors: each blocks its address."""

    @property
    def empty(self) -> bool:
        """Whether the plan can stay as it is."""
        return not (self.kept or self.held or self.again or self.wrong)


def as_tried(step: Step, receipt: Receipt) -> Step:
    """The step with its units in the order that its trial tells."""
    if not isinstance(step.action, Unit) or receipt.order in ((), step.action.units):
        return step
    return replace(step, action=replace(step.action, units=receipt.order))


def removed_units(steps: Iterable[Step]) -> dict[str, Address]:
    """The units whose own files the steps remove or mask, each with the address on whose behalf."""
    gone: dict[str, Address] = {}
    for step in steps:
        action = step.action
        if isinstance(action, RemovePath) or (isinstance(action, MakeLink) and action.target == "/dev/null"):
            directory, _, name = action.path.rpartition("/")
            if directory == _UNITS and "." in name:
                gone[name] = step.causes[0].address
    return gone


def judge(trial: Trial, context: Context, again: Mapping[str, Step]) -> Judgement:
    """Judge a trial. `again` are the starts that the plan has got by earlier turns."""
    if wrong := (*_requires_what_goes(trial, context), *_comes_back(trial, context)):
        return Judgement(wrong=wrong)
    spared_units: dict[str, str] = {}
    held: dict[Address, str] = {}
    for address, taken in trial.along:
        reason = _forbidden(taken, context)
        if not reason:
            continue
        if _verb(taken.root, context.steps) in (UnitVerb.RESTART, UnitVerb.RELOAD):
            spared_units.setdefault(taken.root, reason)
        else:
            held.setdefault(address, reason)
    if spared_units or held:
        return Judgement(spared_units, held)
    return _of_ends(trial, context, again)


def _verb(unit: str, steps: Iterable[Step]) -> UnitVerb | None:
    """The verb that the plan has for a unit."""
    verbs = (step.action for step in steps if isinstance(step.action, Unit) and not step.held)
    return next((action.verb for action in verbs if unit in action.units), None)


def _forbidden(taken: TakenAlong, context: Context) -> str:
    """Why systemd must not do this to the unit; empty if it may."""
    dependent = context.units.get(taken.unit)
    if dependent is None:
        return ""
    would = f"{taken.unit} would be {_DONE[taken.verb]} with it ({taken.why})"
    if held := context.why_held(dependent.address):
        return f"{would}, and {dependent.address} is {held}"
    needed = UnitVerb.RELOAD if taken.verb is UnitVerb.RELOAD else UnitVerb.RESTART
    if (
        not taken.ran
        or taken.verb is UnitVerb.START
        or dependent.unit.runs is False
        or needed in dependent.unit.may
    ):
        return ""
    allowed = "reload" if UnitVerb.RELOAD in dependent.unit.may else "none"
    return f"{would}, and {dependent.address} says `on_change: {allowed}`"


# ----------------------------------------------------------------------------------------------- what is left


def _requires_what_goes(trial: Trial, context: Context) -> Iterator[Diagnostic]:
    """Errors for units that are to run and require one that the plan stops for good, removes or masks."""
    stopped = {name: unit.address for name, unit in context.units.items() if unit.unit.runs is False}
    going = {
        **{name: address for name, address in stopped.items() if _verb(name, context.steps) is UnitVerb.STOP},
        **context.removed,
    }
    running = [
        name for name, unit in context.units.items() if unit.unit.runs and unit.address not in context.idle
    ]
    if not going or not running:
        return
    for name, node in trial.host.relations(running).items():
        dependent = context.units.get(name)
        if dependent is None or not dependent.unit.runs:
            continue
        for relation in sorted(REQUIRING & node.relations.keys()):
            for required in sorted(node.relations[relation] & going.keys()):
                yield _needed(dependent, required, going[required], relation, context)


def _needed(
    dependent: Declared, required: str, address: Address, relation: str, context: Context
) -> Diagnostic:
    what = "is masked or removed" if required in context.removed else "is to be stopped"
    at, other = context.places(address), context.places(dependent.address)
    detail = (
        f"{address}{at} {what}, and {dependent.address}{other} is to run and has {relation}={required}:"
        f" systemd would stop it as well. Take {required} out of what {dependent.address} requires, or stop"
        " that one too."
    )
    source = dependent.source if context.units.get(required) is None else context.units[required].source
    return error("a running service requires it", detail, address=address, source=source, rule="required")


def _comes_back(trial: Trial, context: Context) -> Iterator[Diagnostic]:
    """Errors for units that the plan stops for good and that systemd starts again at once, because another
    one upholds them.
    """
    for address, taken in trial.along:
        unit = context.units.get(taken.unit)
        for_good = taken.unit in context.removed or (unit is not None and unit.unit.runs is False)
        if (
            for_good
            and taken.unit == taken.root
            and taken.verb is UnitVerb.START
            and _verb(taken.unit, context.steps) is UnitVerb.STOP
        ):
            yield _started_again(address, unit, taken, context)


def _started_again(
    address: Address, unit: Declared | None, taken: TakenAlong, context: Context
) -> Diagnostic:
    what = "is masked or removed" if taken.unit in context.removed else "is to be stopped"
    other = context.units.get(taken.via)
    at = f" ({other.address}{context.places(other.address)})" if other else ", which is not in the spec"
    detail = (
        f"{address}{context.places(address)} {what}, and {taken.why}{at}: systemd would start it again at"
        f" once. Take {taken.unit} out of {taken.via}, or stop that one before."
    )
    source = unit.source if unit else other.source if other else None
    return error("systemd would start it again", detail, address=address, source=source, rule="upheld")


def _of_ends(trial: Trial, context: Context, again: Mapping[str, Step]) -> Judgement:
    """The judgement of how declared units stand after the steps, as far as other units had to do with it."""
    last = {taken.unit: (address, taken) for address, taken in trial.along}
    named = [name for name in last if name in context.units]
    states = trial.host.units(named) if named else {}
    starts: dict[str, Step] = {}
    wrong: list[Diagnostic] = []
    for name in named:
        unit, (address, taken), runs = context.units[name], last[name], states[name].active in RUNNING
        if unit.address in context.idle or unit.unit.runs is None or unit.unit.runs == runs:
            continue
        if runs:
            wrong += _started(unit, address, taken, context)
        elif name not in again:
            words = f"it is {_DONE[UnitVerb.STOP]} with {taken.root}: {taken.why}"
            starts[name] = Step(Unit(UnitVerb.START, (name,)), (Cause(unit.address, words, name),))
        else:
            wrong.append(_not_together(unit, address, taken, context))
    return Judgement(again=starts, wrong=tuple(wrong))


def _started(unit: Declared, address: Address, taken: TakenAlong, context: Context) -> Iterator[Diagnostic]:
    """Yield an error for a unit that is to be stopped and would be started along.

    Where it is only wanted (Wants=), the next apply stops it, and no error is told.
    """
    if taken.verb is not UnitVerb.START or taken.relation not in _STRONG:
        return
    detail = (
        f"{unit.address}{context.places(unit.address)} is to be stopped, and"
        f" {address}{context.places(address)} starts it: {taken.why}. One of the two has to change."
    )
    yield error(
        "a stopped service would be started", detail, address=address, source=unit.source, rule="required"
    )


def _not_together(unit: Declared, address: Address, taken: TakenAlong, context: Context) -> Diagnostic:
    detail = (
        f"{unit.address}{context.places(unit.address)} is to run, and {address}{context.places(address)}"
        f" stops it: {taken.why}. Each apply would start one and stop the other."
    )
    late = address if taken.ran else unit.address  # what ran before goes on
    return error(
        "two services cannot run together", detail, address=late, source=unit.source, rule="conflict"
    )


# ------------------------------------------------------------------------------------------- the plan with it


def spared(steps: Iterable[Step], spared_units: Mapping[str, str]) -> Iterator[Step]:
    """The steps, with the restarts and reloads of these units as effects that stay owed until nothing keeps
    them.
    """
    for step in steps:
        action = step.action
        if (
            not spared_units
            or step.held
            or not isinstance(action, Unit)
            or action.verb not in (UnitVerb.RESTART, UnitVerb.RELOAD)
        ):
            yield step
            continue
        every = frozenset(cause.address for cause in step.causes)
        ours = frozenset(cause.address for cause in step.causes if cause.unit in spared_units)
        if (rest := step.without(ours)) is not None:
            yield rest
        if ours and (mine := step.without(every - ours)) is not None:
            causes = tuple(
                replace(cause, kept=spared_units[cause.unit], passing=True) for cause in mine.causes
            )
            yield replace(mine, causes=causes, held=True)


def managed_units(addresses: Iterable[Address], kinds: Kinds) -> dict[str, Address]:
    """The units of these ledger rows, by name."""
    paths = (
        (address, path.rpartition("/"))
        for address in addresses
        for path in kinds[address.kind].paths(address)
    )
    return {name: address for address, (directory, _, name) in paths if directory == _UNITS}


def effects(
    trial: Trial,
    units: Mapping[str, Declared],
    steps: Sequence[Step],
    managed: Mapping[str, Address] = NOTHING,
) -> tuple[UnitEffect, ...]:
    """The effects that systemd has along with the steps; those on a unit that a step names anyway are left
    out.

    `managed` are units that this spec does not know and the ledger does.
    """
    asked = {
        (step.action.verb, name)
        for step in steps
        if isinstance(step.action, Unit)
        for name in step.action.units
        if not step.held
    }
    along = [(address, taken) for address, taken in trial.along if (taken.verb, taken.unit) not in asked]
    ran = {taken.unit for _, taken in trial.along if taken.ran}
    states = trial.host.units(sorted({taken.unit for _, taken in along})) if along else {}
    by_verb: dict[tuple[UnitVerb, str, str], UnitEffect] = {}
    for address, taken in along:
        declared = units.get(taken.unit)
        down = taken.unit in ran and taken.verb in _ENDING and states[taken.unit].active not in RUNNING
        effect = UnitEffect(taken, address, declared.address if declared else managed.get(taken.unit), down)
        by_verb.setdefault((taken.verb, taken.unit, taken.root), effect)
    return tuple(by_verb.values())


def warnings(effects: Iterable[UnitEffect]) -> Iterator[Diagnostic]:
    """Yield warnings about what happens to running units that the spec does not know."""
    for effect in effects:
        taken = effect.taken
        if effect.declared is None and taken.ran and taken.verb is not UnitVerb.START:
            detail = (
                f"{taken.unit} is not in the spec, and is {_DONE[taken.verb]} with {taken.root}: {taken.why}."
            )
            detail += " It stays stopped." if effect.stays_down else ""
            yield warning("another unit is taken along", detail, address=effect.address, rule="taken-along")
