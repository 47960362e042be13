"""Databases of older versions of the program, and what an older program makes of a new one."""

from __future__ import annotations

import sqlite3
from dataclasses import fields, replace
from pathlib import Path
from unittest import mock

import pytest

from reconciler.core.state import LedgerRow, Memory
from reconciler.host.state import schema
from reconciler.host.state.connection import NEWER
from reconciler.host.state.read import read_memory
from tests.state.samples import MACHINE, ON_HOLD, SERVICE, fill, store

OLDER = tuple(item.name for item in fields(LedgerRow))[1:-1]
"""The fields of a row before there was `policy`."""


def made_by_an_older_program(directory: Path, version: int) -> Memory:
    """A state with rows, as that version wrote it."""
    with mock.patch.object(schema, "_LEDGER_FIELDS", OLDER):
        memory = fill(directory)
    with store(directory) as state:
        state.release([ON_HOLD])
    with sqlite3.connect(directory / "state.db") as raw:
        if version < schema.HOLDS:
            raw.execute("DROP TABLE holds")
        raw.execute(f"PRAGMA user_version = {version}")
    raw.close()
    return memory


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_state_is_read_and_brought_up_to_date(version: int, tmp_path: Path) -> None:
    """Reading writes nothing and knows no policy; opening for writing raises the number, and a new row has
    its policy.
    """
    memory = made_by_an_older_program(tmp_path / "state", version)
    content = (tmp_path / "state/state.db").read_bytes()
    read = read_memory(str(tmp_path / "state"), MACHINE)
    unchanged = content == (tmp_path / "state/state.db").read_bytes()
    with store(tmp_path / "state") as state:
        state.settle(0, put=[replace(SERVICE, policy={"drift": "ignore"})])
    after = read_memory(str(tmp_path / "state"), MACHINE)
    with sqlite3.connect(tmp_path / "state/state.db") as raw:
        number = raw.execute("PRAGMA user_version").fetchone()
    raw.close()

    assert ("", memory.rows, True) == (read.damaged, read.rows, unchanged)
    assert {None} == {row.policy for row in read.rows.values()}
    assert ("", {"drift": "ignore"}, (schema.SCHEMA,)) == (
        after.damaged,
        after.rows[SERVICE.address].policy,
        number,
    )


def test_an_older_program_leaves_a_newer_state_alone(tmp_path: Path) -> None:
    """It says that the state is newer, and does not take its longer rows for damage:
    nothing is begun again.
    """
    fill(tmp_path / "state")
    with mock.patch.object(schema, "SCHEMA", 2):
        read = read_memory(str(tmp_path / "state"), MACHINE)

    assert read.damaged.endswith(NEWER)
