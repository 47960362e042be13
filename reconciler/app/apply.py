"""Apply to one host: under the lock, plan, ask, apply.

A plan that was made before the lock was held is made again, with one exception: the plan of a host on which
nothing was ever applied, if that is still so under the lock. Another apply cannot have changed a memory that
does not exist, and the steps' `expects` find what anybody else changes on the host meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reconciler.app.plan.noop_fast_path import note_settled
from reconciler.app.plan.options import PlanOptions
from reconciler.app.plan.plan import plan_host
from reconciler.app.plan.planned import Planned, access, texts
from reconciler.app.plan.processes import known_before, note_started
from reconciler.app.specs import Loaded
from reconciler.core.actions import Unit
from reconciler.core.basics.frozen import frozen
from reconciler.core.diagnostic import Diagnostic, error
from reconciler.core.host import HostError
from reconciler.core.result import ApplyResult, Progress
from reconciler.core.state import LedgerRow, Memory, OwedRow
from reconciler.engine.applier import apply, left_undone
from reconciler.host.hosts import machine_id, open_host, static_hostname
from reconciler.host.live import LiveHost
from reconciler.host.process.environment import is_root, monotonic, now, started_by
from reconciler.host.spec_source.last_spec import remember_spec
from reconciler.host.state.connection import INTERRUPTED, NEWER
from reconciler.host.state.files import StateDamaged, make_state_directory
from reconciler.host.state.lock import Lock, LockBusy
from reconciler.host.state.open import recover
from reconciler.host.state.read import read_memory
from reconciler.host.state.store import Store

if TYPE_CHECKING:
    from reconciler.app.plan.plan import Host
    from reconciler.core.plan import Plan
    from reconciler.engine.undo.rollback import Rollback

Approve = Callable[[Planned], bool]
Approved = Mapping[str, Any]
"""A saved plan's document. The plan is made again, and is carried out only if it is the saved one."""


@frozen
class Applied:
    """The outcome of an apply."""

    planned: Planned
    result: ApplyResult | None = None
    """None when nothing was begun."""
    declined: bool = False
    """Whether the question was answered with no."""
    busy: str = ""
    """Who holds the lock, when another apply is running."""


@frozen
class _Task:
    """The spec that an apply carries out, with its options and its approvals."""

    loaded: Loaded
    options: PlanOptions
    approve: Approve
    approved: Approved | None

    def plan(self, host: Host | None = None, memory: Memory | None = None) -> Planned:
        """The plan, made now. It is refused where it is not the one that was approved."""
        host = host or open_host(self.options.root)
        with _looking_twice(host):
            planned = plan_host(self.loaded, self.options, host, memory)
        if self.approved is None or planned.plan is None:
            return planned
        from reconciler.policy.approval import check  # only for --approved

        diagnostics = (
            *planned.diagnostics,
            *check(self.approved, planned.plan, access(planned, texts(planned))),
        )
        return replace(planned, diagnostics=diagnostics, plan=replace(planned.plan, diagnostics=diagnostics))


def apply_host(
    loaded: Loaded,
    options: PlanOptions,
    approve: Approve,
    tell: Callable[[Progress], None],
    lock_timeout: float,
    approved: Approved | None = None,
) -> Applied:
    """The whole of `apply`.

    `approve` is shown the plan that would run and says whether it may; `approved` is a saved plan. Problems
    of the host and of the state are diagnostics of the outcome.
    """
    task = _Task(
        loaded, replace(options, fingerprint=options.fingerprint or approved is not None), approve, approved
    )
    directory = options.state_directory
    if options.root is None and not is_root():
        return Applied(
            Planned((error("apply needs root", "Run it as root, or try it on a tree with --root DIR."),))
        )
    first: Planned | None = None
    try:
        memory = read_memory(directory, machine_id(open_host(options.root)))
        # A state that was being written when an apply was killed reads as damaged, until it is recovered
        # under the lock.
        if memory.damaged != INTERRUPTED and (approved is not None or not memory.lineage):
            # Nothing is created, not even our state, before the guards of a first apply have agreed, and none
            # for a stale approval.
            first = task.plan()
            if first.plan is None or first.refused:
                return Applied(first)
        with _locked(directory, lock_timeout):
            return _apply_locked(task, tell, directory, first)
    except LockBusy as busy:
        return Applied(Planned((error("another apply is running", str(busy)),)), busy=str(busy))
    except HostError as problem:
        return Applied(Planned((error(problem.summary, problem.detail),)))


@contextmanager
def _looking_twice(host: Host) -> Iterator[None]:
    """Let the host look twice at each unit: one look may meet a service alive that keeps crashing.

    A plan may be wrong about that, but the exit code of an apply says that all is as declared.
    """
    if not isinstance(host, LiveHost):
        yield
        return
    host.look_twice()
    try:
        yield
    finally:
        host.look_twice(0)


@contextmanager
def _locked(directory: str, timeout: float) -> Iterator[None]:
    make_state_directory(directory)
    with Lock(directory, timeout_seconds=timeout):
        yield


def _merged(remembered: Memory, memory: Memory) -> Memory:
    """The memory with which a new ledger replaces a damaged one: its own key, with the rows of the damaged
    one whose checksums are right.
    """
    return (
        replace(remembered, damaged=memory.damaged, rows=memory.rows, owed=memory.owed)
        if memory.damaged
        else remembered
    )


def _held_rows(planned: Planned) -> tuple[list[LedgerRow], list[OwedRow]]:
    """The rows of everything on hold, for a ledger that replaces a damaged one: no run will write them, since
    none changes what is held.
    """
    plan, situation = planned.plan, planned.situation
    assert plan is not None and situation is not None
    held = [address for address in plan.held if address in situation.parts]
    rows = [plan.memory.rows[address] for address in held if address in plan.memory.rows]
    return rows, [replace(row, run=0) for row in plan.memory.owed if row.address in held]


def _still_first(first: Planned | None, memory: Memory) -> Planned | None:
    """The plan that was made before the lock was held, if nothing was ever applied; else None."""
    if first is None or first.request is None or memory.lineage:
        return None
    before = first.request.memory
    return first if before == replace(memory, key=memory.key or before.key) else None


def _with_memory(planned: Planned, memory: Memory, remembered: Memory) -> Planned | None:
    """The plan with the memory of the opened state; None when the plan must be made again.

    A new ledger brings a key, with which only the digests of secrets are made.
    """
    if planned.plan is None or planned.situation is None or planned.request is None:
        return None
    if memory.interrupted or memory.damaged:
        return None
    if remembered.key == memory.key and remembered.serial == memory.serial:
        return planned
    has_secrets = (
        any(part.sensitive for part in planned.situation.parts.values()) or planned.situation.revealed
    )
    was_empty = not (memory.lineage or memory.unreadable or remembered.rows or remembered.owed)
    if has_secrets or not was_empty:
        return None
    return replace(
        planned,
        plan=replace(planned.plan, memory=remembered),
        request=replace(planned.request, memory=remembered),
    )


def _apply_locked(
    task: _Task, tell: Callable[[Progress], None], directory: str, first: Planned | None, *, damaged: str = ""
) -> Applied:
    recover(directory)
    host = first.host if first and first.host else open_host(task.options.root)
    host.forget()
    memory = read_memory(directory, machine_id(host))
    memory = replace(memory, damaged=memory.damaged or damaged)
    if memory.damaged.endswith(NEWER):
        return Applied(Planned((error("the state is newer than this program", f"{directory}: {NEWER}."),)))
    planned = _still_first(first, memory) or task.plan(host, memory)
    if planned.plan is None or planned.refused:
        return Applied(planned)
    if not planned.plan.empty and not task.approve(planned):
        return Applied(planned, declined=True)
    plan = planned.plan
    remember_spec(directory, task.loaded.path)
    if not _changes_ledger(plan) and not _needs_clean_up(memory):
        note_settled(task.loaded, task.options, planned)
        note_started(directory, planned)
        return Applied(planned, ApplyResult(plan, left_undone(plan), plan.owed))
    return _carry_out(task, tell, directory, host, memory, planned)


def _changes_ledger(plan: Plan) -> bool:
    """Whether an apply of the plan does or writes anything: a change, or a row for what came to be so."""
    return bool(not plan.empty or plan.converged or plan.settled)


def _needs_clean_up(memory: Memory) -> bool:
    """Whether the state itself needs an apply: a run was killed, the ledger is damaged, a hold has ended."""
    return bool(memory.interrupted or memory.damaged or memory.ended)


def _put_back(
    result: ApplyResult,
    planned: Planned,
    host: Host,
    store: Store,
    tell: Callable[[Progress], None],
    allow: Collection[str],
) -> ApplyResult:
    from reconciler.app.plan.lockout import TrialHost, lockout  # not where everything started
    from reconciler.app.plan.strict_readers import refused_when_back
    from reconciler.engine.undo.auto_rollback import UndoTools, put_back
    from reconciler.host.files.lines import edited

    assert planned.situation is not None and planned.request is not None
    host.forget()
    about = {"by": started_by(), "put_back": True}
    trial = TrialHost()

    def judge(undo: Rollback) -> Iterator[Diagnostic]:
        name = static_hostname(host) or undo.plan.host
        yield from lockout(undo.plan.steps, host, name, trial, allow)[0]
        yield from refused_when_back(undo.plan.steps, host)

    tools = UndoTools(host, store, trial.simulator, edited, tell, host.settle, about, judge)
    return put_back(result, planned.situation, planned.request, tools)


def _carry_out(
    task: _Task,
    tell: Callable[[Progress], None],
    directory: str,
    host: Host,
    memory: Memory,
    planned: Planned,
) -> Applied:
    """Open the state, and carry out the plan. Raises HostError."""
    started = monotonic()
    if (
        isinstance(host, LiveHost)
        and planned.plan is not None
        and any(isinstance(step.action, Unit) for step in planned.plan.steps)
    ):
        host.ask_ahead()  # a run begins by writing down the state of the units
    try:
        store = Store.open(directory, machine_id(host), now=now, replace_damaged=bool(memory.damaged))
    except StateDamaged as problem:
        if memory.damaged:
            raise
        # Opening verifies the journal and the undo store too, which reading does not. Nothing is done yet:
        # the plan is made again, as for a damaged ledger, which removes nothing.
        return _apply_locked(task, tell, directory, None, damaged=f"{directory}: {problem.detail}")
    with store:
        remembered = store.memory()
        planned = _with_memory(planned, memory, remembered) or task.plan(host, _merged(remembered, memory))
        if planned.plan is None or planned.refused:
            return Applied(planned)
        assert planned.situation is not None and planned.request is not None
        store.prune_undo()
        store.release(planned.plan.memory.ended)
        if memory.damaged:
            rows, owed = _held_rows(planned)
            store.settle(0, put=rows, owe=owed)
        if memory.interrupted and isinstance(host, LiveHost):
            host.remove_stale_locks()  # the account commands that were killed with the run left them
        request = replace(planned.request, about={"by": started_by()}, started=known_before(planned))
        result = apply(planned.plan, planned.situation, request, host, store, tell, host.settle)
        if result.fallen:
            result = _put_back(
                result, replace(planned, request=request), host, store, tell, task.options.allow
            )
    note_settled(task.loaded, task.options, planned)
    note_started(directory, replace(planned, request=request), result)
    return Applied(planned, replace(result, seconds=monotonic() - started))
