"""The health checks of a spec's services (`health`), asked beside systemd."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from reconciler.app.service.service import RUNNING, Chosen
from reconciler.core.actions import Gate
from reconciler.host.process.environment import is_root, now
from reconciler.host.systemd import service_facts
from reconciler.host.systemd.probes import probe

_AT_ONCE = 16
"""Health checks that run at a time: each may take seconds, and a monitoring plugin has ten of them."""
_ONLY_ROOT = "its health command is run as root or as the service's user: only root can ask"


def asked(
    rows: Sequence[Mapping[str, Any]], chosen: Chosen, healed: Collection[str] = ()
) -> list[dict[str, Any]]:
    """The rows, with the answers of the services that run and have a health check in the spec.

    A service that was just healed is given the time of its `within`.
    """
    gates = {row["name"]: gate for row in rows if (gate := _gate(row, chosen)) is not None}
    if not gates:
        return [dict(row) for row in rows]
    from concurrent.futures import ThreadPoolExecutor  # not where there is nothing to ask

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = pool.map(
            lambda row: _answer(row, gates.get(row["name"]), patient=row["name"] in healed), rows
        )
        return [{**row, **answer} for row, answer in zip(rows, answers, strict=True)]


def _gate(row: Mapping[str, Any], chosen: Chosen) -> Gate | None:
    declared = chosen.declaration(row["name"])
    if not row["healthy"] or row["state"] not in RUNNING or declared is None or declared.health is None:
        return None
    gate = declared.health.gate(row["unit"], declared.user or "")
    return gate if gate.probe else None


def _answer(row: Mapping[str, Any], gate: Gate | None, *, patient: bool) -> dict[str, Any]:
    """The fields of the row that the service's answer changes."""
    if gate is None:
        return {}
    if gate.probe[0] == "command" and not is_root():
        return {"healthy": None, "reason": _ONLY_ROOT}
    reason = probe(gate.probe, gate.user)
    while reason and patient and now() < (row["since"] or 0) + gate.window:
        service_facts.wait(gate.interval)
        reason = probe(gate.probe, gate.user)
    return {"healthy": False, "reason": f"it runs, but its health check fails: {reason}"} if reason else {}


def left_running(row: Mapping[str, Any]) -> dict[str, Any]:
    """The outcome of `--heal` for a service that runs but fails its health check: it is left alone, since
    only a person knows the cost of a restart.
    """
    why = (
        "it runs, and a restart would end what it is doing; to do that: reconciler service restart"
        f" {row['name']}"
    )
    return {"outcome": "left", "starts": 0, "why": why}
