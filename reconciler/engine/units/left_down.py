"""After a run: units that ran before and that systemd took along run again, or the run says that they do not.

A start or restart that fails takes its dependents down with it (systemd.unit(5), Requires=), and systemd does
not start them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from reconciler.core.actions import Unit, UnitVerb
from reconciler.core.address import Address
from reconciler.core.diagnostic import Diagnostic, error
from reconciler.core.host import Executor, HostError
from reconciler.core.plan import Plan
from reconciler.core.result import ApplyResult, Outcome, Status
from reconciler.engine.run_state import Settle
from reconciler.engine.units.dependents import RUNNING


def running(host: Executor, plan: Plan) -> dict[str, Address]:
    """The units that systemd may take along with the plan and that run now, each with the address that takes
    it along.
    """
    if not host.running or not plan.effects:
        return {}
    takers = {effect.taken.unit: effect.address for effect in plan.effects if not effect.stays_down}
    states = host.units(sorted(takers))
    return {unit: address for unit, address in takers.items() if states[unit].active in RUNNING}


def bring_back(result: ApplyResult, host: Executor, settle: Settle) -> ApplyResult:
    """The result, after units that were left down were started again. A unit that still does not run counts
    as failed.

    A unit is not started where the one that took it along has failed and was not put back: it would only fail
    once more.
    """
    down = _down(result.ran, host)
    if not down:
        return result
    lost = {
        address for address, outcome in result.outcomes.items() if outcome.status is Status.FAILED
    } - result.put_back
    again = sorted(unit for unit, address in down.items() if address not in lost)
    reasons = dict.fromkeys(down, "")
    if again:
        reasons |= _start(again, host, settle)
    still = _down(down, host)
    return _told(result, {unit: reasons[unit] for unit in still}) if still else result


def _down(units: Mapping[str, Address], host: Executor) -> dict[str, Address]:
    states = host.units(sorted(units)) if units else {}
    return {unit: address for unit, address in units.items() if states[unit].active not in RUNNING}


def _start(units: Sequence[str], host: Executor, settle: Settle) -> Mapping[str, str]:
    """Start these units; returns why some do not run."""
    try:
        receipt = host.execute(Unit(UnitVerb.START, tuple(units)))
    except HostError as problem:
        return dict.fromkeys(units, str(problem))
    failed = receipt.failed or {}
    return {**failed, **settle([unit for unit in units if unit not in failed])}


def _told(result: ApplyResult, still: Mapping[str, str]) -> ApplyResult:
    """The result with the units that are left down: a declared unit's part has failed, another unit is a
    warning.
    """
    declared = {effect.taken.unit: effect.declared for effect in result.plan.effects}
    outcomes, diagnostics = dict(result.outcomes), list(result.diagnostics)
    for unit, reason in sorted(still.items()):
        address, taker = declared.get(unit), result.ran[unit]
        words = f"{unit} ran before, was stopped along with {taker}, and does not run now" + (
            f": {reason}" if reason else ""
        )
        if address is not None and outcomes.get(address, Outcome(Status.APPLIED)).status is not Status.FAILED:
            outcomes[address] = Outcome(Status.FAILED, words)
        diagnostics += _diagnostics(address or taker, words, unit)
    return replace(result, outcomes=outcomes, diagnostics=tuple(diagnostics), left_down=tuple(sorted(still)))


def _diagnostics(address: Address, words: str, unit: str) -> Iterable[Diagnostic]:
    detail = f"{words}. When it can run again: systemctl start {unit}"
    yield error("a unit was left down", detail, address=address, rule="left-down")
