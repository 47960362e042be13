"""The processes that an apply saw run, before it and after it: what is remembered (`app.plan.started`) shows
which of them run with older configuration (`engine.units.stale_processes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.app.plan.started import Remembered, write_started
from reconciler.core.actions import Unit, UnitVerb
from reconciler.core.basis import Started
from reconciler.core.plan import Plan
from reconciler.core.result import ApplyResult, Status
from reconciler.engine.inputs import look_again
from reconciler.engine.units import stale_processes

if TYPE_CHECKING:
    from reconciler.app.plan.planned import Planned


def known_before(planned: Planned) -> Mapping[str, Started]:
    """The memory of processes before an apply, from the last one and from what is seen now."""
    request, situation = planned.request, planned.situation
    assert request is not None and situation is not None
    return {
        **request.started,
        **stale_processes.started(request, situation, stale_processes.processes(request, situation)),
    }


def note_started(directory: str, planned: Planned, result: ApplyResult | None = None) -> None:
    """Write down after an apply what each process was started with. Raises StateError, Unreadable."""
    request, situation = planned.request, planned.situation
    if request is None or situation is None or not request.view.running or not request.memory.lineage:
        return  # without a ledger the next run has another key
    reloaded = frozenset[str]()
    if result is not None:
        addresses = [
            address
            for address, part in situation.parts.items()
            if request.kinds[address.kind].process(part) is not None
        ]
        observed = look_again(situation, addresses, request.kinds, request.view, request.memory.key)
        situation, reloaded = (
            replace(situation, observed={**situation.observed, **observed}),
            _reloaded(result),
        )
    processes = stale_processes.processes(request, situation)
    is_whole = not request.targets and not request.excludes
    started = {
        **({} if is_whole else request.started),
        **stale_processes.started(request, situation, processes, reloaded),
    }
    is_open = not is_whole or stale_processes.is_open(request, processes, reloaded)
    write_started(directory, request.memory.key, Remembered(started, is_open))


def _reloaded(result: ApplyResult) -> frozenset[str]:
    plan: Plan = result.plan
    failed = {*result.having(Status.FAILED), *result.having(Status.SKIPPED)}
    steps = [
        step
        for step in plan.steps
        if isinstance(step.action, Unit) and step.action.verb is UnitVerb.RELOAD and not step.held
    ]
    return frozenset(cause.unit for step in steps for cause in step.causes if cause.address not in failed)
