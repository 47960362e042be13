"""Doing what a plan says, step by step: journal, act, note. Whatever the plan is for.

Before an effect: what will be written (pending rows), what it will owe, what it replaces. A kill in between
leaves rows from which the next plan is not empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

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
    WriteFile,
    as_data,
    path_of,
)
from reconciler.core.address import Address
from reconciler.core.basics.digest import keyed_digest
from reconciler.core.changes import Change
from reconciler.core.host import (
    ACCOUNT_FILES,
    ActionFailed,
    Executor,
    HostError,
    PreImage,
    Receipt,
    UnitState,
)
from reconciler.core.plan import Plan
from reconciler.core.result import Progress, Stage
from reconciler.core.state import Journal, LedgerRow, OwedRow
from reconciler.core.steps import Step
from reconciler.engine.inputs import Request, Situation
from reconciler.engine.leftovers import sweep
from reconciler.engine.simulate import unit_failures
from reconciler.engine.undo import baseline as before
from reconciler.engine.undo.baseline import Reads
from reconciler.engine.units import gates, owed

BATCH = 128
"""Writes that share one journal transaction: each transaction costs several fsyncs."""

Tell = Callable[[Progress], None]
Settle = Callable[[Sequence[str]], Mapping[str, str]]
Key = tuple[str, str, Address]


@dataclass(slots=True)
class Run:
    """One run under way.

    `owing` are the rows this run has written, `effected` those whose effect was carried out.

    `reserved` are the numbers of accounts that went, `going` of those that go with this run. `pending` are
    the ledger's rows while their parts are being changed, `remaining` those of what stays ours of parts that
    go; `changes` are those that an apply makes. `unwritten` failed or were skipped before everything was
    written; `fallen` are those of the failed that failed when they were started or asked whether they are
    well; `warned` are not well, and count as applied. `noted` is what was said of those that did not fail and
    yet may not run; `touched` are those for which something was changed on the host, whatever became of them.
    `before` are the processes that ran before, by unit.
    """

    plan: Plan
    situation: Situation
    request: Request
    host: Executor
    journal: Journal
    tell: Tell
    number: int = 0
    changes: Mapping[Address, Change] = field(default_factory=dict)
    pending: Mapping[Address, LedgerRow] = field(default_factory=dict)
    remaining: Mapping[Address, Sequence[LedgerRow]] = field(default_factory=dict)
    failed: dict[Address, str] = field(default_factory=dict)
    skipped: dict[Address, str] = field(default_factory=dict)
    unwritten: frozenset[Address] = frozenset()
    fallen: set[Address] = field(default_factory=set)
    warned: dict[Address, str] = field(default_factory=dict)
    noted: dict[Address, str] = field(default_factory=dict)
    touched: set[Address] = field(default_factory=set)
    before: Mapping[str, str] = field(default_factory=dict)
    owing: dict[Key, OwedRow] = field(default_factory=dict)
    effected: set[Key] = field(default_factory=set)
    started: set[str] = field(default_factory=set)
    incurs: Mapping[Address, Sequence[OwedRow]] = field(default_factory=dict)
    reserved: dict[tuple[str, str], str] = field(default_factory=dict)
    going: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def begin(self, touched: Iterable[Address], about: Mapping[str, Any], reads: Reads) -> None:
        """Open the run in the journal, with all its steps and with what is so before it.

        `about` says more about the run.
        """
        plan = self.plan
        steps = [_noted(step, self.request.memory.key) for step in plan.steps]
        rows = {address: plan.memory.rows.get(address) for address in touched}
        known = before.state_of(self.host, plan.steps, plan.effects, reads)
        said = {**about, "before": known}
        self.reserved = {**plan.memory.tombstones}
        self.before = {unit: facts["invocation"] for unit, facts in known.get("units", {}).items()}
        self.going = dict(_numbers(known, plan.steps))
        self.number = self.journal.begin(
            plan.spec_digest, plan.spec_commit, plan.host, self.request.tool, steps, rows, said
        )
        derived = {(key(row), row.why) for row in plan.owed if row.derived}
        incurred = owed.incurred(plan.steps).items()
        # What is derived is so anew each time: written down, it would outlive the reason for it.
        gated = {key(row): row.run for row in plan.memory.owed if gates.is_open(row)}
        self.incurs = {
            address: [
                replace(row, run=gated.get(key(row), 0)) for row in rows if (key(row), row.why) not in derived
            ]
            for address, rows in incurred
        }

    def perform(self) -> None:
        """Everything the plan says, after cleaning up behind runs that were killed, or could not even clean
        up.
        """
        left = self.journal.unfinished(self.number)
        if self.plan.memory.interrupted or left:
            sweep(self, left)
        for batch in _batches(self.plan.steps):
            _execute(self, batch)
            if batch[0][1].phase <= Phase.WRITE:
                self.unwritten = self.out

    @property
    def out(self) -> frozenset[Address]:
        """The parts that are no longer worked on."""
        return frozenset(self.failed.keys() | self.skipped.keys())

    def left_of(self, step: Step) -> Step | None:
        """The step for what is still worked on. systemd reads what was written, whether or not that has come
        up when it was started.
        """
        read = isinstance(step.action, Unit) and step.action.verb is UnitVerb.DAEMON_RELOAD
        return step.without(self.unwritten if read else self.out)

    def fail(self, address: Address, reason: str) -> None:
        """Mark a failure, and skip what depends on it."""
        self.failed.setdefault(address, reason)
        for dependant, needed in self.plan.needs.items():
            if needed & self.out and dependant not in self.out:
                self.skipped[dependant] = f"needs {min(needed & self.out)}, which failed"
                self.fail_dependants(dependant)

    def fail_dependants(self, address: Address) -> None:
        """Skip what depends on it, and what depends on that."""
        for dependant, needed in self.plan.needs.items():
            if address in needed and dependant not in self.out:
                self.skipped[dependant] = f"needs {address}, which was skipped"
                self.fail_dependants(dependant)


def _noted(step: Step, key: bytes) -> dict[str, Any]:
    """A step as the journal has it.

    The digest of a secret is made with the key of the host: it tells later whether that is still there.
    """
    action = step.action
    left = (
        {"left": keyed_digest(action.content, key)}
        if isinstance(action, WriteFile) and action.sensitive
        else {}
    )
    return {
        **as_data(action),
        **left,
        "held": step.held,
        "for": sorted({str(cause.address) for cause in step.causes}),
    }


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
    """One transaction of intentions, the effects, one transaction of results."""
    ready: list[tuple[int, Step]] = []
    for n, step in batch:
        left = run.left_of(step)
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
        left = run.left_of(step)
        if left is None:
            _skip(run, n, step)
        elif not left.held:
            _arm_before(run, left)
            _one(run, n, left, results)
    # Not before what was done will survive a power cut is it written down as done.
    for n, reason in _lost(run.host.finish(), ready).items():
        if n in results:
            del results[n]
            _told_failure(run, n, dict(ready)[n], reason)
    run.journal.done(run.number, results)


def _lost(unsynced: Mapping[str, str], batch: Sequence[tuple[int, Step]]) -> dict[int, str]:
    """The steps that a power cut may undo, by the paths whose names were not made durable, with the reason.

    A step may make or remove a directory above its own path, and fill or empty one below it. A path that no
    step has to do with condemns all.
    """
    paths = {n: path_of(step.action) or "" for n, step in batch}
    found: dict[int, str] = {}
    for lost, reason in unsynced.items():
        if lost == ACCOUNT_FILES:
            found |= dict.fromkeys((n for n, step in batch if isinstance(step.action, Account)), reason)
            continue
        below = [n for n, path in paths.items() if path and _is_within(path, lost)]
        above = [n for n, path in paths.items() if path and _is_within(lost, path)]
        found |= dict.fromkeys(below or above or paths, reason)
    return found


def _is_within(path: str, top: str) -> bool:
    return f"{path}/".startswith(f"{top.rstrip('/')}/")


def _skip(run: Run, n: int, step: Step) -> None:
    run.journal.skipped(run.number, n, "its resource failed or was skipped")
    run.tell(Progress(Stage.SKIPPED, n + 1, len(run.plan.steps), step))


def _save(
    run: Run, batch: Sequence[tuple[int, Step]]
) -> tuple[list[tuple[int, Step]], list[tuple[int, PreImage]]]:
    """Save what the batch is about to replace.

    A step for which that cannot be done (a FIFO came in the way since the plan) fails alone.
    """
    ready: list[tuple[int, Step]] = []
    saved: list[tuple[int, PreImage]] = []
    for n, step in batch:
        try:
            found = None if step.held else run.host.capture(step.action)
        except HostError as problem:
            _told_failure(run, n, step, str(problem))
        else:
            ready.append((n, step))
            saved += [(n, found)] if found is not None else []
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
        found = run.host.capture(RemovePath(parent, ABSENT))
        if found is not None:
            yield found


def _intend(run: Run, batch: Sequence[tuple[int, Step]], saved: Sequence[tuple[int, PreImage]]) -> bool:
    """Write down what is about to happen. If that cannot be done, it does not happen."""
    addresses = {cause.address for _, step in batch for cause in step.causes}
    affected = addresses | {address for address, needed in run.plan.needs.items() if needed & addresses}
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


def _numbers(known: Mapping[str, Any], steps: Sequence[Step]) -> Iterator[tuple[tuple[str, str], str]]:
    """The numbers of the accounts that a run takes away; that of the group of a user's own name too, which
    goes with him.
    """
    for action in (step.action for step in steps):
        if isinstance(action, Account) and action.op in (AccountOp.USERDEL, AccountOp.GROUPDEL):
            kind = "users" if action.op is AccountOp.USERDEL else "groups"
            facts = known.get(kind, {}).get(action.name)
            if facts:
                yield (kind, action.name), str(facts["uid" if kind == "users" else "gid"])
            if facts and kind == "users" and facts["gid"] == action.name:
                yield ("groups", action.name), str(facts["gid_number"])


def _bury(run: Run, actions: Sequence[Action]) -> None:
    """Before an account goes: its number is nobody's from now on. Raises HostError."""
    names = {
        action.name
        for action in actions
        if isinstance(action, Account) and action.op in (AccountOp.USERDEL, AccountOp.GROUPDEL)
    }
    for (kind, name), number in run.going.items():
        if name in names and run.reserved.get((kind, name)) != number:
            run.journal.tombstone(kind, name, number)
            run.reserved[kind, name] = number


def _as_executed(run: Run, action: Action) -> Action:
    """The action with what only this host knows: which free numbers a new account must not get."""
    if not isinstance(action, Account) or action.op not in (AccountOp.USERADD, AccountOp.GROUPADD):
        return action
    kind, number = ("users", "uid") if action.op is AccountOp.USERADD else ("groups", "gid")
    numbers = sorted(
        {int(one) for (of, name), one in run.reserved.items() if of == kind and name != action.name}
    )
    if not numbers or number in dict(action.fields):
        return action
    return replace(action, fields=(*action.fields, ("avoid", ",".join(map(str, numbers)))))


def key(row: OwedRow) -> Key:
    """The key that tells owed rows apart."""
    return (row.verb, row.unit, row.address)


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
    """The receipt, but for units that systemd starts again by itself and that have a gate: their window
    tells.
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
    """The addresses on whose behalf something is not as it was: a path, an account, a process.

    A unit that failed to start did not run before either.
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
    """Before the first process is touched, note which process each owed effect is about.

    An unarmed row is always due.
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
