"""The services' own answers when they are asked: the `health` of the spec, beside
what systemd says of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from reconciler.app.service.service import RUNNING, Chosen
from reconciler.core.actions import Gate
from reconciler.host.process.environment import is_root, now
from reconciler.host.systemd import service_facts
from reconciler.host.systemd.probes import probe

_AT_ONCE = 16
"""Questions under way at a time: each may take seconds, and a monitoring plugin has ten of them."""
_ONLY_ROOT = "its health command is run as root or as the service's user: only root can ask"


def asked(
    rows: Sequence[Mapping[str, Any]], chosen: Chosen, healed: Collection[str] = ()
) -> list[dict[str, Any]]:
    """The rows, with the answers of those services that run, and that the spec says how to ask.

    A service that was just healed is given the time that its `within` says.
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
    """The fields of the row that the answer changes."""
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
    """The outcome that `--heal` gives for a service that runs and does not answer: only a person knows what a
    restart would cost.
    """
    why = (
        "it runs, and a restart would end what it is doing; to do that: reconciler service restart"
        f" {row['name']}"
    )
    return {"outcome": "left", "starts": 0, "why": why}
