"""Apply to one host: under the lock, plan, ask, apply.

A plan that was made before the lock was held is made again. Only the plan of a host on which nothing was ever
applied is kept, if that is still so under the lock: there is no memory that another apply could have changed,
and the steps' `expects` find what anybody else changes on the host meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reconciler.app.plan.noop_fast_path import note_settled
from reconciler.app.plan.plan import PlanOptions, plan_host
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
    from reconciler.engine.undo.rollback import Rollback

Approve = Callable[[Planned], bool]
Approved = Mapping[str, Any]
"""A saved plan: only what is planned afresh is ever done, and only if it is that."""


@frozen
class Applied:
    """The outcome of an apply.

    `result` is None when nothing was begun; `declined` when the question was answered with no.
    """

    planned: Planned
    result: ApplyResult | None = None
    declined: bool = False
    busy: str = ""


@frozen
class _Task:
    """The task of an apply: what is to be applied, and what says that it may be."""

    loaded: Loaded
    options: PlanOptions
    approve: Approve
    approved: Approved | None

    def plan(self, host: Host | None = None, memory: Memory | None = None) -> Planned:
        """Plan; what a saved plan does not approve is refused."""
        host = host or open_host(self.options.root)
        with _looking_twice(host):
            planned = plan_host(self.loaded, self.options, host, memory)
        if self.approved is None or planned.plan is None:
            return planned
        from reconciler.policy.approval import check  # only for --approved

        found = (*planned.diagnostics, *check(self.approved, planned.plan, access(planned, texts(planned))))
        return replace(planned, diagnostics=found, plan=replace(planned.plan, diagnostics=found))


def apply_host(
    loaded: Loaded,
    options: PlanOptions,
    approve: Approve,
    tell: Callable[[Progress], None],
    lock_timeout: float,
    approved: Approved | None = None,
) -> Applied:
    """The whole of `apply`.

    `approve` is shown the plan that would run and says whether it may; `approved` is a plan that was saved.
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
        # A state that an apply was killed in the middle of writing reads as damaged until it is recovered,
        # under the lock.
        if memory.damaged != INTERRUPTED and (approved is not None or not memory.lineage):
            # The first apply: nothing is created, not even our state, before the guards have agreed. Nor for
            # an approval that is stale.
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
    """Let the host look twice: an apply's exit code says whether all is as declared.

    A plan may have a lucky look at what keeps crashing, an apply not.
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
    """The memory that a ledger begun again goes on with: its own key, and the rows of the damaged one that
    still proved themselves.
    """
    return (
        replace(remembered, damaged=memory.damaged, rows=memory.rows, owed=memory.owed)
        if memory.damaged
        else remembered
    )


def _kept_of_damaged(planned: Planned) -> tuple[list[LedgerRow], list[OwedRow]]:
    """The rows of what is held that a ledger begun again must know: nothing about it changes, so no run will
    write it down.
    """
    plan, situation = planned.plan, planned.situation
    assert plan is not None and situation is not None
    held = [address for address in plan.held if address in situation.parts]
    rows = [plan.memory.rows[address] for address in held if address in plan.memory.rows]
    return rows, [replace(row, run=0) for row in plan.memory.owed if row.address in held]


def _kept(first: Planned | None, memory: Memory) -> Planned | None:
    """The plan that was made before the lock was held, if nothing has been applied yet and nothing was
    remembered then.
    """
    if first is None or first.request is None or memory.lineage:
        return None
    before = first.request.memory
    return first if before == replace(memory, key=memory.key or before.key) else None


def _under(planned: Planned, memory: Memory, remembered: Memory) -> Planned | None:
    """The plan with what is remembered now; None when it must be made again.

    A ledger that has just been begun brings a key, and only the digests of secrets are made with that.
    """
    if (
        memory.interrupted
        or memory.damaged
        or planned.plan is None
        or planned.situation is None
        or planned.request is None
    ):
        return None
    if remembered.key == memory.key and remembered.serial == memory.serial:
        return planned
    secret = any(part.sensitive for part in planned.situation.parts.values()) or planned.situation.revealed
    if memory.lineage or memory.unreadable or remembered.rows or remembered.owed or secret:
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
    planned = _kept(first, memory) or task.plan(host, memory)
    if planned.plan is None or planned.refused:
        return Applied(planned)
    if not planned.plan.empty and not task.approve(planned):
        return Applied(planned, declined=True)
    plan = planned.plan
    remember_spec(directory, task.loaded.path)
    if (
        plan.empty
        and not plan.converged
        and not plan.settled
        and not memory.interrupted
        and not memory.damaged
        and not memory.ended
    ):
        note_settled(task.loaded, task.options, planned)
        note_started(directory, planned)
        return Applied(planned, ApplyResult(plan, left_undone(plan), plan.owed))
    return _carry_out(task, tell, directory, host, memory, planned)


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
    tried = TrialHost()

    def judge(undo: Rollback) -> Iterator[Diagnostic]:
        name = static_hostname(host) or undo.plan.host
        yield from lockout(undo.plan.steps, host, name, tried, allow)[0]
        yield from refused_when_back(undo.plan.steps, host)

    means = UndoTools(host, store, tried.simulator, edited, tell, host.settle, about, judge)
    return put_back(result, planned.situation, planned.request, means)


def _carry_out(
    task: _Task,
    tell: Callable[[Progress], None],
    directory: str,
    host: Host,
    memory: Memory,
    planned: Planned,
) -> Applied:
    """Open the state and do what is planned."""
    started = monotonic()
    if (
        isinstance(host, LiveHost)
        and planned.plan is not None
        and any(isinstance(step.action, Unit) for step in planned.plan.steps)
    ):
        host.ask_ahead()  # how units stand before it is the first thing that the run writes down
    try:
        store = Store.open(directory, machine_id(host), now=now, replace_damaged=bool(memory.damaged))
    except StateDamaged as problem:
        if memory.damaged:
            raise
        # Opening verifies more than reading does, journal and undo store: nothing is done yet, so all of it
        # once more, without removals.
        return _apply_locked(task, tell, directory, None, damaged=f"{directory}: {problem.detail}")
    with store:
        remembered = store.memory()
        planned = _under(planned, memory, remembered) or task.plan(host, _merged(remembered, memory))
        if planned.plan is None or planned.refused:
            return Applied(planned)
        assert planned.situation is not None and planned.request is not None
        store.prune_undo()
        store.release(planned.plan.memory.ended)
        if memory.damaged:
            rows, owed = _kept_of_damaged(planned)
            store.settle(0, put=rows, owe=owed)
        if memory.interrupted and isinstance(host, LiveHost):
            host.remove_stale_locks()  # of the account commands that were killed with it
        request = replace(planned.request, about={"by": started_by()}, started=known_before(planned))
        result = apply(planned.plan, planned.situation, request, host, store, tell, host.settle)
        if result.fallen:
            result = _put_back(
                result, replace(planned, request=request), host, store, tell, task.options.allow
            )
    note_settled(task.loaded, task.options, planned)
    note_started(directory, replace(planned, request=request), result)
    return Applied(planned, replace(result, seconds=monotonic() - started))
