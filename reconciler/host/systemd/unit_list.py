"""The lists of units that systemctl prints, as states."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace

from reconciler.core.host import HostError, UnitState, Unreadable
from reconciler.host.process.run import Begun, run
from reconciler.host.systemd.unit_verdicts import ASK_TIMEOUT, MOST_JOURNALS, MOST_OUTPUT, show, why_refused

INVOCATIONS = "/run/systemd/units"
"""The directory in which systemd keeps a link with each running unit's InvocationID, for the journal."""
LIST = ["systemctl", "list-units", "--all", "--output=json", "--no-pager"]
STOPPED = frozenset({"inactive", "failed"})


def parse_units(text: bytes) -> dict[str, UnitState]:
    """The units that `systemctl list-units --all --output=json` prints.

    Raises ValueError.
    """
    return {row["unit"]: UnitState(row["load"], row["active"], row["sub"]) for row in json.loads(text)}


def list_units(query: Begun | None = None) -> dict[str, UnitState]:
    """All units that systemd knows, by name. Raises Unreadable."""
    try:
        result = query.result() if query else run(LIST, timeout=ASK_TIMEOUT, cap=MOST_OUTPUT)
    except HostError as error:
        raise Unreadable("systemd cannot be asked", error.detail) from error
    if result.rc:
        raise Unreadable("systemd cannot be asked", f"systemctl list-units: {result.message}")
    try:
        return parse_units(result.out)
    except (ValueError, KeyError, TypeError) as error:
        raise Unreadable(
            "systemd cannot be understood", "systemctl list-units --output=json printed no list of units"
        ) from error


def with_invocations(units: dict[str, UnitState]) -> dict[str, UnitState]:
    """The units with their InvocationID, from systemd's links; where it keeps none, from `systemctl show`."""
    running = [name for name, state in units.items() if state.active not in STOPPED]
    invocations = {name: invocation_of(name) for name in running}
    if running and not os.path.isdir(INVOCATIONS):
        invocations = {name: properties.get("InvocationID", "") for name, properties in show(running).items()}
    return {name: replace(state, invocation=invocations.get(name) or "") for name, state in units.items()}


def with_reasons(units: dict[str, UnitState]) -> dict[str, UnitState]:
    """The units with systemd's reason where it refuses their unit file; only the journal has that."""
    refused = [name for name, state in units.items() if state.refused][:MOST_JOURNALS]
    return units | {name: replace(units[name], refusal=why_refused(name)) for name in refused}


def invocation_of(name: str) -> str | None:
    """The InvocationID of a unit's process, empty without one; None when systemd keeps no links."""
    try:
        return os.readlink(f"{INVOCATIONS}/invocation:{name}")
    except OSError as error:
        return "" if error.errno == errno.ENOENT and os.path.isdir(INVOCATIONS) else None
