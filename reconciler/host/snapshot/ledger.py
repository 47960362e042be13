"""The ledger and what is owed, in a snapshot: without the key, so that a keyed digest says no more than
whether two are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from reconciler.core.address import Address
from reconciler.core.state import Hold, LedgerRow, Memory, OwedRow

_HOLD = ("address", "why", "by", "since", "until")
"""Without the boot: those in a snapshot are the ones that were in force when it was taken."""
_ABOUT = ("lineage", "serial", "commit", "spec_host", "damaged", "unreadable", "interrupted")


def memory_data(memory: Memory) -> dict[str, Any]:
    """As JSON-able data."""
    return {
        **{name: getattr(memory, name) for name in _ABOUT},
        "rows": [_data(row) for _, row in sorted(memory.rows.items())],
        "owed": [_data(row) for row in memory.owed],
        "holds": [{name: said for name, said in _data(row).items() if name in _HOLD} for row in memory.holds],
    }


def memory_of(data: Mapping[str, Any]) -> Memory:
    """From data that the schema has accepted. Raises ValueError for what is no address."""
    rows = [LedgerRow(**_said(row, LedgerRow)) for row in data["rows"]]
    owed = tuple(OwedRow(**_said(row, OwedRow)) for row in data["owed"])
    holds = tuple(Hold(**_said(row, Hold)) for row in data.get("holds", ()))
    return Memory({row.address: row for row in rows}, owed, holds, **{name: data[name] for name in _ABOUT})


def _data(row: LedgerRow | OwedRow | Hold) -> dict[str, Any]:
    return {
        one.name: str(row.address) if one.name == "address" else getattr(row, one.name) for one in fields(row)
    }


def _said(row: Mapping[str, Any], shape: type[LedgerRow | OwedRow | Hold]) -> dict[str, Any]:
    known = {one.name for one in fields(shape)}
    return {name: value for name, value in row.items() if name in known} | {
        "address": Address.parse(row["address"])
    }
