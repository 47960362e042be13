"""The memory of processes: a file beside the ledger. If it is lost, less is known, but nothing wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from reconciler.core.basics.digest import keyed_digest
from reconciler.core.basics.frozen import frozen
from reconciler.engine.units.started import as_data, from_data, unchanged
from reconciler.host.state.files import PROCESSES
from reconciler.host.state.notes import recall, remember

if TYPE_CHECKING:
    from reconciler.core.basis import Started
    from reconciler.core.host import HostView
    from reconciler.core.state import Memory

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
        return Remembered(from_data(data["units"]), bool(data["open"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def write_started(directory: str, key: bytes, remembered: Remembered) -> None:
    """Write down the memory of processes. Raises StateError."""
    data = {
        "format": _FORMAT,
        "key": _key_mark(key),
        "open": remembered.open,
        "units": as_data(remembered.started),
    }
    remember(directory, PROCESSES, json.dumps(data, sort_keys=True).encode())


def runs_as_started(directory: str, memory: Memory, host: HostView) -> bool:
    """Whether no process runs with older configuration than at the last apply."""
    if not host.running:
        return True
    remembered = read_started(directory, memory.key)
    return remembered is not None and not remembered.open and unchanged(host, remembered.started, memory.key)


def _key_mark(key: bytes) -> str:
    """A digest by which the key is recognised."""
    return keyed_digest(PROCESSES.encode(), key)
