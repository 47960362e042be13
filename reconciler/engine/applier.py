"""Apply a plan: journal, act, look again. Runs the very list that `plan` printed.

Before an effect: what will be written (pending rows), what it will owe, what it replaces; after it was seen:
the ledger. A kill in between leaves rows from which the next plan is not empty.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from reconciler.core.actions import Gate, Then
from reconciler.core.address import Address
from reconciler.core.basis import Started
from reconciler.core.changes import Change, Verb
from reconciler.core.diagnostic import Diagnostic, warning
from reconciler.core.host import Executor
from reconciler.core.journal import Journal
from reconciler.core.plan import Plan
from reconciler.core.result import ApplyResult, Outcome, Status
from reconciler.core.state import GOING, LedgerRow, OwedRow
from reconciler.engine import compare
from reconciler.engine.execution import arm, perform, unarmed
from reconciler.engine.inputs import Request, Situation, look_again
from reconciler.engine.run_state import Key, Run, Settle, Tell, key
from reconciler.engine.simulate import advice, not_converged
from reconciler.engine.units import gates, left_down, owed


def apply(
    plan: Plan,
    situation: Situation,
    request: Request,
    host: Executor,
    journal: Journal,
    tell: Tell,
    settle: Settle,
) -> ApplyResult:
    """Carry out the plan.

    Failures do not raise: they are outcomes, and everything that does not depend on them goes on.
    """
    if plan.empty and not plan.converged and not plan.settled and not plan.memory.interrupted:
        return ApplyResult(plan, left_undone(plan), plan.owed)
    changes = {change.address: change for change in plan.changes if _meant(change, plan)}
    pending, remaining = _pending(changes, situation), _remaining(changes.values(), situation, request)
    run = Run(
        plan, situation, request, host, journal, tell, changes=changes, pending=pending, remaining=remaining
    )
    touched = [*changes, *(row.address for rows in run.remaining.values() for row in rows)]
    run.begin(touched, request.about, functools.partial(_reads, situation, request))
    ran = left_down.running(host, plan)
    perform(run)
    result = replace(_conclude(run, settle), ran=ran)
    if not awaits_put_back(result):
        result = left_down.bring_back(result, host, settle)
    journal.end(run.number, *ending(result))
    return result


def awaits_put_back(result: ApplyResult) -> bool:
    """Whether a part that did not come up is to be put back: what it took down with
    it is started after that.
    """
    gates = (
        step
        for step in result.plan.steps
        if isinstance(step.action, Gate) and step.action.then is Then.ROLLBACK
    )
    return any(cause.address in result.fallen for step in gates for cause in step.causes)


def _meant(change: Change, plan: Plan) -> bool:
    undone = (
        change.address in plan.blocked or change.address in plan.held or change.address in plan.unreadable
    )
    return change.verb is not Verb.NONE and not undone


def ending(result: ApplyResult) -> tuple[str, dict[str, Any]]:
    """The journal's entry for the end of a run: its status, and how each part fared."""
    status = "partial" if result.failed and result.changed else "failed" if result.failed else "applied"
    return status, {str(address): _in_a_word(outcome) for address, outcome in result.outcomes.items()}


def _in_a_word(outcome: Outcome) -> str:
    """The reason why a part went wrong; its status if it did not."""
    return str(outcome.status) if outcome.status is Status.HELD else outcome.reason or str(outcome.status)


def _pending(changes: Mapping[Address, Change], situation: Situation) -> dict[Address, LedgerRow]:
    """The ledger's rows while the parts are being changed."""
    rows = {}
    for address, change in changes.items():
        ledger_row = situation.rows.get(address)
        if change.part is not None:
            row = ledger_row or LedgerRow(
                address, None, created=change.verb is Verb.CREATE, sensitive=change.sensitive
            )
            rows[address] = replace(
                row, pending=change.part.document, sensitive=row.sensitive or change.sensitive
            )
        elif change.verb is Verb.DELETE and ledger_row is not None:
            rows[address] = going(ledger_row)
    return rows


def going(row: LedgerRow) -> LedgerRow:
    """The row while its part is taken away.

    A document that a killed apply was about to write, and may have written, stays known as ours.
    """
    return replace(row, pending=GOING) if row.document is not None and row.pending is None else row


def unsettled(run: Run, settle: Settle) -> dict[Address, str]:
    """Started units that did not stay up."""
    fallen = settle(sorted(run.started)) if run.started else {}
    causes = {
        cause.unit: cause.address for step in run.plan.steps for cause in step.causes if cause.unit in fallen
    }
    return {address: f"{unit}: {fallen[unit]}" for unit, address in causes.items()}


def _conclude(run: Run, settle: Settle) -> ApplyResult:
    """Observe the host once more, and write what converged into the ledger."""
    if run.host.running and (rows := unarmed(run)):
        arm(run, rows)
    moving = {address for address, change in run.changes.items() if change.verb is not Verb.FORGET}
    # Compare while freshly started units settle; if one fell, its reason replaces "not converged".
    unconverged = not_converged(moving - run.out, run.situation, run.request, run.host)
    differing = {
        address: f"{part.reason}: {run.noted[address]}"
        if address in run.noted
        else f"{part.reason}{advice(address, part, run.plan.steps, trial=False)}"
        for address, part in unconverged.items()
        if not (address in run.noted and part.paths == (("state",),) and not part.explained)
    }
    changed = [_row(run, address) for address in moving - run.out if run.changes[address].part is not None]
    converged = [_row(run, part.address) for part in run.plan.converged]
    fallen = unsettled(run, settle)
    run.fallen |= fallen.keys() - run.out
    for address, reason in {**differing, **fallen}.items():
        if address not in run.out:
            run.fail(address, reason)
    put = [*(row for row in changed if row.address not in run.out), *converged]
    drop = [
        address for address, change in run.changes.items() if change.part is None and address not in run.out
    ]
    restored = set(_restored(run))
    put += [run.plan.memory.rows[address] for address in restored if address in run.plan.memory.rows]
    drop += [address for address in restored if address not in run.plan.memory.rows]
    drop += [row.address for address in restored for row in run.remaining.get(address, ())]
    owed_rows, clear = still_owed(run, restored, set(drop))
    run.journal.settle(run.number, put, drop, clear)
    return ApplyResult(
        run.plan,
        _outcomes(run),
        tuple(owed_rows),
        warnings(run),
        run=run.number,
        fallen=frozenset(run.fallen),
        touched=frozenset(run.touched),
    )


def _reads(
    situation: Situation, request: Request, unit: str, addresses: Iterable[Address]
) -> set[str] | None:
    """The paths that are a unit's configuration by what is declared, and those that its process was started
    with.
    """
    parts = [situation.parts[address] for address in addresses if address in situation.parts]
    if not parts:
        return None
    started = request.started.get(unit, Started()).marks
    declared = (
        path for part in parts for path in request.kinds[part.address.kind].config_paths(part.declared)
    )
    return {*declared, *(path for path in started if path.startswith("/"))}


def warnings(run: Run) -> tuple[Diagnostic, ...]:
    """Warnings about parts that count as applied although something is not well."""
    unwell = tuple(
        warning("not healthy", reason, address=address, rule="health")
        for address, reason in run.warned.items()
    )
    noted = ((address, reason) for address, reason in run.noted.items() if address not in run.out)
    return (
        *unwell,
        *(
            warning("not started by systemd", reason, address=address, rule="condition")
            for address, reason in noted
        ),
    )


def _row(run: Run, address: Address) -> LedgerRow:
    part, old, change = (
        run.situation.as_declared(address),
        run.situation.rows.get(address),
        run.changes.get(address),
    )
    protect = part.declared.resource.protect
    # An account that was disabled in spite of its protection is not protected any more: declared again, it
    # says for itself whether it is.
    lifted = bool(part.retired) and str(address) in run.request.unprotect
    return LedgerRow(
        address=address,
        document=part.document,
        created=old.created if old else change is not None and change.verb is Verb.CREATE,
        protect=(old.protect and not lifted if old else False) if protect is None else protect,
        sensitive=part.sensitive,
        inputs=compare.inputs(part),
        tool=run.request.tool,
        source=str(part.declared.source),
        commit=run.plan.spec_commit,
        policy=compare.policy(part),
    )


def _remaining(
    changes: Iterable[Change], situation: Situation, request: Request
) -> dict[Address, list[LedgerRow]]:
    """The rows that stay ours when a part is taken away, by that part: written down before it goes."""
    rows: dict[Address, list[LedgerRow]] = {}
    for change in changes:
        for address, document in request.kinds[change.address.kind].remains(change):
            old = situation.rows.get(change.address)
            source = str(change.declared.source) if change.declared else old.source if old else ""
            row = LedgerRow(
                address,
                document,
                created=False,
                tool=request.tool,
                source=source,
                commit=request.spec.commit,
                policy={},
            )
            rows.setdefault(change.address, []).append(row)
    return rows


def _restored(run: Run) -> Iterable[Address]:
    """Failed or skipped parts that are exactly as they were before: nothing is pending there, and nothing
    owed.
    """
    out = [address for address in run.out if address in run.changes]
    now = look_again(run.situation, out, run.request.kinds, run.host, run.request.memory.key)
    for address in out:
        observed, before = now[address], run.changes[address].observed
        if observed.unreadable == "" and observed.document == before.document:
            yield address


def still_owed(
    run: Run, restored: set[Address], dropped: set[Address]
) -> tuple[list[OwedRow], list[OwedRow]]:
    """The rows that are due after this run, and the rows that go."""
    rows: dict[Key, OwedRow] = {key(row): row for row in run.plan.memory.owed} | run.owing
    void = {
        row_key
        for row_key, row in run.owing.items()
        if row.address in restored and row.address not in {r.address for r in run.plan.owed if not r.derived}
    }
    void |= {row_key for row_key, row in run.owing.items() if _for_nothing(run, row)}
    settled = {
        key(row) for row in run.plan.settled
    } - run.owing.keys()  # a start since then makes nothing of it due again
    gone = (
        settled
        | run.effected
        | gates.passed(run.effected, rows)
        | void
        | {row_key for row_key, row in rows.items() if row.address in dropped}
    )
    pending, _ = owed.sort_out(
        [row for row_key, row in rows.items() if row_key not in gone],
        run.host,
        run.situation,
        run.request.kinds,
    )
    derived = [
        row for row in run.plan.owed if row.derived and key(row) not in rows and key(row) not in run.effected
    ]
    derived_rows, _ = owed.sort_out(derived, run.host, run.situation, run.request.kinds)
    return [row for row in (*pending, *derived_rows) if not gates.is_refusal(row)], [
        row for row in rows.values() if row not in pending
    ]


def _for_nothing(run: Run, row: OwedRow) -> bool:
    """Whether a row was written for changes none of which was made: then the process has what is on disk.

    A row that was owed before the run stays.
    """
    touched = run.plan.needs.get(row.address, frozenset()) | {row.address}
    before = {key(row_before) for row_before in run.plan.memory.owed}
    return row.address in run.out and key(row) not in before and not touched & run.touched


def left_undone(plan: Plan) -> dict[Address, Outcome]:
    """The parts that no apply of this plan brings about: those held or blocked, and those that could not even
    be looked at (a link in the way).
    """

    def outcome(reason: str) -> Outcome:
        return Outcome(Status.SKIPPED if reason.startswith("needs ") else Status.FAILED, reason)

    unseen = {
        address: Outcome(Status.FAILED, f"could not be read: {reason}")
        for address, reason in plan.unreadable.items()
    }
    held = {address: Outcome(Status.HELD, reason) for address, reason in plan.held.items()}
    return unseen | {address: outcome(reason) for address, reason in plan.blocked.items()} | held


def _outcomes(run: Run) -> dict[Address, Outcome]:
    outcomes = left_undone(run.plan)
    # An effect that was owed from before may be made good, and the change itself is blocked all the same.
    blocked = {
        change.address for change in run.plan.changes if change.verb is not Verb.NONE
    } & run.plan.blocked.keys()
    for step in run.plan.steps:
        if not step.held:
            outcomes.update(
                {
                    cause.address: Outcome(Status.APPLIED)
                    for cause in step.causes
                    if cause.address not in blocked
                }
            )
    outcomes.update({address: Outcome(Status.APPLIED) for address in run.changes})
    outcomes.update({address: Outcome(Status.SKIPPED, reason) for address, reason in run.skipped.items()})
    outcomes.update({address: Outcome(Status.FAILED, reason) for address, reason in run.failed.items()})
    return outcomes
