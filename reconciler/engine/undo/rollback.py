"""Undo a run through the ordinary applier: journal, act, look again.

The run that does it can itself be undone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconciler.core.actions import Unit, UnitVerb
from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Observed, Part
from reconciler.core.diagnostic import Diagnostic, Severity, error
from reconciler.core.host import Executor, HostError, HostView, TakenAlong
from reconciler.core.journal import Journal
from reconciler.core.kind import Kinds
from reconciler.core.plan import Plan
from reconciler.core.result import ApplyResult, Outcome, Status
from reconciler.core.spec import Spec
from reconciler.core.state import LedgerRow, OwedRow
from reconciler.core.steps import Step
from reconciler.engine import holds, ordering
from reconciler.engine.applier import ending, going, still_owed, unsettled, warnings
from reconciler.engine.execution import arm, perform, unarmed
from reconciler.engine.inputs import Request, Situation
from reconciler.engine.planner import Simulator
from reconciler.engine.run_state import Run, Settle, Tell
from reconciler.engine.simulate import asked_by, unit_failures
from reconciler.engine.undo.ledger_rows import rows_after
from reconciler.engine.undo.undo_paths import UndoRequest
from reconciler.engine.undo.undo_steps import Reversal, reversal
from reconciler.engine.units import dependents, gates, left_down, own_unit_guard
from reconciler.engine.units.dependents import Trial
from reconciler.formats.disks import Disks


@frozen
class Rollback:
    """A rollback that is planned: shown first, then carried out."""

    wish: UndoRequest
    reversal: Reversal
    plan: Plan
    request: Request
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do on the host."""
        return all(step.held for step in self.reversal.steps)


def plan_rollback(
    wish: UndoRequest,
    view: HostView,
    kinds: Kinds,
    tool: str,
    simulator: Simulator,
    ours: own_unit_guard.Inside = own_unit_guard.nowhere,
    parts: Collection[Part] = (),
) -> Rollback:
    """Compare, refuse what must not be undone, and try the rest on a simulated host.

    `ours` says what a unit is to this run. `parts` are what the spec declares now: some of it must not be
    taken along by systemd.
    """
    undoing = reversal(wish, view)
    undoing = replace(undoing, steps=tuple(own_unit_guard.spared(undoing.steps, ours)))
    memory = wish.memory
    request = Request(Spec(memory.spec_host), kinds, view, memory, tool)
    away = _away(wish, undoing, Disks(view))
    refusals = [_bare(address, why) for address, why in sorted(away.items())]
    refusals += [
        _refusal(address, why) for address, why in sorted(undoing.refused.items()) if address not in away
    ]
    refusals += [
        _held(address, why) for address in undoing.moving if (why := holds.reason(memory.holds, address))
    ]
    refusals += [_protected(address) for address in _protected_ones(undoing, wish)]
    refusals += [_ending(why, undoing) for why in [own_unit_guard.refusal(undoing.steps, ours)] if why]
    units = _running(dependents.declared_units(parts, kinds), undoing, view)
    trial, problems = Trial(view), list[Diagnostic]()
    if undoing.steps and not refusals:
        undoing, trial, problems = _tried(undoing, wish, lambda: simulator(view), units)
        problems += [
            error("would not come back", why, address=address)
            for address, why in sorted(trial.failures.items())
        ]
    managed = dependents.managed_units(memory.rows, kinds) if trial.along else dependents.NOTHING
    effects = dependents.effects(trial, units, undoing.steps, managed)
    plan = Plan(
        memory.spec_host, spec_commit=memory.commit, steps=undoing.steps, effects=effects, memory=memory
    )
    return Rollback(wish, undoing, plan, request, (*refusals, *problems, *dependents.warnings(effects)))


def _running(
    units: Mapping[str, dependents.Declared], undoing: Reversal, view: HostView
) -> dict[str, dependents.Declared]:
    """The declared units that run now and that the rollback does not bring back itself."""
    mine = {address.resource for address in undoing.addresses}
    rest = {name: unit for name, unit in units.items() if unit.address.resource not in mine}
    states = view.units(sorted(rest)) if rest and view.running else {}
    return {
        name: unit
        for name, unit in rest.items()
        if name in states and states[name].active in dependents.RUNNING
    }


def _tried(
    undoing: Reversal,
    wish: UndoRequest,
    simulator: Callable[[], Executor],
    units: Mapping[str, dependents.Declared],
) -> tuple[Reversal, Trial, list[Diagnostic]]:
    """The reversal, made again until it takes nothing along that it must not; and the refusals that follow
    from that.
    """
    memory, again, refusals = wish.memory, dict[str, Step](), list[Diagnostic]()
    while True:
        trial = _simulate(undoing, wish, simulator())
        removed = dependents.removed_units(undoing.steps)
        held = functools.partial(holds.reason, memory.holds)
        context = dependents.Context(units, undoing.steps, removed, held, frozenset(), lambda _: "")
        judgement = dependents.judge(trial, context, again)
        refusals += [_along(address, why, undoing) for address, why in judgement.held.items()] + list(
            judgement.wrong
        )
        if refusals or judgement.empty:
            return replace(undoing, steps=trial.steps), trial, refusals
        again |= judgement.again
        steps = dependents.spared((*undoing.steps, *judgement.again.values()), judgement.kept)
        undoing = replace(undoing, steps=ordering.in_order(steps, {}))


def _along(address: Address, why: str, undoing: Reversal) -> Diagnostic:
    detail = f"Undoing run {undoing.past.number}: {why}. --exclude '{address}' leaves that as it is."
    return Diagnostic(
        Severity.ERROR, "another unit would be taken along", detail, address, rule="taken-along", refusal=True
    )


def _refusal(address: Address, why: str) -> Diagnostic:
    name = str(address)
    detail = (
        f"{why}. --overwrite '{name}' gives up what was changed since, which is kept for another rollback;"
        f" --exclude '{name}' leaves it."
    )
    return Diagnostic(
        Severity.ERROR, "not as the run left it", detail, address, rule="changed-since", refusal=True
    )


def _away(wish: UndoRequest, undoing: Reversal, disks: Disks) -> dict[Address, str]:
    """The parts whose run wrote on a disk that is not there now, with the reason.

    The bare mount point tells nothing of the disk: neither that there is nothing to put back, nor that it was
    changed since.
    """
    mine = {*undoing.addresses, *undoing.refused}
    done = [step for step in wish.past.steps if step.state in ("done", "started") and step.path]
    return {
        address: why
        for step in done
        for address in mine.intersection(step.addresses)
        if (why := disks.bare((step.path,)))
    }


def _bare(address: Address, why: str) -> Diagnostic:
    detail = f"{why}. --exclude '{address}' leaves that as it is."
    return Diagnostic(
        Severity.ERROR, "its disk is not there", detail, address, rule="not-mounted", refusal=True
    )


def _ending(why: str, undoing: Reversal) -> Diagnostic:
    return Diagnostic(
        Severity.ERROR,
        "this run would end itself",
        f"Undoing run {undoing.past.number}: {why}.",
        rule="inside",
        refusal=True,
    )


def _held(address: Address, why: str) -> Diagnostic:
    detail = (
        f"{address} is {why}. `reconciler hold remove` ends that, and --exclude '{address}' leaves it as"
        " it is."
    )
    return Diagnostic(
        Severity.ERROR, "held resource would be changed", detail, address, rule="hold", refusal=True
    )


def _protected(address: Address) -> Diagnostic:
    detail = (
        f"{address} is protected, and was made by this run: it would be removed. Give --unprotect"
        f" '{address}'."
    )
    return Diagnostic(
        Severity.ERROR,
        "protected resource would be destroyed",
        detail,
        address,
        rule="protected",
        refusal=True,
    )


def _protected_ones(undoing: Reversal, wish: UndoRequest) -> Iterable[Address]:
    for address in undoing.moving:
        row = wish.memory.rows.get(address)
        if (
            row
            and row.protect
            and row.created
            and address in undoing.past.rows
            and undoing.past.rows[address] is None
            and str(address) not in wish.unprotect
        ):
            yield address


def _simulate(undoing: Reversal, wish: UndoRequest, host: Executor) -> Trial:
    failures: dict[Address, str] = {}
    along: list[tuple[Address, TakenAlong]] = []
    tried: list[Step] = []
    for step in undoing.steps:
        tried.append(step)
        if not step.held:
            try:
                receipt = host.execute(step.action)
            except HostError as problem:
                failures.update(
                    {cause.address: str(problem) for cause in step.causes if cause.address not in failures}
                )
            else:
                failures.update(unit_failures(step, receipt))
                along += [(asked_by(step, taken), taken) for taken in receipt.along]
                tried[-1] = dependents.as_tried(step, receipt)
    started = frozenset(taken.unit for _, taken in along if taken.verb is UnitVerb.START)
    return Trial(host, {**_left(undoing, wish, host, started), **failures}, tuple(along), steps=tuple(tried))


def _left(
    undoing: Reversal, wish: UndoRequest, host: HostView, started: Collection[str] = ()
) -> dict[Address, str]:
    """The addresses that are still not as they were before the run.

    `started` are units that only a trial took along, as ssh.service does sshd-keygen.service: their
    conditions say whether they run then.
    """
    again = reversal(replace(wish, memory=replace(wish.memory, owed=())), host)
    again = replace(again, steps=tuple(step for step in again.steps if not _stops(step, started)))
    outcomes_left = {address: "did not come back" for address in again.moving if address in undoing.addresses}
    return outcomes_left | {
        address: why for address, why in again.refused.items() if address in undoing.addresses
    }


def _stops(step: Step, units: Collection[str]) -> bool:
    action = step.action
    return isinstance(action, Unit) and action.verb is UnitVerb.STOP and set(action.units) <= set(units)


def carry_out(  # all that an apply takes, too
    planned: Rollback,
    host: Executor,
    journal: Journal,
    tell: Tell,
    settle: Settle,
    about: Mapping[str, Any],
    owe: Sequence[OwedRow] = (),
) -> ApplyResult:
    """Carry out the rollback. Failures do not raise: they are outcomes. `owe` is written down for what came
    back.
    """
    undoing, memory = planned.reversal, planned.plan.memory
    rows = {
        address: row
        for address in undoing.moving
        if (row := _pending(undoing, address, memory.rows.get(address))) is not None
    }
    situation = Situation({}, dict.fromkeys(undoing.addresses, Observed(None)), memory.rows)
    run = Run(planned.plan, situation, planned.request, host, journal, tell, pending=rows)
    units = (undoing.past.before or {}).get("units", {})
    run.begin(
        undoing.addresses,
        {**about, "undoes": undoing.past.number},
        lambda unit, _: units.get(unit, {}).get("reads"),
    )
    ran = left_down.running(host, planned.plan)
    perform(run)
    result = left_down.bring_back(replace(_conclude(run, planned, settle, owe), ran=ran), host, settle)
    journal.end(run.number, *ending(result))
    return result


def _pending(undoing: Reversal, address: Address, now: LedgerRow | None) -> LedgerRow | None:
    """The ledger's row while the part is brought back: the old document counts as ours where the host shows
    it.
    """
    if address not in undoing.past.rows:
        return None  # the run only had an effect on it
    before = undoing.past.rows[address]
    if before is None and now is not None:
        return going(now)
    if before is None or before.document is None:
        return None
    row = now or replace(before, document=None)
    return replace(row, pending=before.document, sensitive=row.sensitive or before.sensitive)


def _conclude(run: Run, planned: Rollback, settle: Settle, owe: Sequence[OwedRow]) -> ApplyResult:
    """Observe the host once more; the ledger says again what it said before the run, where the host is so
    again.
    """
    if run.host.running and (rows := unarmed(run)):
        arm(run, rows)
    undoing = planned.reversal
    for address, reason in {**_left(undoing, planned.wish, run.host), **unsettled(run, settle)}.items():
        if address not in run.out:
            run.fail(address, reason)
    back = [address for address in undoing.addresses if address not in run.out]
    put, drop = rows_after(undoing.past, planned.plan.memory.rows, back, planned.request.kinds, run.host)
    owed_rows, clear = still_owed(run, set(), set(drop))
    asked = [
        row
        for row in planned.plan.memory.owed
        if row.verb == gates.VERB and not row.held and row.address in back
    ]
    void = [*(row for row in undoing.clear if row.address in back), *asked]
    run.journal.settle(run.number, put, drop, [*clear, *void], [row for row in owe if row.address in back])
    outcomes = {address: Outcome(Status.APPLIED) for address in undoing.moving}
    outcomes |= {address: Outcome(Status.FAILED, reason) for address, reason in run.failed.items()}
    return ApplyResult(
        planned.plan,
        outcomes,
        tuple(row for row in owed_rows if row not in void),
        warnings(run),
        run=run.number,
        touched=frozenset(run.touched),
    )
