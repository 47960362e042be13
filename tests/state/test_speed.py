"""How long ten thousand rows take: reported, never judged here."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.core.address import Address
from reconciler.core.state import LedgerRow
from reconciler.host.state.store import read_memory
from tests.state.samples import MACHINE, store

pytestmark = pytest.mark.slow

COUNT = 10_000


@pytest.mark.slow
def test_ten_thousand_rows(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """Ten thousand rows are written, left alone and read back whole; the seconds are recorded with the
    result.
    """
    rows = [
        LedgerRow(
            Address("files", f"/etc/app/{number}.conf"),
            {"digest": f"sha256:{number:064x}", "mode": "0644", "owner": "root", "group": "root"},
            inputs=f"sha256:{number:064x}",
            tool="0.1.0",
            source=f"host.yaml:{number}",
            commit="c" * 40,
        )
        for number in range(COUNT)
    ]
    seconds = {}
    clock = time.perf_counter()
    for what in ("create", "settle", "settle_unchanged", "open", "read", "read_again"):
        if what == "create":
            state = store(tmp_path / "state")
        elif what.startswith("settle"):
            state.settle(0, put=rows)
        elif what == "open":
            state.close()
            state = store(tmp_path / "state")
        else:
            state.close()
            memory = read_memory(str(tmp_path / "state"), MACHINE)
        clock, seconds[what] = time.perf_counter(), time.perf_counter() - clock
    for what, taken in seconds.items():
        record_property(what, round(taken, 4))
    print(seconds)

    assert {row.address: row for row in rows} == memory.rows
    assert (1, "") == (memory.serial, memory.damaged)
