"""Owed actions: "the running process has the configuration on disk" is a state to
converge to, not an event.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from reconciler.core.actions import Unit, UnitVerb
from reconciler.core.address import Address
from reconciler.core.host import HostView, UnitState
from reconciler.core.kind import Kinds
from reconciler.core.state import OwedRow
from reconciler.core.steps import Cause, Step
from reconciler.engine.inputs import Situation
from reconciler.engine.units import gates

OWABLE = (UnitVerb.DAEMON_RELOAD, UnitVerb.RELOAD, UnitVerb.RESTART)


def due(row: OwedRow, state: UnitState) -> bool:
    """Whether the effect is still missing.

    A unit that does not run has nothing old in it, and another process than the one that was seen lacking has
    started since. A start is owed only to jobs that end by themselves.
    """
    if not row.unit:
        return True
    if row.verb == gates.VERB:
        return True
    if row.verb == UnitVerb.START:
        return state.active not in ("active", "activating", "reloading")
    if state.active in ("inactive", "failed", "deactivating"):
        return False
    return not row.invocation or row.invocation == state.invocation


def sort_out(
    rows: Iterable[OwedRow], view: HostView, situation: Situation, kinds: Kinds
) -> tuple[list[OwedRow], list[OwedRow]]:
    """Owed rows that are due, and those that turned out to be satisfied or are no longer meant."""
    rows = list(rows)
    units = sorted({row.unit for row in rows if row.unit})
    states: Mapping[str, UnitState] = view.units(units) if units and view.running else {}
    asked = gates.meant([row for row in rows if row.verb == gates.VERB], situation, kinds)
    rows_meant = [row for row in rows if row.verb != gates.VERB or row in asked]
    pending = [
        row
        for row in rows_meant
        if view.running and due(row, states.get(row.unit, UnitState())) and _meant(row, situation, kinds)
    ]
    return pending, [row for row in rows if row not in pending]


def _meant(row: OwedRow, situation: Situation, kinds: Kinds) -> bool:
    """Whether today's declaration still wants the effect: a job may be masked, or a server, by now."""
    if row.verb != UnitVerb.START or row.address not in situation.parts:
        return True
    return any(
        True
        for _ in kinds[row.address.kind].resume_owed(
            situation.parts[row.address], situation.observed[row.address], row
        )
    )


def steps(rows: Iterable[OwedRow], situation: Situation, kinds: Kinds) -> Iterator[Step]:
    """The steps for effects still due, under today's declaration."""
    for row in rows:
        if not row.unit:
            yield Step(Unit(UnitVerb.DAEMON_RELOAD), (Cause(row.address, _why(row, row.why)),))
        elif row.address in situation.parts and row.verb != gates.VERB:
            for step in kinds[row.address.kind].resume_owed(
                situation.parts[row.address], situation.observed[row.address], row
            ):
                yield replace(
                    step, causes=tuple(replace(cause, why=_why(row, cause.why)) for cause in step.causes)
                )


def _why(row: OwedRow, why: str) -> str:
    return why if row.derived else f"still owed: {why}"


def incurred(steps: Iterable[Step]) -> dict[Address, list[OwedRow]]:
    """The rows to write before anything is changed on behalf of an address."""
    by_address: dict[Address, list[OwedRow]] = {}
    for step in steps:
        if isinstance(step.action, Unit):
            for cause in step.causes:
                if cause.once or step.action.verb in OWABLE:
                    held = step.held and not cause.passing
                    row = OwedRow(
                        str(step.action.verb),
                        cause.unit,
                        cause.address,
                        cause.why.removeprefix("still owed: "),
                        held,
                    )
                    by_address.setdefault(cause.address, []).append(row)
        for row in gates.incurred(step):
            by_address.setdefault(row.address, []).append(row)
    return by_address
