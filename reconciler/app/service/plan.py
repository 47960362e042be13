"""The facts about a spec's services that a plan adds to systemd's: drift, owed effects, the next apply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.app.plan.options import PlanOptions
from reconciler.app.plan.plan import plan_host
from reconciler.app.plan.planned import Planned
from reconciler.app.service.service import Chosen, address_of
from reconciler.app.specs import Loaded
from reconciler.core.address import Address
from reconciler.core.changes import Change, Verb
from reconciler.core.state import Memory
from reconciler.engine.units import gates
from reconciler.host.systemd import service_facts
from reconciler.render.plan.entries import drifted

_LINES = 10
_UNSEEN: Mapping[str, Any] = {
    "drifted": None,
    "pending": None,
    "older": [],
    "blocked": "",
    "put_back": False,
    "ledger_unreadable": None,
}


def plan_services(loaded: Loaded) -> Planned | None:
    """A plan of the services alone; None without a spec that can be read."""
    return plan_host(loaded, PlanOptions(targets=("services",))) if loaded.ok else None


def memory_of(planned: Planned | None) -> Memory | None:
    """The memory that the plan was made with."""
    return planned.plan.memory if planned is not None and planned.plan is not None else None


def standing(name: str, planned: Planned | None) -> dict[str, Any]:
    """Whether one service is as declared, and what the next apply makes of it.

    The keys are `drifted`, `pending` (it is not as declared), `older` (why it runs with older configuration),
    `blocked` (why the next apply does not change it), `put_back` (an apply changed it, and put it back), and
    `ledger_unreadable` (why). A fact that is not known is None: the service is not in the spec, or cannot be
    read.
    """
    plan = planned.plan if planned is not None else None
    address = address_of(name)
    if planned is None or plan is None or planned.situation is None or not _declared(address, planned):
        return dict(_UNSEEN)
    changes = [change for change in plan.changes if change.address.resource == address]
    blind = bool(plan.memory.unreadable) or any(part.resource == address for part in plan.unreadable)
    older = [row.why for row in plan.owed if row.address.resource == address]
    return {
        "drifted": None if blind else any(drifted(change) for change in changes),
        "pending": None if blind else any(_pending(change) for change in changes),
        "older": older,
        "blocked": next((why for part, why in plan.blocked.items() if part.resource == address), ""),
        "put_back": any(
            gates.is_refusal(row) and row.address.resource == address for row in plan.memory.owed
        ),
        "ledger_unreadable": plan.memory.unreadable or None,
    }


def _declared(address: Address, planned: Planned) -> bool:
    return (
        any(part.resource == address for part in planned.situation.parts)
        if planned.situation is not None
        else False
    )


def _pending(change: Change) -> bool:
    return change.verb is not Verb.NONE


def journal_tail(row: Mapping[str, Any]) -> list[str]:
    """The last lines of the journal of this process, or of the last one."""
    return service_facts.recent(row["invocation"] or "", _LINES)


def next_steps(row: Mapping[str, Any], chosen: Chosen) -> list[str]:
    """The commands to type next, each with its purpose."""
    name, address = row["name"], f"services.{row['name']}"
    declaration = chosen.declaration(name)
    is_ours = declaration is not None and not declaration.vendor
    loaded = row["load"] == "loaded"  # a start mends nothing else
    mends = row["installed"] and row["healthy"] is False and not row["held"] and loaded
    steps = (
        (is_ours and not row["installed"], f"reconciler apply --target {address}", "installs it"),
        (
            row["installed"] and row["healthy"] is False,
            f"reconciler service logs {name} -n 50",
            "what it wrote",
        ),
        (
            row["load"] in ("bad-setting", "error"),
            f"systemd-analyze verify {row['unit']}",
            "says why systemd does not load it",
        ),
        (mends, f"reconciler service health {name} --heal", "starts it again"),
        (bool(row["older"]), f"reconciler service restart {name}", "lets it have what is on disk"),
        (
            bool(row["drifted"] or row["pending"]),
            f"reconciler plan --target {address}",
            "what the next apply does",
        ),
        (
            bool(row["blocked"] and row["put_back"]),
            "reconciler apply --retry",
            "tries again what was put back",
        ),
        (
            bool(row["held"]),
            f"reconciler hold remove {row['held']['address']}" if row["held"] else "",
            "ends the hold",
        ),
        (row["needs_daemon_reload"], "systemctl daemon-reload", "lets systemd read it again"),
    )
    return [f"{command}  # {why}" for applies, command, why in steps if applies]
