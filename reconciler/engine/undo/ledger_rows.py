"""The ledger's rows after a rollback."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from reconciler.core.address import Address
from reconciler.core.changes import Document, Observed
from reconciler.core.host import HostView
from reconciler.core.journal import PastRun
from reconciler.core.kind import Kinds
from reconciler.core.state import LedgerRow


def rows_after(
    past: PastRun,
    rows: Mapping[Address, LedgerRow],
    back: Collection[Address],
    kinds: Kinds,
    view: HostView,
) -> tuple[list[LedgerRow], list[Address]]:
    """The ledger's rows as they were. An object that the run made and that stays (an account, disabled) is
    recorded as it is now.
    """
    # A part that the run only had an effect on (a service that watches a file) kept its row.
    back = [address for address in back if address in past.rows]
    made = [
        address
        for address in back
        if past.rows.get(address) is None and (row := rows.get(address)) is not None and row.created
    ]
    observed = _observe(made, kinds, view)
    put, drop = [], []
    for address in back:
        before, now = past.rows.get(address), rows.get(address)
        document = observed[address].document if address in observed else None
        if before is not None:
            put.append(before)
        elif now is not None and document is not None:
            put.append(
                replace(now, document=_like(document, now.document or now.pending or {}), pending=None)
            )
        elif now is not None:
            drop.append(address)
    return put, drop


def _observe(addresses: Collection[Address], kinds: Kinds, view: HostView) -> dict[Address, Observed]:
    """The observed state of these addresses. Each kind is asked once."""
    observed: dict[Address, Observed] = {}
    for name in sorted({address.kind for address in addresses}):
        observed.update(
            kinds[name].observe(view, sorted(address for address in addresses if address.kind == name))
        )
    return observed


def _like(document: Document, shape: Document) -> Document:
    """The part of a document that another one speaks of: the rest was never ours."""

    def cut(value: Any, like: Any) -> Any:
        if isinstance(value, dict) and isinstance(like, dict):
            return {name: cut(value[name], like[name]) for name in like if name in value}
        return value

    result: Document = cut(document, shape)
    return result
