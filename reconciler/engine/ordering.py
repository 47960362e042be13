"""From many steps to the list that is executed: phases, dependencies, one call instead of ten."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from graphlib import TopologicalSorter

from reconciler.core.actions import (
    Account,
    AccountOp,
    EditLines,
    Gate,
    Phase,
    Unit,
    UnitVerb,
    path_of,
    phase,
    removes,
)
from reconciler.core.address import Address
from reconciler.core.steps import Step

# Within a phase: systemd must know the new text before anything is started with it.
_VERB_ORDER = list(UnitVerb)
_STRONGER = {
    UnitVerb.RELOAD: (UnitVerb.RESTART, UnitVerb.START),
    UnitVerb.START: (UnitVerb.RESTART,),
    UnitVerb.RESTART: (),
}
_NUMBERS = {AccountOp.GROUPADD: "gid", AccountOp.USERADD: "uid"}


def sequence(needs: Mapping[Address, frozenset[Address]]) -> list[Address]:
    """The addresses, each after all that it needs; otherwise in the order of `needs`.

    A set has another order in each process, a plan must not.
    """
    sorter: TopologicalSorter[Address] = TopologicalSorter(dict.fromkeys(needs, ()))
    for address, needed in needs.items():
        sorter.add(address, *sorted(needed))
    return list(sorter.static_order())


def in_order(steps: Iterable[Step], needs: Mapping[Address, frozenset[Address]]) -> tuple[Step, ...]:
    """Sort by phase; in it what is needed before what needs it, and removals last, the deepest first.

    Equal actions merge.
    """
    place = {address: n for n, address in enumerate(sequence(needs))}
    merged = _merge(_without_weaker(list(steps)))
    ordered = sorted(merged, key=lambda step: _key(step, place))
    for op, number in _NUMBERS.items():
        ordered = _numbered_first(ordered, op, number)
    return tuple(ordered)


def _numbered_first(steps: list[Step], op: AccountOp, number: str) -> list[Step]:
    """Accounts that take the next free number come after those that say theirs: it may be the next free one.

    An account needs nothing to be made but groups, and those come before accounts.
    """
    adding = {
        at: step.action.fields
        for at, step in enumerate(steps)
        if isinstance(step.action, Account) and step.action.op is op
    }
    numbered = {at for at, fields in adding.items() if number in dict(fields)}
    free = next((at for at in adding if at not in numbered), len(steps))
    late = [steps[at] for at in sorted(numbered) if at > free]
    rest = [step for at, step in enumerate(steps[free:], free) if at not in numbered]
    return [*steps[:free], *late, *rest] if late else steps


def _key(step: Step, place: Mapping[Address, int]) -> tuple[int | str, ...]:
    action = step.action
    if isinstance(action, Unit):
        return (phase(action), 0, _VERB_ORDER.index(action.verb), step.held)
    if isinstance(action, Gate):
        return (Phase.GATE, 0, min(place.get(cause.address, 0) for cause in step.causes))
    if removes(action):
        # Accounts go when no file needs them any more, groups when no account does; of the paths the longest
        # first.
        path = path_of(action) or ""
        last = 0 if not isinstance(action, Account) else 2 if action.op is AccountOp.GROUPDEL else 1
        return (Phase.WRITE, 1, last, -path.count("/"), path)
    return (Phase.WRITE, 0, min(place.get(cause.address, 0) for cause in step.causes))


def _merge(steps: list[Step]) -> list[Step]:
    merged: dict[object, Step] = {}
    for step in steps:
        action = step.action
        key: object = (action.verb, step.held) if isinstance(action, Unit) else action
        if isinstance(action, EditLines):
            # Several parts may have lines in one file. What differs in anything else is no edit of the same
            # file.
            key = replace(action, add=(), remove=())
        known = merged.get(key)
        merged[key] = step if known is None else _both(known, step)
    return list(merged.values())


def _both(one: Step, other: Step) -> Step:
    causes = (*one.causes, *(cause for cause in other.causes if cause not in one.causes))
    if isinstance(one.action, Unit) and isinstance(other.action, Unit):
        units = tuple(dict.fromkeys((*one.action.units, *other.action.units)))
        return Step(Unit(one.action.verb, units), causes, one.held)
    if isinstance(one.action, EditLines) and isinstance(other.action, EditLines):
        add = tuple(dict.fromkeys((*one.action.add, *other.action.add)))
        remove = tuple(dict.fromkeys((*one.action.remove, *other.action.remove)))
        return Step(replace(one.action, add=add, remove=remove), causes, one.held)
    return Step(one.action, causes, one.held)


def _without_weaker(steps: list[Step]) -> list[Step]:
    """A unit that is restarted need not also be reloaded or started, and what is done now is not owed."""
    done = {
        (step.action.verb, unit)
        for step in steps
        if isinstance(step.action, Unit) and not step.held
        for unit in step.action.units
    }

    def superfluous(step: Step) -> bool:
        if not isinstance(step.action, Unit) or not step.action.units or step.action.verb not in _STRONGER:
            return False
        unit = step.action.units[0]
        stronger = (*_STRONGER[step.action.verb], *((UnitVerb.RESTART, UnitVerb.START) if step.held else ()))
        return any((verb, unit) in done for verb in stronger)

    return [step for step in steps if not superfluous(step)]
