"""The ledger, what is owed and the holds, as JSON in a snapshot.

The key is left out: without it, a keyed digest says no more than whether two are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from reconciler.core.address import Address
from reconciler.core.state import Hold, LedgerRow, Memory, OwedRow

_HOLD_FIELDS = ("address", "why", "by", "since", "until")
"""The boot is left out: a snapshot has the holds that were in force when it was taken."""
_MEMORY_FIELDS = ("lineage", "serial", "commit", "spec_host", "damaged", "unreadable", "interrupted")


def memory_data(memory: Memory) -> dict[str, Any]:
    """The memory as JSON-able data."""
    return {
        **{name: getattr(memory, name) for name in _MEMORY_FIELDS},
        "rows": [_row_data(row) for _, row in sorted(memory.rows.items())],
        "owed": [_row_data(row) for row in memory.owed],
        "holds": [_hold_data(hold) for hold in memory.holds],
    }


def memory_of(data: Mapping[str, Any]) -> Memory:
    """The memory from data that the schema has accepted. Raises ValueError for what is no address."""
    rows = [LedgerRow(**_arguments(row, LedgerRow)) for row in data["rows"]]
    owed = tuple(OwedRow(**_arguments(row, OwedRow)) for row in data["owed"])
    holds = tuple(Hold(**_arguments(row, Hold)) for row in data.get("holds", ()))
    return Memory(
        {row.address: row for row in rows}, owed, holds, **{name: data[name] for name in _MEMORY_FIELDS}
    )


def _row_data(row: LedgerRow | OwedRow | Hold) -> dict[str, Any]:
    return {
        field.name: str(row.address) if field.name == "address" else getattr(row, field.name)
        for field in fields(row)
    }


def _hold_data(hold: Hold) -> dict[str, Any]:
    return {name: value for name, value in _row_data(hold).items() if name in _HOLD_FIELDS}


def _arguments(data: Mapping[str, Any], row_type: type[LedgerRow | OwedRow | Hold]) -> dict[str, Any]:
    """The arguments that make a row of its data; fields that the row's type does not have are left out."""
    names = {field.name for field in fields(row_type)}
    return {name: value for name, value in data.items() if name in names} | {
        "address": Address.parse(data["address"])
    }
