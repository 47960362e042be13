"""The memory that an apply keeps of the processes that it saw run.

It tells which of them run with older configuration (`engine.units.stale_processes`). It stands in a file
beside the ledger, and not in it: without it less is known, and nothing that is known is wrong.
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
    """`started` by unit; `open`: one of them had something older than what was on disk when it was noted."""

    started: Mapping[str, Started]
    open: bool


def read_started(directory: str, key: bytes) -> Remembered | None:
    """The memory of processes; None without it, or if it was made with another key: then nothing in it can be
    compared.
    """
    try:
        data = json.loads(recall(directory, PROCESSES) or b"null")
        if not key or data["format"] != _FORMAT or data["key"] != _of(key):
            return None
        return Remembered(stale_processes.from_data(data["units"]), bool(data["open"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _of(key: bytes) -> str:
    return keyed_digest(PROCESSES.encode(), key)


def runs_as_started(directory: str, memory: Memory, host: HostView) -> bool:
    """Whether nothing can have become older since the last apply looked."""
    if not host.running:
        return True
    found = read_started(directory, memory.key)
    return found is not None and not found.open and stale_processes.unchanged(host, found.started, memory.key)


def known_before(planned: Planned) -> Mapping[str, Started]:
    """The processes as known before anything is done: what an apply changes without a restart makes nobody
    older.
    """
    request, situation = planned.request, planned.situation
    assert request is not None and situation is not None
    return {
        **request.started,
        **stale_processes.seen(request, situation, stale_processes.processes(request, situation)),
    }


def note_started(directory: str, planned: Planned, result: ApplyResult | None = None) -> None:
    """After an apply: remember what each process was started with. Raises StateError, Unreadable."""
    request, situation = planned.request, planned.situation
    if request is None or situation is None or not request.view.running or not request.memory.lineage:
        return  # without a ledger there is no key that would be the same the next time
    reloaded = frozenset[str]()
    if result is not None:
        mine = [
            address
            for address, part in situation.parts.items()
            if request.kinds[address.kind].process(part) is not None
        ]
        now = look_again(situation, mine, request.kinds, request.view, request.memory.key)
        situation, reloaded = replace(situation, observed={**situation.observed, **now}), _reloaded(result)
    found = stale_processes.processes(request, situation)
    whole = not request.targets and not request.excludes
    started = {
        **({} if whole else request.started),
        **stale_processes.seen(request, situation, found, reloaded),
    }
    data = {
        "format": _FORMAT,
        "key": _of(request.memory.key),
        "open": not whole or stale_processes.is_open(request, found, reloaded),
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
