"""A kill at any point leaves the old rows or the new ones, and the next open goes on from there."""

from __future__ import annotations

import shutil
import signal
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.core.state import Memory
from reconciler.host.state.connection import INTERRUPTED
from reconciler.host.state.store import open_history, read_memory, recover
from tests.state.samples import (
    ACTIONS,
    MACHINE,
    OLD_FILE,
    ON_HOLD,
    ROWS,
    SERVICE,
    child,
    fill,
    manifest,
    store,
)

pytestmark = pytest.mark.slow

PREPARE = (
    "import sys; from dataclasses import replace; from tests.state.samples import *\ns = store(sys.argv[1])\n"
)
OPERATIONS = {
    "begin": "s.begin('', '', '', '', ACTIONS)",
    "intend": (
        "s.intend(1, [0], [replace(SERVICE, pending={'enabled': False})], [replace(RESTART, why='new')], [(1,"
        " OLD_FILE)])"
    ),
    "settle": (
        "s.settle(1, [replace(SERVICE, tool='9')], [COMING.address], [RESTART], [replace(HELD, why='new')])"
    ),
    "step": "s.failed(1, 1, 'no')",
    "arm": "s.arm([replace(HELD, invocation='77')])",
    "end": "s.end(1, 'partial', {})",
    "tombstone": "s.tombstone({('users', 'eve'): '9'})",
    "prune": "s.prune_undo(0)",
    "hold": "s.hold([replace(ON_HOLD, why='longer')])",
    "release": "s.release([ON_HOLD])",
}
MOVES_SERIAL = {"intend", "settle", "arm", "tombstone", "hold", "release"}
WITNESS = ("witness.temporary", "witness.renamed")


def _points() -> list[tuple[str, str]]:
    plain = [
        (name, f"state.{name}.{stage}")
        for name in OPERATIONS
        for stage in ("begun", "written", "committed", "done")
    ]
    return plain + [(name, point) for name in OPERATIONS if name in MOVES_SERIAL for point in WITNESS]


def _killed(directory: Path, script: str, failpoint: str) -> None:
    process = child(script, str(directory), failpoint=f"{failpoint}:1")
    _, errors = process.communicate()

    assert (-signal.SIGKILL, "") == (process.returncode, errors), f"{failpoint} was not reached"


def _known(memory: Memory) -> tuple[object, ...]:
    return (
        memory.rows,
        memory.owed,
        memory.key,
        memory.lineage,
        memory.serial,
        memory.damaged,
        memory.unreadable,
    )


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state with everything in it."""
    directory = tmp_path_factory.mktemp("before") / "state"
    fill(directory)
    return directory


@pytest.fixture(scope="module")
def after(before: Path) -> dict[str, Memory]:
    """The memory after each operation when nothing disturbs it."""
    found = {}
    for name, operation in OPERATIONS.items():
        directory = before.parent / name
        shutil.copytree(before, directory)
        process = child(PREPARE + operation, str(directory))
        assert ("", "") == process.communicate()
        found[name] = read_memory(str(directory), MACHINE)
    return found


@pytest.mark.parametrize(("operation", "failpoint"), _points())
def test_killed_in_an_operation(
    before: Path, after: dict[str, Memory], tmp_path: Path, operation: str, failpoint: str
) -> None:
    """After a kill a reader finds the old or the new rows, sound, without writing; the next open finds the
    same.
    """
    directory = tmp_path / "state"
    shutil.copytree(before, directory)
    old = read_memory(str(directory), MACHINE)
    _killed(directory, PREPARE + OPERATIONS[operation], failpoint)
    left = manifest(directory)
    seen = read_memory(str(directory), MACHINE)
    committed = not failpoint.endswith(("begun", "written"))

    assert _known(after[operation] if committed else old) == _known(seen)
    assert left == manifest(directory)
    with store(directory) as state:
        assert _known(seen) == _known(state.memory())


@pytest.mark.parametrize(
    "failpoint",
    [
        "key.temporary",
        "key.renamed",
        "state.create.written",
        "state.create.committed",
        "witness.temporary",
        "witness.renamed",
        "state.begin.done",
    ],
)
def test_killed_while_the_state_is_made(tmp_path: Path, failpoint: str) -> None:
    """A kill during the very first apply leaves something that reads as empty and that the next apply takes
    over.
    """
    directory = tmp_path / "state"
    _killed(directory, PREPARE + OPERATIONS["begin"], failpoint)
    seen = read_memory(str(directory), MACHINE)

    assert ({}, (), "") == (seen.rows, seen.owed, seen.damaged)
    with store(directory) as state:
        state.settle(0, put=ROWS)
    read = read_memory(str(directory), MACHINE)
    assert ({row.address: row for row in ROWS}, "") == (read.rows, read.damaged)
    assert seen.key in (b"", read.key)


def test_killed_while_a_damaged_state_is_replaced(before: Path, tmp_path: Path) -> None:
    """A kill after the damaged state was moved away leaves nothing to remember, and the damaged files are
    kept.
    """
    directory = tmp_path / "state"
    shutil.copytree(before, directory)
    (directory / "witness").unlink()
    _killed(directory, PREPARE.replace("1])", "1], replace_damaged=True)"), "state.replace.moved")

    assert read_memory(str(directory), MACHINE) == Memory(key=(directory / "key").read_bytes())
    assert (before / "state.db").read_bytes() == (directory / "state.db.damaged-1").read_bytes()


@pytest.mark.parametrize(
    "failpoint", ["state.upgrade.written", "state.upgrade.committed", "state.witness.behind"]
)
def test_killed_while_an_older_state_is_brought_up(before: Path, tmp_path: Path, failpoint: str) -> None:
    """A kill in the middle leaves a state that is sound, and that the next open brings up to date with the
    same rows.
    """
    directory = tmp_path / "state"
    shutil.copytree(before, directory)
    with store(directory) as state:
        state.release([ON_HOLD])
    rows = read_memory(str(directory), MACHINE).rows
    if failpoint == "state.witness.behind":
        _killed(
            directory,
            PREPARE + "s.settle(1, [replace(SERVICE, tool='9')], [], [], [])",
            "state.settle.committed",
        )
        rows = {**rows, SERVICE.address: replace(SERVICE, tool="9")}
    else:
        with sqlite3.connect(directory / "state.db") as raw:
            raw.execute("DROP TABLE holds")
            raw.execute("PRAGMA user_version = 1")
        raw.close()
    _killed(directory, PREPARE, failpoint)
    seen = read_memory(str(directory), MACHINE)

    assert (rows, "") == (seen.rows, seen.damaged)
    with store(directory) as state:
        assert rows == state.memory().rows


HALF_WRITTEN = """
import os, signal, sqlite3, sys
raw = sqlite3.connect(sys.argv[1] + "/state.db", isolation_level=None)
raw.execute("PRAGMA cache_size = 2")
raw.execute("BEGIN")
raw.execute("PRAGMA application_id = 1")
raw.execute("UPDATE ledger SET row = replace(row, 'e', 'E')")
raw.execute("UPDATE steps SET row = replace(row, 'e', 'E')")
for name in range(200):
    raw.execute("INSERT INTO blobs VALUES (?, ?)", (str(name), os.urandom(3000)))
os.kill(os.getpid(), signal.SIGKILL)
"""


def _half_written(before: Path, directory: Path) -> None:
    """A database of which a killed writer had overwritten some pages, its journal beside it."""
    shutil.copytree(before, directory)
    process = child(HALF_WRITTEN, str(directory))
    process.communicate()

    assert (directory / "state.db-journal").stat().st_size > 512
    assert (before / "state.db").read_bytes() != (directory / "state.db").read_bytes()


def test_a_half_written_commit_is_noticed_and_recovered(before: Path, tmp_path: Path) -> None:
    """A half-written database with the journal of its killed writer reads as such, untouched, and recovery
    brings the old rows back.
    """
    directory = tmp_path / "state"
    _half_written(before, directory)
    left = manifest(directory)
    seen = read_memory(str(directory), MACHINE)
    history = open_history(str(directory))

    assert INTERRUPTED == seen.damaged
    assert all(row == seen.rows[row.address] for row in ROWS if row.address in seen.rows)
    assert history is not None
    history.close()
    assert left == manifest(directory)
    assert recover(str(directory))
    assert _known(read_memory(str(before), MACHINE)) == _known(read_memory(str(directory), MACHINE))
    assert not recover(str(directory))


def test_one_that_cannot_be_read_meanwhile_is_recovered_likewise(before: Path, tmp_path: Path) -> None:
    """Where what was half-written makes no sense to SQLite it is said in the same words: whoever applies must
    know what to do about it.
    """
    directory = tmp_path / "state"
    _half_written(before, directory)
    database = bytearray((directory / "state.db").read_bytes())
    database[28:32] = (
        b"\x7f\xff\xff\xff"  # the number of pages: as if the first page were the only one that was written
    )
    (directory / "state.db").write_bytes(database)
    seen = read_memory(str(directory), MACHINE)

    assert (INTERRUPTED, {}) == (seen.damaged, seen.rows)
    assert recover(str(directory))
    assert _known(read_memory(str(before), MACHINE)) == _known(read_memory(str(directory), MACHINE))


def test_the_writer_recovers_by_itself(before: Path, tmp_path: Path) -> None:
    """Opening for writing plays the journal of a killed writer back, undo store included."""
    directory = tmp_path / "state"
    _half_written(before, directory)
    with store(directory) as state:
        assert _known(read_memory(str(before), MACHINE)) == _known(state.memory())
        assert OLD_FILE in state.undo(1)
        assert ACTIONS == [step["action"] for step in state.steps(1)]


def test_a_journal_beside_an_untouched_database_is_no_damage(before: Path, tmp_path: Path) -> None:
    """Killed after the journal and before the first page: the database still verifies and is believed."""
    directory = tmp_path / "state"
    _half_written(before, directory)
    (directory / "state.db").write_bytes((before / "state.db").read_bytes())
    left = manifest(directory)

    assert _known(read_memory(str(before), MACHINE)) == _known(read_memory(str(directory), MACHINE))
    assert left == manifest(directory)


def test_recovering_nothing_creates_nothing(before: Path, tmp_path: Path) -> None:
    """Without a journal, or without a state at all, recovery writes nothing."""
    left = manifest(before)

    assert not recover(str(before))
    assert left == manifest(before)
    assert not recover(str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_failpoints_need_the_testing_switch(tmp_path: Path) -> None:
    """A failpoint without RECONCILER_TESTING=1, or not written as NAME:N, kills nobody."""
    script = (
        "import os; os.environ.pop('RECONCILER_TESTING', None) if '{0}' else None\nfrom"
        " reconciler.host.process.failpoints import hit; hit('here')"
    )
    for off, point in (("off", "here:1"), ("", "here:2"), ("", "here"), ("", "here:x"), ("", "there:1")):
        process = child(script.format(off), str(tmp_path), failpoint=point)
        process.communicate()

        assert process.returncode == 0, point
    process = child(script.format(""), str(tmp_path), failpoint="here:1")
    process.communicate()
    assert process.returncode == -signal.SIGKILL
