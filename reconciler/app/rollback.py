"""`rollback` of one host: under the lock, find the run, compare, ask, and undo it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from reconciler._version import __version__
from reconciler.app.plan.lockout import TrialHost, lockout
from reconciler.app.plan.plan import inside_of
from reconciler.app.plan.strict_readers import refused_when_back
from reconciler.core.action_data import as_data, without_digests
from reconciler.core.actions import WriteFile
from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Part
from reconciler.core.diagnostic import Diagnostic, error, errors, warning
from reconciler.core.host import HostError, HostView
from reconciler.core.journal import PastRun
from reconciler.core.result import ApplyResult, Progress
from reconciler.core.secrets.masking import holds_private_key
from reconciler.core.state import Memory
from reconciler.core.steps import Step
from reconciler.engine.undo.rollback import Rollback, carry_out, plan_rollback
from reconciler.engine.undo.undo_paths import UndoRequest
from reconciler.host.files.lines import edited
from reconciler.host.hosts import machine_id, open_host, state_directory, static_hostname
from reconciler.host.process.environment import is_root, monotonic, now, started_by
from reconciler.host.state.history import open_history
from reconciler.host.state.lock import Lock, LockBusy
from reconciler.host.state.open import recover
from reconciler.host.state.read import read_memory
from reconciler.host.state.store import Store
from reconciler.kinds import discover
from reconciler.render.masking import mask, mask_diff
from reconciler.render.plan.entries import along_data
from reconciler.render.plan.text_diff import unified


@frozen
class RollbackOptions:
    """The options of a rollback on the command line."""

    run: int = 0
    """The run to undo; 0 for the last one that somebody made and that is not undone."""
    root: str | None = None
    """A tree instead of the running host."""
    targets: tuple[str, ...] = ()
    """Only these addresses are undone; all if empty."""
    excludes: tuple[str, ...] = ()
    """These addresses are not undone."""
    overwrite: tuple[str, ...] = ()
    """Addresses whose later changes are given up."""
    unprotect: tuple[str, ...] = ()
    """Addresses whose protection does not count."""
    allow: tuple[str, ...] = ()
    """Guards that are overridden."""


@frozen
class RolledBack:
    """The outcome of a rollback."""

    diagnostics: tuple[Diagnostic, ...] = ()
    """Everything that is wrong or worth a warning."""
    planned: Rollback | None = None
    """None when there was no run to plan from."""
    data: Mapping[str, Any] | None = None
    """The public form of `planned`, with the result."""
    result: ApplyResult | None = None
    """None when nothing was begun."""
    declined: bool = False
    """Whether the question was answered with no."""
    busy: bool = False
    """Whether an apply is running."""

    @property
    def refused(self) -> bool:
        """Whether it was refused, not only impossible."""
        return any(diagnostic.refusal for diagnostic in errors(self.diagnostics))


Approve = Callable[[Mapping[str, Any]], bool]
_Passed = tuple[tuple[int, int], ...]
"""Runs that are undone already, each with the run that undid it."""


def roll_back(
    options: RollbackOptions, approve: Approve, tell: Callable[[Progress], None], lock_timeout: float
) -> RolledBack:
    """The whole of `rollback`. `approve` is shown the public form of the plan and says whether it may run."""
    if options.root is None and not is_root():
        return _stopped("rollback needs root", "Run it as root, or try it on a tree with --root DIR.")
    directory = state_directory(options.root)
    try:
        memory = read_memory(directory, machine_id(open_host(options.root)))
        if not memory.lineage and not memory.damaged:
            return _stopped("nothing to roll back", "There was no apply here yet.")
        with Lock(directory, timeout_seconds=lock_timeout):
            return _locked(options, approve, tell, directory)
    except LockBusy as busy:
        return RolledBack((error("another apply is running", str(busy)),), busy=True)
    except HostError as problem:
        return _stopped(problem.summary, problem.detail)


def _stopped(summary: str, detail: str) -> RolledBack:
    return RolledBack((error(summary, detail),))


def _locked(
    options: RollbackOptions, approve: Approve, tell: Callable[[Progress], None], directory: str
) -> RolledBack:
    recover(directory)
    host = open_host(options.root)
    memory = read_memory(directory, machine_id(host))
    if memory.damaged:
        return _stopped(
            "the ledger is damaged",
            f"{memory.damaged}. Its rows about the past cannot be trusted; `reconciler doctor` tells more.",
        )
    past, passed, problem = _past(directory, options.run)
    if past is None:
        return _stopped("nothing to roll back", problem)
    planned = _planned(options, past, memory, host)
    diagnostics, data = planned.diagnostics, rollback_data(planned, host, passed=passed)
    if errors(diagnostics) or (planned.empty and not _half_done(planned)):
        return RolledBack(diagnostics, planned, data)
    if not approve(data):
        return RolledBack(diagnostics, planned, data, declined=True)
    started = monotonic()
    with Store.open(directory, machine_id(host), now=now) as store:
        planned = _planned(options, past, store.memory(), host)
        if errors(planned.diagnostics):
            return RolledBack(planned.diagnostics, planned, data)
        result = carry_out(planned, host, store, tell, host.settle, {"by": started_by()})
    return RolledBack(
        diagnostics,
        planned,
        {**data, "result": _result(result)},
        replace(result, seconds=monotonic() - started),
    )


def _half_done(planned: Rollback) -> bool:
    """Whether the ledger has rows of the run still: a rollback was killed before it wrote the ledger."""
    rows = planned.wish.memory.rows
    return any(
        rows.get(address) != row
        for address, row in planned.reversal.past.rows.items()
        if address in planned.reversal.addresses
    )


def _planned(options: RollbackOptions, past: PastRun, memory: Memory, host: HostView) -> Rollback:
    request = UndoRequest(
        past, memory, edited, options.overwrite, options.targets, options.excludes, options.unprotect
    )
    trial = TrialHost()
    parts = _declared(options.root) if host.running else ()
    planned = plan_rollback(request, host, discover(), __version__, trial.simulator, inside_of(host), parts)
    name = static_hostname(host) or planned.plan.host
    locked_out, unknown = lockout(planned.plan.steps, host, name, trial, options.allow)
    diagnostics = (
        *locked_out,
        *(warning("not known whether it locks out", reason, rule="lock-out") for reason in unknown),
    )
    refused = refused_when_back(planned.plan.steps, host)
    return replace(planned, diagnostics=(*planned.diagnostics, *diagnostics, *refused))


def _declared(root: str | None) -> tuple[Part, ...]:
    """The parts that the spec applied last declares: systemd must not take some of them along.

    A spec that cannot be read declares nothing.
    """
    from reconciler.app.specs import SpecChoice, load_spec

    loaded = load_spec(SpecChoice(root=root), lambda: b"")
    kinds, running = discover(), True
    resources = loaded.spec.resources if loaded.spec is not None else ()
    return tuple(
        part for declared in resources for part in kinds[declared.address.kind].expand(declared, running)
    )


def _past(directory: str, number: int) -> tuple[PastRun | None, _Passed, str]:
    """The run to undo, the newer runs that are undone already, and why there is none to undo.

    Raises HostError.
    """
    history = open_history(directory)
    if history is None:
        return None, (), "There was no apply here yet."
    passed: _Passed = ()
    with history:
        chosen = number
        if not number:
            chosen, passed = history.last_standing()
        past = history.past(chosen) if chosen else None
        last = history.last_run()
    if past is None:
        last_words = f"; the last one is {last['run']}" if last else ""
        nothing = (
            "Every run that changed anything is undone already."
            if passed
            else "No run has changed anything yet."
        )
        return (
            None,
            passed,
            f"There is no run {number}{last_words}. `reconciler history` lists them." if number else nothing,
        )
    if not past.changed:
        return None, passed, f"Run {past.number} changed nothing."
    return past, passed, ""


def rollback_data(
    planned: Rollback, host: HostView, result: ApplyResult | None = None, *, passed: _Passed = ()
) -> dict[str, Any]:
    """The public form of a rollback; every output is made from it.

    `passed` are newer runs that are undone already.
    """
    reversal, past = planned.reversal, planned.reversal.past
    addresses = sorted({*reversal.addresses, *reversal.refused})
    objects = [_object(planned, address, host) for address in addresses]
    return {
        "host": planned.plan.host or static_hostname(host),
        "undoes": {
            "run": past.number,
            "status": past.status,
            "started": past.started,
            "undoes": past.undoes or None,
        },
        "undone_already": [{"run": run, "undone_by": by} for run, by in passed],
        "objects": [entry for entry in objects if entry["steps"] or entry["kept"] or entry["refused"]],
        "steps": [_step_data(step) for step in reversal.steps],
        "taken_along": [along_data(effect) for effect in planned.plan.effects],
        "result": None if result is None else _result(result),
    }


def _object(planned: Rollback, address: Address, host: HostView) -> dict[str, Any]:
    reversal = planned.reversal
    own_steps = [step for step in reversal.steps if any(cause.address == address for cause in step.causes)]
    return {
        "address": str(address),
        "steps": [{**_step_of(step, address), **_diff(planned, address, step, host)} for step in own_steps],
        "kept": mask(list(reversal.kept.get(address, ()))),
        "refused": mask(reversal.refused.get(address, "")),
    }


def _step_data(step: Step) -> dict[str, Any]:
    data: dict[str, Any] = mask({**without_digests(as_data(step.action)), "held": step.held})
    return data


def _step_of(step: Step, address: Address) -> dict[str, Any]:
    """The part of a step that is done on behalf of one address."""
    causes = [cause for cause in step.causes if cause.address == address]
    units = {cause.unit for cause in causes if cause.unit}
    data = _step_data(step)
    if units:
        data["units"] = sorted(units)
    return data | {"why": mask(next((cause.reason for cause in causes if cause.reason), ""))}


def _diff(planned: Rollback, address: Address, step: Step, host: HostView) -> dict[str, Any]:
    """The diff of a file's text; empty if the file was not ours before that run too, or may hold a secret."""
    action, row = step.action, planned.reversal.past.rows.get(address)
    if (
        not isinstance(action, WriteFile)
        or action.sensitive
        or row is None
        or row.sensitive
        or row.document is None
    ):
        return {}
    try:
        now, then = host.read(action.path).decode(), action.content.decode()
        if holds_private_key(now) or holds_private_key(then):
            return {}
        return {"diff": mask_diff(unified(now, then) or ())}
    except (HostError, FileNotFoundError, UnicodeDecodeError):
        return {}


def _result(result: ApplyResult) -> dict[str, Any]:
    return {
        "run": result.run,
        "left_down": list(result.left_down),
        "outcomes": {
            str(address): {"status": str(outcome.status), "reason": outcome.reason}
            for address, outcome in result.outcomes.items()
        },
        "owed": [
            {"verb": row.verb, "unit": row.unit, "address": str(row.address), "held": row.held}
            for row in result.owed
        ],
    }
