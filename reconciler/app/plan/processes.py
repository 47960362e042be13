"""The memory that an apply keeps of the processes that it saw run.

It shows which of them run with older configuration (`engine.units.stale_processes`). It is a file beside the
ledger: if it is lost, less is known, but nothing wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.core.actions import Unit, UnitVerb
from reconciler.core.basics.digest import keyed_digest
from reconciler.core.basics.frozen import frozen
from reconciler.core.basis import Started
from reconciler.core.host import HostView
from reconciler.core.plan import Plan
from reconciler.core.result import ApplyResult, Status
from reconciler.core.state import Memory
from reconciler.engine.inputs import look_again
from reconciler.engine.units import stale_processes
from reconciler.host.state.files import PROCESSES
from reconciler.host.state.notes import recall, remember

if TYPE_CHECKING:
    from reconciler.app.plan.planned import Planned

_FORMAT = 2


@frozen
class Remembered:
    """The memory of processes."""

    started: Mapping[str, Started]
    """The files that each process was started with, by unit."""
    open: bool
    """Whether some process may have run with older files when this was written."""


def read_started(directory: str, key: bytes) -> Remembered | None:
    """The memory of processes; None without one, or if it was made with another key."""
    try:
        data = json.loads(recall(directory, PROCESSES) or b"null")
        if not key or data["format"] != _FORMAT or data["key"] != _key_mark(key):
            return None
        return Remembered(stale_processes.from_data(data["units"]), bool(data["open"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _key_mark(key: bytes) -> str:
    """A digest by which the key is recognised."""
    return keyed_digest(PROCESSES.encode(), key)


def runs_as_started(directory: str, memory: Memory, host: HostView) -> bool:
    """Whether no process runs with older configuration than at the last apply."""
    if not host.running:
        return True
    remembered = read_started(directory, memory.key)
    return (
        remembered is not None
        and not remembered.open
        and stale_processes.unchanged(host, remembered.started, memory.key)
    )


def known_before(planned: Planned) -> Mapping[str, Started]:
    """The memory of processes before an apply, from the last one and from what is seen now."""
    request, situation = planned.request, planned.situation
    assert request is not None and situation is not None
    return {
        **request.started,
        **stale_processes.seen(request, situation, stale_processes.processes(request, situation)),
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
        **stale_processes.seen(request, situation, processes, reloaded),
    }
    data = {
        "format": _FORMAT,
        "key": _key_mark(request.memory.key),
        "open": not is_whole or stale_processes.is_open(request, processes, reloaded),
        "units": stale_processes.as_data(started),
    }
    remember(directory, PROCESSES, json.dumps(data, sort_keys=True).encode())


def _reloaded(result: ApplyResult) -> frozenset[str]:
    plan: Plan = result.plan
    failed = {*result.having(Status.FAILED), *result.having(Status.SKIPPED)}
    steps = [
        step
        for step in plan.steps
        if isinstance(step.action, Unit) and step.action.verb is UnitVerb.RELOAD and not step.held
    ]
    return frozenset(cause.unit for step in steps for cause in step.causes if cause.address not in failed)
