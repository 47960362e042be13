"""Apply a plan: journal, act, look again. Runs the very list that `plan` printed.

Before an effect: what will be written (pending rows), what it will owe, what it replaces; after it was seen: the ledger. A kill in
between leaves rows from which the next plan is not empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reconciler.core.actions import ABSENT, Phase, RemovePath, Step, Unit, UnitVerb, as_data, path_of
from reconciler.core.address import Address
from reconciler.core.changes import Change, Verb
from reconciler.core.digest import digest
from reconciler.core.host import ActionFailed, Executor, HostError, Saved, UnitState, Unreadable, UnsafePath
from reconciler.core.plan import Plan
from reconciler.core.result import ApplyResult, Outcome, Progress, Stage, Status
from reconciler.core.state import Journal, LedgerRow, OwedRow
from reconciler.engine import compare, owed
from reconciler.engine.simulate import not_converged, unit_failures
from reconciler.engine.situation import Request, Situation, look_again

BATCH = 64
"""Writes that share one journal transaction: each transaction costs several fsyncs."""

Tell = Callable[[Progress], None]
Settle = Callable[[Sequence[str]], Mapping[str, str]]
Key = tuple[str, str, Address]


@dataclass(slots=True)
class _Run:
    """One apply under way. `owing` are the rows this run has written, `effected` those whose effect was carried out."""

    plan: Plan
    situation: Situation
    request: Request
    host: Executor
    journal: Journal
    tell: Tell
    number: int
    changes: Mapping[Address, Change]
    failed: dict[Address, str] = field(default_factory=dict)
    skipped: dict[Address, str] = field(default_factory=dict)
    owing: dict[Key, OwedRow] = field(default_factory=dict)
    effected: set[Key] = field(default_factory=set)
    started: set[str] = field(default_factory=set)
    incurs: Mapping[Address, Sequence[OwedRow]] = field(default_factory=dict)

    @property
    def out(self) -> frozenset[Address]:
        """What is no longer worked on."""
        return frozenset(self.failed.keys() | self.skipped.keys())

    def fail(self, address: Address, reason: str) -> None:
        """Mark a failure, and skip what depends on it."""
        self.failed.setdefault(address, reason)
        for dependant, needed in self.plan.needs.items():
            if needed & self.out and dependant not in self.out:
                self.skipped[dependant] = f"needs {min(needed & self.out)}, which failed"
                self.fail_dependants(dependant)

    def fail_dependants(self, address: Address) -> None:
        for dependant, needed in self.plan.needs.items():
            if address in needed and dependant not in self.out:
                self.skipped[dependant] = f"needs {address}, which was skipped"
                self.fail_dependants(dependant)


def apply(plan: Plan, situation: Situation, request: Request, host: Executor, journal: Journal, tell: Tell, settle: Settle) -> ApplyResult:
    """Carry out the plan. Failures do not raise: they are outcomes, and everything that does not depend on them goes on."""
    if plan.empty and not plan.converged and not plan.settled and not plan.memory.interrupted:
        return ApplyResult(plan, left_undone(plan), plan.owed)
    steps = [{**as_data(step.action), "held": step.held, "for": sorted({str(c.address) for c in step.causes})} for step in plan.steps]
    number = journal.begin(plan.spec_digest, plan.spec_commit, plan.host, request.tool, steps)
    changes = {change.address: change for change in plan.changes if change.address not in plan.blocked and change.verb is not Verb.NONE}
    run = _Run(plan, situation, request, host, journal, tell, number, changes, incurs=owed.incurred(plan.steps))
    if plan.memory.interrupted:
        _sweep(run)
    for batch in _batches(plan.steps):
        _execute(run, batch)
    result = _conclude(run, settle)
    status = "partial" if result.failed and result.changed else "failed" if result.failed else "applied"
    journal.end(number, status, {str(address): outcome.reason or str(outcome.status) for address, outcome in result.outcomes.items()})
    return result


def _sweep(run: _Run) -> None:
    """Remove what a killed run left half-written. One of these files may hold what stood at its target a moment before: it is kept."""
    kinds, addresses = run.request.kinds, run.situation.observed
    directories = {path.rpartition("/")[0] or "/" for address in addresses for path in kinds[address.kind].paths(address)}
    for path in (path for directory in sorted(directories) for path in _leftovers(run.host, directory)):
        try:
            found = run.host.capture(RemovePath(path, ABSENT))
            if found is not None:
                run.journal.intend(run.number, [], [], [], [(-1, found)])
                run.host.execute(RemovePath(path, f"link:{found.target}" if found.content is None else digest(found.content)))
        except (ActionFailed, Unreadable, UnsafePath):
            continue  # in a user's directory anything may have such a name; it is his


def _leftovers(host: Executor, directory: str) -> tuple[str, ...]:
    try:
        return host.leftovers([directory])
    except (Unreadable, UnsafePath):
        return ()


def _batches(steps: Sequence[Step]) -> Iterator[list[tuple[int, Step]]]:
    """Writes in groups that share a transaction; unit verbs one by one, each already stands for many units."""
    batch: list[tuple[int, Step]] = []
    for n, step in enumerate(steps):
        if batch and (step.phase is not Phase.WRITE or len(batch) == BATCH):
            yield batch
            batch = []
        if step.phase is Phase.WRITE:
            batch.append((n, step))
        else:
            yield [(n, step)]
    if batch:
        yield batch


def _execute(run: _Run, batch: Sequence[tuple[int, Step]]) -> None:
    """One transaction of intentions, the effects, one transaction of results."""
    ready: list[tuple[int, Step]] = []
    for n, step in batch:
        left = step.without(run.out)
        if left is None:
            _skip(run, n, step)
        else:
            ready.append((n, left))
    ready, saved = _save(run, ready)
    if not ready or not _intend(run, ready, saved):
        return
    results: dict[int, str] = {}
    run.host.prepare([step.action for _, step in ready if not step.held])
    for n, step in ready:
        left = step.without(run.out)
        if left is None:
            _skip(run, n, step)
        elif not left.held:
            _arm_before(run, left)
            _one(run, n, left, results)
    # Not before what was done will survive a power cut is it written down as done.
    lost = run.host.finish()
    for n, step in ready:
        path = path_of(step.action)
        if n in results and path is not None and path in lost:
            del results[n]
            _told_failure(run, n, step, lost[path])
    run.journal.done(run.number, results)


def _skip(run: _Run, n: int, step: Step) -> None:
    run.journal.skipped(run.number, n, "its resource failed or was skipped")
    run.tell(Progress(Stage.SKIPPED, n + 1, len(run.plan.steps), step))


def _save(run: _Run, batch: Sequence[tuple[int, Step]]) -> tuple[list[tuple[int, Step]], list[tuple[int, Saved]]]:
    """What the batch is about to replace. A step for which that cannot be had (a FIFO came in the way since the plan) fails alone."""
    ready: list[tuple[int, Step]] = []
    saved: list[tuple[int, Saved]] = []
    for n, step in batch:
        try:
            found = None if step.held else run.host.capture(step.action)
        except HostError as problem:
            _told_failure(run, n, step, str(problem))
        else:
            ready.append((n, step))
            saved += [(n, found)] if found is not None else []
    return ready, saved


def _intend(run: _Run, batch: Sequence[tuple[int, Step]], saved: Sequence[tuple[int, Saved]]) -> bool:
    """Write down what is about to happen. If that cannot be done, it does not happen."""
    addresses = {cause.address for _, step in batch for cause in step.causes}
    affected = addresses | {address for address, needed in run.plan.needs.items() if needed & addresses}
    owing = {_key(row): row for address in affected for row in run.incurs.get(address, ()) if _key(row) not in run.owing}
    rows = [row for address in sorted(addresses) if (row := _pending(run, address)) is not None]
    try:
        run.journal.intend(run.number, [n for n, _ in batch], rows, [replace(row, run=run.number) for row in owing.values()], saved)
    except HostError as problem:
        for n, step in batch:
            _told_failure(run, n, step, str(problem))
        return False
    run.owing.update(owing)
    return True


def _key(row: OwedRow) -> Key:
    return (row.verb, row.unit, row.address)


def _pending(run: _Run, address: Address) -> LedgerRow | None:
    """The ledger's row while the part is being changed."""
    change, old = run.changes.get(address), run.situation.rows.get(address)
    if change is None or change.part is None:
        return None
    row = old or LedgerRow(address, None, created=change.verb is Verb.CREATE, sensitive=change.sensitive)
    return replace(row, pending=change.part.document, sensitive=row.sensitive or change.sensitive)


def _one(run: _Run, n: int, step: Step, results: dict[int, str]) -> None:
    total = len(run.plan.steps)
    run.tell(Progress(Stage.STARTED, n + 1, total, step))
    try:
        receipt = run.host.execute(step.action)
    except (ActionFailed, HostError) as failed:
        _told_failure(run, n, step, str(failed))
        return
    failures = unit_failures(step, receipt)
    for address, reason in failures.items():
        run.fail(address, reason)
    _note_effect(run, step, set(receipt.failed or {}))
    results[n] = receipt.note
    stage = Stage.FAILED if failures else Stage.DONE
    run.tell(Progress(stage, n + 1, total, step, "; ".join(failures.values())))


def _told_failure(run: _Run, n: int, step: Step, reason: str) -> None:
    run.journal.failed(run.number, n, reason)
    for cause in step.causes:
        run.fail(cause.address, reason)
    run.tell(Progress(Stage.FAILED, n + 1, len(run.plan.steps), step, reason))


def _note_effect(run: _Run, step: Step, failed_units: set[str]) -> None:
    if not isinstance(step.action, Unit):
        return
    if step.action.verb in (UnitVerb.START, UnitVerb.RESTART):
        run.started |= set(step.action.units) - failed_units
    verbs = (step.action.verb, UnitVerb.START) if step.action.verb is UnitVerb.RESTART else (step.action.verb,)
    done = [cause for cause in step.causes if cause.unit not in failed_units]
    run.effected |= {(str(verb), cause.unit, cause.address) for cause in done for verb in verbs}


def _arm_before(run: _Run, step: Step) -> None:
    """Before the first process is touched, note which process each owed effect is about. An unarmed row is always due."""
    if step.phase is Phase.START and (rows := _unarmed(run)):
        _arm(run, rows)


def _unarmed(run: _Run) -> list[OwedRow]:
    return [row for row in run.owing.values() if row.unit and not row.invocation and row.verb != UnitVerb.START]


def _arm(run: _Run, rows: Sequence[OwedRow]) -> None:
    states = run.host.units(sorted({row.unit for row in rows}))
    armed = [replace(row, invocation=states.get(row.unit, UnitState()).invocation, run=run.number) for row in rows]
    run.journal.arm(armed)
    run.owing.update({_key(row): row for row in armed})


def _unsettled(run: _Run, settle: Settle) -> dict[Address, str]:
    """Started units that did not stay up."""
    fallen = settle(sorted(run.started)) if run.started else {}
    causes = {cause.unit: cause.address for step in run.plan.steps for cause in step.causes if cause.unit in fallen}
    return {address: f"{unit}: {fallen[unit]}" for unit, address in causes.items()}


def _conclude(run: _Run, settle: Settle) -> ApplyResult:
    """Look at the host once more; what is as it should be goes into the ledger."""
    if run.host.running and (rows := _unarmed(run)):
        _arm(run, rows)
    moving = {address for address, change in run.changes.items() if change.verb is not Verb.FORGET}
    # Looked at while what was started shows whether it stays up; why it did not tells more.
    differing = not_converged(moving - run.out, run.situation, run.request, run.host)
    for address, reason in {**differing, **_unsettled(run, settle)}.items():
        if address not in run.out:
            run.fail(address, reason)
    put = [_row(run, address) for address in moving - run.out if run.changes[address].part is not None]
    put += [_row(run, part.address) for part in run.plan.converged]
    drop = [address for address, change in run.changes.items() if change.part is None and address not in run.out]
    restored = set(_restored(run))
    put += [run.plan.memory.rows[address] for address in restored if address in run.plan.memory.rows]
    drop += [address for address in restored if address not in run.plan.memory.rows]
    known = {_key(row): row for row in run.plan.memory.owed} | run.owing
    left, clear = _still_owed(run, known, restored, set(drop))
    run.journal.settle(run.number, put, drop, clear)
    return ApplyResult(run.plan, _outcomes(run), tuple(left), run=run.number)


def _row(run: _Run, address: Address) -> LedgerRow:
    part, old, change = run.situation.as_declared(address), run.situation.rows.get(address), run.changes.get(address)
    protect = part.declared.resource.protect
    return LedgerRow(
        address=address,
        document=part.document,
        created=old.created if old else change is not None and change.verb is Verb.CREATE,
        protect=(old.protect if old else False) if protect is None else protect,
        sensitive=part.sensitive,
        inputs=compare.inputs(part),
        tool=run.request.tool,
        source=str(part.declared.source),
        commit=run.plan.spec_commit,
    )


def _restored(run: _Run) -> Iterable[Address]:
    """Failed or skipped parts that are exactly as they were before: nothing is pending there, and nothing owed."""
    out = [address for address in run.out if address in run.changes]
    now = look_again(run.situation, out, run.request.kinds, run.host, run.request.memory.key)
    for address in out:
        seen, before = now[address], run.changes[address].observed
        if seen.unreadable == "" and seen.document == before.document:
            yield address


def _still_owed(
    run: _Run, known: Mapping[Key, OwedRow], restored: set[Address], dropped: set[Address]
) -> tuple[list[OwedRow], list[OwedRow]]:
    """What is due after this run, and which rows go."""
    void = {key for key, row in run.owing.items() if row.address in restored and row.address not in {r.address for r in run.plan.owed}}
    gone = run.effected | void | {key for key, row in known.items() if row.address in dropped}
    pending, _ = owed.sort_out([row for key, row in known.items() if key not in gone], run.host, run.situation, run.request.kinds)
    return pending, [row for row in known.values() if row not in pending]


def left_undone(plan: Plan) -> dict[Address, Outcome]:
    """What no apply of this plan brings about: what is blocked, and what could not even be looked at (a link in the way of its path)."""

    def outcome(reason: str) -> Outcome:
        return Outcome(Status.SKIPPED if reason.startswith("needs ") else Status.FAILED, reason)

    unseen = {address: Outcome(Status.FAILED, f"could not be read: {reason}") for address, reason in plan.unreadable.items()}
    return unseen | {address: outcome(reason) for address, reason in plan.blocked.items()}


def _outcomes(run: _Run) -> dict[Address, Outcome]:
    outcomes = left_undone(run.plan)
    for step in run.plan.steps:
        if not step.held:
            outcomes.update({cause.address: Outcome(Status.APPLIED) for cause in step.causes})
    outcomes.update({address: Outcome(Status.APPLIED) for address in run.changes})
    outcomes.update({address: Outcome(Status.SKIPPED, reason) for address, reason in run.skipped.items()})
    outcomes.update({address: Outcome(Status.FAILED, reason) for address, reason in run.failed.items()})
    return outcomes
