"""`status`: the last apply, what is pending, owed, drifted or broken, and the next run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from reconciler.app.plan.planned import Planned
from reconciler.app.show import public_run
from reconciler.core.actions import Unit
from reconciler.core.changes import Change, Verb
from reconciler.core.diagnostic import errors
from reconciler.core.host import HostError
from reconciler.core.plan import Plan
from reconciler.core.state import OwedRow
from reconciler.host.hosts import state_directory
from reconciler.host.installation import own_units, unit_states
from reconciler.host.process.environment import now
from reconciler.host.state.history import History, open_history
from reconciler.render.plan.entries import drifted, failed
from reconciler.render.plan.pending import hold_data


def standing(planned: Planned, root: str | None) -> dict[str, Any]:
    """The facts of `status`, as JSON.

    `healthy` is true if nothing is to be done and the last apply ended well. Raises HostError.
    """
    plan = planned.plan
    history = _history(plan, root)
    last = good = None
    if history is not None:
        with history:
            last = last_apply(history)
            good = last if last and last["status"] == "applied" else public_run(history.last_run("applied"))
    changes = _pending(plan) if plan else []
    drift = [str(change.address) for change in plan.changes if drifted(change)] if plan else []
    problems = [diagnostic.summary for diagnostic in errors(planned.diagnostics)]
    failing = _failing_jobs(plan) if root is None else []
    return {
        "host": plan.host if plan else None,
        "managed": None if plan and plan.memory.unreadable else len(plan.memory.rows) if plan else 0,
        "ledger_unreadable": plan.memory.unreadable or None if plan else None,
        "last_run": last,
        "last_good_run": good and good["run"],
        "seconds_since_last_good_run": max(now() - good["ended"], 0) if good else None,
        "next_run": _next_run(root),
        "interrupted": plan.memory.interrupted or None if plan else None,
        "damaged": plan.memory.damaged or None if plan else None,
        "pending": [
            {"address": str(change.address), "change": change.verb.name.lower(), "origin": str(change.origin)}
            for change in changes
        ],
        "blocked": {
            str(change.address): plan.blocked[change.address]
            for change in changes
            if plan and change.address in plan.blocked
        },
        "refused": {
            str(diagnostic.address): diagnostic.detail
            for diagnostic in planned.diagnostics
            if diagnostic.rule == "refused-unit"
        },
        "drift": drift,
        "failed_services": [str(change.address) for change in plan.changes if failed(change)] if plan else [],
        "failing_jobs": failing,
        "audit": _audited() if root is None else None,
        "holds": [hold_data(row) for row in plan.memory.holds] if plan else [],
        "held": {str(address): why for address, why in plan.held.items()} if plan else {},
        "owed": [_owed(row, plan) for row in plan.owed] if plan else [],
        "restarts": _units_of(plan) if plan else [],
        "problems": problems,
        "complete": plan.complete if plan else False,
        "healthy": bool(
            plan
            and plan.empty
            and plan.complete
            and not problems
            and not failing
            and (last is None or last["status"] == "applied")
        ),
    }


def _pending(plan: Plan) -> list[Change]:
    """The changes that an apply makes, with those that are blocked."""
    return [
        change for change in plan.changes if change.verb is not Verb.NONE and change.address not in plan.held
    ]


def _units_of(plan: Plan) -> list[str]:
    """The units that an apply starts, stops, restarts or reloads."""
    units = (step.action.units for step in plan.steps if isinstance(step.action, Unit) and not step.held)
    return sorted({unit for names in units for unit in names})


def _failing_jobs(plan: Plan | None) -> list[dict[str, Any]]:
    """The rows of the jobs that are not well. Raises HostError when systemd cannot be asked."""
    from reconciler.app.service.job_health import jobs, unwell  # imports the archive readers

    return unwell(jobs(plan.memory if plan else None))


def _audited() -> dict[str, Any] | None:
    """The counts of the last recorded audit, and its age; None without one that can be read."""
    from reconciler.app.audit.history import recorded

    try:
        record = recorded()
    except HostError:
        return None
    if record is None or not record.history:
        return None
    seconds = max(now() - int(datetime.fromisoformat(record.time).timestamp()), 0)
    return {**record.history[-1], "seconds_since": seconds}


def _history(plan: Plan | None, root: str | None) -> History | None:
    """The journal; None if the state cannot be read and the plan says so already. Raises HostError."""
    try:
        return open_history(state_directory(root))
    except HostError:
        if plan is None or not plan.memory.unreadable:
            raise
        return None


def last_apply(history: History) -> dict[str, Any] | None:
    """The last run that somebody made, with `put_back_by`, the run that undid it by itself, if one did."""
    last = history.last_run()
    if last is None or not last.get("put_back"):
        return public_run(last)
    failed = history.run(int(last["undoes"]))
    return public_run(last if failed is None else {**failed, "put_back_by": last["run"]})


def _next_run(root: str | None) -> dict[str, Any] | None:
    """The next time that our own timer applies, and its unit; None if none is active, or no systemd runs."""
    timers = [unit for unit in own_units() if unit.endswith(".timer")] if root is None else []
    try:
        states = unit_states(timers)
    except HostError:
        return None
    next_runs = [
        (unit, state.get("NextElapseUSecRealtime", ""))
        for unit, state in states.items()
        if state.get("ActiveState") == "active"
    ]
    return next(({"unit": unit, "at": at} for unit, at in sorted(next_runs) if at), None)


def _owed(row: OwedRow, plan: Plan) -> dict[str, Any]:
    """An owed effect as JSON; `why` includes the objection that keeps an apply from doing it."""
    objection = plan.keeps(row)
    why = "; ".join(filter(None, (row.why, objection)))
    return {
        "address": str(row.address),
        "verb": row.verb,
        "unit": row.unit,
        "why": why,
        "held": row.held or bool(objection),
    }
