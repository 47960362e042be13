"""The order in which steps are executed: by phase, and within a phase by need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import TopologicalSorter

from reconciler.core.actions import (
    Account,
    AccountOp,
    ChangePackages,
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
from reconciler.engine.merging import merge_steps

# Within a phase: systemd must know the new text before anything is started with it.
_VERB_ORDER = list(UnitVerb)
_SOURCES = "/etc/apt/"
"""The files below tell apt(8) where packages come from, and which keys sign them."""
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
    """Sort by phase, within it by need; removals last, the deepest first. Equal actions merge.

    Packages bring accounts, programs and units that the rest needs, so they come first; only what tells apt
    where to get them comes before.
    """
    position = {address: n for n, address in enumerate(sequence(needs))}
    ordered = sorted(merge_steps(list(steps)), key=lambda step: _key(step, position))
    for op, number in _NUMBERS.items():
        ordered = _numbered_first(ordered, op, number)
    return tuple(ordered)


def _numbered_first(steps: list[Step], op: AccountOp, number: str) -> list[Step]:
    """Sort accounts with a declared number before those that take the next free one, which may be the same.

    An account only needs groups, and those come before accounts.
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


def _key(step: Step, position: Mapping[Address, int]) -> tuple[int | str, ...]:
    action = step.action
    if isinstance(action, Unit):
        return (phase(action), 0, _VERB_ORDER.index(action.verb), step.held)
    if isinstance(action, Gate):
        return (Phase.GATE, 0, min(position.get(cause.address, 0) for cause in step.causes))
    if removes(action):
        # Accounts go when no file needs them any more, groups when no account does; of the paths the longest
        # first.
        path = path_of(action) or ""
        last = 0 if not isinstance(action, Account) else 2 if action.op is AccountOp.GROUPDEL else 1
        return (Phase.WRITE, 1, last, -path.count("/"), path)
    if isinstance(action, ChangePackages):
        return (Phase.WRITE, -1)
    rank = -2 if (path_of(action) or "").startswith(_SOURCES) else 0
    return (Phase.WRITE, rank, min(position.get(cause.address, 0) for cause in step.causes))
