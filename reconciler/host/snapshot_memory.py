"""The ledger and what is owed, in a snapshot: without the key, so that a keyed digest says no more than whether two are the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from reconciler.core.address import Address
from reconciler.core.state import LedgerRow, Memory, OwedRow

_ABOUT = ("lineage", "serial", "commit", "spec_host", "damaged", "unreadable", "interrupted")


def memory_data(memory: Memory) -> dict[str, Any]:
    """As JSON-able data."""
    return {
        **{name: getattr(memory, name) for name in _ABOUT},
        "rows": [_data(row) for _, row in sorted(memory.rows.items())],
        "owed": [_data(row) for row in memory.owed],
    }


def memory_of(data: Mapping[str, Any]) -> Memory:
    """From data that the schema has accepted. Raises ValueError for what is no address."""
    rows = [LedgerRow(**_said(row)) for row in data["rows"]]
    owed = tuple(OwedRow(**_said(row)) for row in data["owed"])
    return Memory({row.address: row for row in rows}, owed, **{name: data[name] for name in _ABOUT})


def _data(row: LedgerRow | OwedRow) -> dict[str, Any]:
    return {one.name: str(row.address) if one.name == "address" else getattr(row, one.name) for one in fields(row)}


def _said(row: Mapping[str, Any]) -> dict[str, Any]:
    known = {one.name for one in fields(LedgerRow)} | {one.name for one in fields(OwedRow)}
    return {name: value for name, value in row.items() if name in known} | {"address": Address.parse(row["address"])}
