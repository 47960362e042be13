"""Carry out a plan step by step: journal, act, note.

Before an effect the journal gets the pending rows, the owed rows and the pre-images. After a kill in between,
these rows make the next plan not empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from reconciler.core.actions import (
    ABSENT,
    Account,
    AccountOp,
    Action,
    Gate,
    MakeLink,
    Phase,
    RemovePath,
    Then,
    Unit,
    UnitVerb,
    path_of,
)
from reconciler.core.address import Address
from reconciler.core.host import ACCOUNT_FILES, ActionFailed, HostError, PreImage, Receipt, UnitState
from reconciler.core.result import Progress, Stage
from reconciler.core.state import OwedRow
from reconciler.core.steps import Step
from reconciler.engine.leftovers import sweep
from reconciler.engine.run_state import Run, key
from reconciler.engine.simulate import unit_failures
from reconciler.engine.units import gates

BATCH = 128
"""Writes that share one journal transaction: each transaction costs several fsyncs."""


def perform(run: Run) -> None:
    """Carry out the plan, after cleaning up behind runs that were killed or could not clean up."""
    unfinished = run.journal.unfinished(run.number)
    if run.plan.memory.interrupted or unfinished:
        sweep(run, unfinished)
    for batch in _batches(run.plan.steps):
        _execute(run, batch)
        if batch[0][1].phase <= Phase.WRITE:
            run.unwritten = run.out


def _batches(steps: Sequence[Step]) -> Iterator[list[tuple[int, Step]]]:
    """Writes in groups that share a transaction; unit verbs one by one, each already
    stands for many units.
    """
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


def _execute(run: Run, batch: Sequence[tuple[int, Step]]) -> None:
    """One batch: a transaction with the intents, the effects, a transaction with the results."""
    ready: list[tuple[int, Step]] = []
    for n, step in batch:
        remaining = run.left_of(step)
        if remaining is None:
            _skip(run, n, step)
        else:
            ready.append((n, remaining))
    ready, saved = _save(run, ready)
    if not ready or not _intend(run, ready, saved):
        return
    results: dict[int, str] = {}
    run.host.prepare([step.action for _, step in ready if not step.held])
    for n, step in ready:
        remaining = run.left_of(step)
        if remaining is None:
            _skip(run, n, step)
        elif not remaining.held:
            _arm_before(run, remaining)
            _one(run, n, remaining, results)
    # Sync to disk first; only then record the steps as done.
    for n, reason in _lost(run.host.finish(), ready).items():
        if n in results:
            del results[n]
            _told_failure(run, n, dict(ready)[n], reason)
    run.journal.done(run.number, results)


def _lost(unsynced: Mapping[str, str], batch: Sequence[tuple[int, Step]]) -> dict[int, str]:
    """The steps that a power cut may undo, with the reason, by the paths whose names were not made durable.

    A step may make or remove a directory above its own path, and fill or empty one below it. A path that
    belongs to no step condemns all of them.
    """
    paths = {n: path_of(step.action) or "" for n, step in batch}
    reasons: dict[int, str] = {}
    for lost, reason in unsynced.items():
        if lost == ACCOUNT_FILES:
            reasons |= dict.fromkeys((n for n, step in batch if isinstance(step.action, Account)), reason)
            continue
        below = [n for n, path in paths.items() if path and _is_within(path, lost)]
        above = [n for n, path in paths.items() if path and _is_within(lost, path)]
        reasons |= dict.fromkeys(below or above or paths, reason)
    return reasons


def _is_within(path: str, top: str) -> bool:
    return f"{path}/".startswith(f"{top.rstrip('/')}/")


def _skip(run: Run, n: int, step: Step) -> None:
    run.journal.skipped(run.number, n, "its resource failed or was skipped")
    run.tell(Progress(Stage.SKIPPED, n + 1, len(run.plan.steps), step))


def _save(
    run: Run, batch: Sequence[tuple[int, Step]]
) -> tuple[list[tuple[int, Step]], list[tuple[int, PreImage]]]:
    """Save the pre-images of a batch. A step whose pre-image cannot be saved (a FIFO came in the way since
    the plan) fails alone.
    """
    ready: list[tuple[int, Step]] = []
    saved: list[tuple[int, PreImage]] = []
    for n, step in batch:
        try:
            pre_image = None if step.held else run.host.capture(step.action)
        except HostError as problem:
            _told_failure(run, n, step, str(problem))
        else:
            ready.append((n, step))
            saved += [(n, pre_image)] if pre_image is not None else []
            saved += [(n, above) for above in _above(run, step)]
    return ready, saved


def _above(run: Run, step: Step) -> Iterable[PreImage]:
    """The directory that an action may make or remove beside its own path."""
    action = step.action
    if step.held or not (
        isinstance(action, MakeLink) or (isinstance(action, RemovePath) and action.prune_parent)
    ):
        return
    parent = action.path.rpartition("/")[0]
    if parent and (isinstance(action, RemovePath) or run.host.entry(parent) is None):
        pre_image = run.host.capture(RemovePath(parent, ABSENT))
        if pre_image is not None:
            yield pre_image


def _intend(run: Run, batch: Sequence[tuple[int, Step]], saved: Sequence[tuple[int, PreImage]]) -> bool:
    """Write the intents of a batch. Where that fails, the batch is not done."""
    addresses = {cause.address for _, step in batch for cause in step.causes}
    affected = addresses.union(*(run.dependants.get(address, ()) for address in addresses))
    owing = {
        key(row): row
        for address in sorted(affected)
        for row in run.incurs.get(address, ())
        if key(row) not in run.owing
    }
    rows = [run.pending[address] for address in sorted(addresses) if address in run.pending]
    rows += [row for address in sorted(addresses) for row in run.remaining.get(address, ())]
    try:
        _bury(run, [step.action for _, step in batch])
        run.journal.intend(
            run.number,
            [n for n, _ in batch],
            rows,
            [replace(row, run=row.run or run.number) for row in owing.values()],
            saved,
        )
    except HostError as problem:
        for n, step in batch:
            _told_failure(run, n, step, str(problem))
        return False
    run.owing.update(owing)
    return True


def _bury(run: Run, actions: Sequence[Action]) -> None:
    """Write the numbers of accounts down as tombstones before the accounts go. Raises HostError."""
    names = [
        action.name
        for action in actions
        if isinstance(action, Account) and action.op in (AccountOp.USERDEL, AccountOp.GROUPDEL)
    ]
    keys = [(kind, name) for name in names for kind in ("users", "groups")]
    numbers = {
        key: run.going[key] for key in keys if key in run.going and run.reserved.get(key) != run.going[key]
    }
    if numbers:
        run.journal.tombstone(numbers)
        run.reserved.update(numbers)


def _as_executed(run: Run, action: Action) -> Action:
    """The action with what only this host knows: the free numbers that a new account must not get."""
    if not isinstance(action, Account) or action.op not in (AccountOp.USERADD, AccountOp.GROUPADD):
        return action
    kind, number = ("users", "uid") if action.op is AccountOp.USERADD else ("groups", "gid")
    numbers = sorted(
        {
            int(uid_or_gid)
            for (of, name), uid_or_gid in run.reserved.items()
            if of == kind and name != action.name
        }
    )
    if not numbers or number in dict(action.fields):
        return action
    return replace(action, fields=(*action.fields, ("avoid", ",".join(map(str, numbers)))))


def _one(run: Run, n: int, step: Step, results: dict[int, str]) -> None:
    total = len(run.plan.steps)
    run.tell(Progress(Stage.STARTED, n + 1, total, step))
    try:
        receipt = run.host.execute(_as_executed(run, step.action))
    except (ActionFailed, HostError) as failed:
        _told_failure(run, n, step, str(failed))
        return
    receipt = _awaited(run, step, receipt)
    failures = unit_failures(step, receipt)
    run.touched |= _changed(run, step, set(receipt.failed or {}))
    run.noted |= {
        cause.address: receipt.noted[cause.unit]
        for cause in step.causes
        if receipt.noted and cause.unit in receipt.noted
    }
    if isinstance(step.action, Gate) and step.action.then is Then.WARN:
        run.warned |= failures
        _note_effect(run, step, set())
        results[n] = "; ".join(failures.values()) or receipt.note
        run.tell(Progress(Stage.DONE, n + 1, total, step))
        return
    for address, reason in failures.items():
        run.fail(address, reason)
    if step.phase in (Phase.START, Phase.GATE):
        run.fallen |= failures.keys()
    if isinstance(step.action, Gate) and step.action.then is Then.FAIL and failures:
        run.journal.arm(
            [
                gates.asked(row)
                for row in run.owing.values()
                if row.verb == gates.VERB and row.address in failures
            ]
        )
    _note_effect(run, step, set(receipt.failed or {}))
    if isinstance(step.action, Gate) and failures:
        run.journal.failed(run.number, n, "; ".join(failures.values()))
    else:
        results[n] = "; ".join(failures.values()) or receipt.note
    stage = Stage.FAILED if failures else Stage.DONE
    run.tell(Progress(stage, n + 1, total, step, "; ".join(failures.values())))


def _awaited(run: Run, step: Step, receipt: Receipt) -> Receipt:
    """The receipt without failures of units that systemd starts again by itself and that have a gate: their
    window tells.
    """
    if not receipt.coming or not receipt.failed:
        return receipt
    gated = {
        later.action.unit
        for later in run.plan.steps
        if isinstance(later.action, Gate) and run.left_of(later) is not None
    }
    failed = {unit: why for unit, why in receipt.failed.items() if unit not in receipt.coming & gated}
    return replace(receipt, failed=failed or None)


_ON_PROCESSES = (UnitVerb.STOP, UnitVerb.START, UnitVerb.RESTART, UnitVerb.RELOAD)


def _changed(run: Run, step: Step, failed_units: set[str]) -> set[Address]:
    """The addresses for which a path, an account or a process is not as it was. A unit that failed to start
    did not run before either.
    """
    if not isinstance(step.action, Unit):
        return set() if isinstance(step.action, Gate) else {cause.address for cause in step.causes}
    if step.action.verb not in _ON_PROCESSES:
        return set()
    ended: set[str] = set()
    if step.action.verb is UnitVerb.RESTART and failed_units:
        now = run.host.units(sorted(failed_units))
        ended = {
            unit for unit in failed_units if run.before.get(unit) and now[unit].invocation != run.before[unit]
        }
    return {cause.address for cause in step.causes if cause.unit not in failed_units or cause.unit in ended}


def _told_failure(run: Run, n: int, step: Step, reason: str) -> None:
    run.journal.failed(run.number, n, reason)
    for cause in step.causes:
        run.fail(cause.address, reason)
    run.tell(Progress(Stage.FAILED, n + 1, len(run.plan.steps), step, reason))


def _note_effect(run: Run, step: Step, failed_units: set[str]) -> None:
    if isinstance(step.action, Gate) and step.action.unit not in failed_units:
        run.effected |= {(gates.VERB, cause.unit, cause.address) for cause in step.causes}
    if not isinstance(step.action, Unit):
        return
    if step.action.verb in (UnitVerb.START, UnitVerb.RESTART):
        run.started |= set(step.action.units) - failed_units
    verbs = (
        (step.action.verb, UnitVerb.START) if step.action.verb is UnitVerb.RESTART else (step.action.verb,)
    )
    done = [cause for cause in step.causes if cause.unit not in failed_units]
    run.effected |= {(str(verb), cause.unit, cause.address) for cause in done for verb in verbs}


def _arm_before(run: Run, step: Step) -> None:
    """Note which process each owed effect is about, before the first process is touched. An unarmed row is
    always due.
    """
    if step.phase is Phase.START and (rows := unarmed(run)):
        arm(run, rows)


def unarmed(run: Run) -> list[OwedRow]:
    """Rows of this run for which it is not known which process they are about."""
    return [
        row
        for row in run.owing.values()
        if row.unit and not row.invocation and row.verb not in (UnitVerb.START, gates.VERB)
    ]


def arm(run: Run, rows: Sequence[OwedRow]) -> None:
    """Note which process each row is about."""
    states = run.host.units(sorted({row.unit for row in rows}))
    armed = [
        replace(row, invocation=states.get(row.unit, UnitState()).invocation, run=run.number) for row in rows
    ]
    run.journal.arm(armed)
    run.owing.update({key(row): row for row in armed})
