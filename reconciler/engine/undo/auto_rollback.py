"""Automatic rollback: after an apply, put back the parts that did not start or did not become healthy.

The undo is a rollback of those parts, by the same code, and a run of its own. A part of a killed run is
undone with it: a gate stays owed under the run that first owed it, so that the runs since then are known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from reconciler.core.actions import Gate, Then, Unit
from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Part
from reconciler.core.diagnostic import Diagnostic, errors
from reconciler.core.host import Executor
from reconciler.core.journal import Journal, PastRun
from reconciler.core.kind import Kinds
from reconciler.core.plan import Plan
from reconciler.core.result import ApplyResult, Outcome, Status
from reconciler.core.state import Memory
from reconciler.core.steps import Cause, Step
from reconciler.engine import ordering
from reconciler.engine.inputs import Request, Situation
from reconciler.engine.planner import Simulator
from reconciler.engine.run_state import Settle, Tell
from reconciler.engine.undo.path_state import Edited
from reconciler.engine.undo.rollback import Rollback, carry_out, plan_rollback
from reconciler.engine.undo.undo_paths import UndoRequest
from reconciler.engine.units import gates, left_down

_TOLD = 600
"""Characters of the reason that a later plan repeats."""


_KEPT = 50
"""The number of runs before this one of which it is known what they replaced."""


class Past(Journal, Protocol):
    """The journal, with what was written in it."""

    def memory(self) -> Memory:
        """The memory as it is now."""

    def past(self, number: int) -> PastRun | None:
        """A run with everything that it takes to undo it."""


@frozen
class UndoTools:
    """With what an undo is planned and done: as the arguments of `carry_out` and `plan_rollback`."""

    host: Executor
    journal: Past
    simulator: Simulator
    edited: Edited
    tell: Tell
    settle: Settle
    about: Mapping[str, Any]
    judge: Callable[[Rollback], Iterable[Diagnostic]]
    """The answer of the guards to an undo.

    A part that they refuse is not put back: the new stays, the gate stays owed, and the result says why.
    """


def put_back(result: ApplyResult, situation: Situation, request: Request, means: UndoTools) -> ApplyResult:
    """The result, after each gate with `then: rollback` that did not open was followed by an undo.

    Nothing is raised: a failed undo is an outcome.
    """
    gates_to_undo = _wanted(result)
    for gate, addresses in gates_to_undo.items():
        if any(address not in result.put_back for address in addresses):
            result = _one(
                result,
                _Fall(gate, addresses, _watched(addresses, situation, request.kinds)),
                situation,
                request,
                means,
            )
    return left_down.bring_back(result, means.host, means.settle)


def _wanted(result: ApplyResult) -> dict[Gate, list[Address]]:
    by_gate: dict[Gate, list[Address]] = {}
    for step in result.plan.steps:
        if isinstance(step.action, Gate) and step.action.then is Then.ROLLBACK:
            fallen = [cause.address for cause in step.causes if cause.address in result.fallen]
            by_gate |= {step.action: fallen} if fallen else {}
    return by_gate


@frozen
class _Fall:
    """A unit that is to be put back: its parts that fell, and the paths that are its configuration."""

    gate: Gate
    addresses: Sequence[Address]
    watched: frozenset[str]

    def undone(self, past: PastRun, parts: Iterable[Part], kinds: Kinds) -> set[Address]:
        """Its resource, the configuration that this run gave it, and what depends on these."""
        mine = {address.resource for address in self.addresses}
        touched = {*past.rows, *(address for step in past.steps for address in step.addresses)}
        addresses = {address for address in touched if address.resource in mine}
        addresses |= {
            address for step in past.steps if step.path in self.watched for address in step.addresses
        }
        needing = [
            (part.address, {*kinds[part.address.kind].references(part.declared), *part.needs})
            for part in parts
        ]
        size = 0
        while size != len(addresses):
            size, seeds = len(addresses), addresses | {address.resource for address in addresses}
            addresses |= {address for address, needed in needing if needed & seeds}
        return addresses


def _watched(addresses: Iterable[Address], situation: Situation, kinds: Kinds) -> frozenset[str]:
    parts = [situation.parts[address] for address in addresses]
    return frozenset(path for part in parts for path in kinds[part.address.kind].config_paths(part.declared))


def _one(
    result: ApplyResult, fall: _Fall, situation: Situation, request: Request, means: UndoTools
) -> ApplyResult:
    """The result after one fall was undone. Where only a start was done, there is nothing to go back to: the
    unit is left as it is.
    """
    memory = means.journal.memory()
    past = _past(result.run, fall.gate.unit, memory, means.journal)
    targets = fall.undone(past, situation.parts.values(), request.kinds)
    wish = UndoRequest(past, memory, means.edited, targets=frozenset(map(str, targets)))
    declared = tuple(situation.parts.values())
    planned = plan_rollback(
        wish, means.host, request.kinds, request.tool, means.simulator, ours=request.inside, parts=declared
    )
    if wrong := errors((*planned.diagnostics, *means.judge(planned))):
        return _told(result, fall.addresses, _left(f"{wrong[0].summary}: {wrong[0].detail}", result.run))
    moved = {
        cause.address
        for step in planned.reversal.steps
        if not isinstance(step.action, Unit)
        for cause in step.causes
    }
    if not moved:
        return result
    why = result.outcomes[fall.addresses[0]].reason[:_TOLD]
    parts = [situation.parts[address] for address in sorted(moved) if address in situation.parts]
    beside = f"it went with {fall.addresses[0]}"
    refusals = [
        gates.refusal(part, fall.gate.unit, why if part.address in fall.addresses else beside, result.run)
        for part in parts
    ]
    undo = carry_out(
        _asked(planned, fall.gate), means.host, means.journal, means.tell, means.settle, means.about, refusals
    )
    result = replace(result, owed=undo.owed, diagnostics=(*result.diagnostics, *undo.diagnostics))
    if failed := [f"{address}: {undo.outcomes[address].reason}" for address in undo.having(Status.FAILED)]:
        return _told(result, fall.addresses, _left("; ".join(failed), result.run))
    done = frozenset(planned.reversal.addresses)
    result = _told(result, done.intersection(fall.addresses), "; put back as it was")
    result = _told(result, done.difference(fall.addresses), f"; put back as it was, with {fall.addresses[0]}")
    return replace(result, put_back=result.put_back | done)


def _left(why: str, run: int) -> str:
    return f"; it could not be put back: {why.rstrip('.')}. When that is settled: reconciler rollback {run}"


def _past(last: int, unit: str, memory: Memory, journal: Past) -> PastRun:
    """The run, joined with the killed runs before it that had not seen the unit healthy. A run that undid
    another is no part of it.
    """
    owed = (row.run for row in memory.owed if gates.is_open(row) and row.unit == unit)
    runs = [
        run
        for number in range(max(min([last, *owed]), last - _KEPT), last + 1)
        if (run := journal.past(number)) is not None
    ]
    runs = [run for run in runs if run.number == last or not run.undoes]
    first = runs[-1]
    for run in reversed(runs[:-1]):
        before = {
            name: {**(first.before or {}).get(name, {}), **(run.before or {}).get(name, {})}
            for name in (*(first.before or {}), *(run.before or {}))
        }
        first = replace(
            first, steps=(*run.steps, *first.steps), rows={**first.rows, **run.rows}, before=before
        )
    return first


def _asked(planned: Rollback, gate: Gate) -> Rollback:
    """The result after a look at whether the old version is healthy. If it is not either, the new version is
    not to blame, and the result says so.
    """
    steps = planned.reversal.steps
    starts = [step for step in steps if isinstance(step.action, Unit) and step.action.verb in gates.STARTING]
    causes = [
        Cause(cause.address, "it runs again", cause.unit)
        for step in starts
        for cause in step.causes
        if cause.unit == gate.unit
    ]
    asking = [Step(replace(gate, then=Then.WARN), (cause,)) for cause in causes]
    plan: Plan = replace(planned.plan, steps=ordering.in_order([*steps, *asking], {}))
    return replace(planned, plan=plan)


def _told(result: ApplyResult, addresses: Iterable[Address], words: str) -> ApplyResult:
    """The result with these words.

    A thing that only an earlier, killed run did has no outcome in this one yet.
    """
    outcomes = dict(result.outcomes)
    for address in addresses:
        outcome = outcomes.get(address, Outcome(Status.FAILED, ""))
        status = outcome.status if outcome.status is Status.SKIPPED else Status.FAILED
        outcomes[address] = Outcome(status, f"{outcome.reason}{words}".removeprefix("; "))
    return replace(result, outcomes=outcomes)
