"""Reading the state: it touches nothing, and says when it cannot be trusted."""

from __future__ import annotations

import os
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.host.state import connection, read, schema
from reconciler.host.state.lock import Lock
from reconciler.host.state.schema import Witness
from reconciler.host.state.store import StateDamaged, read_memory
from tests.state.samples import COMING, HELD, MACHINE, ROWS, SERVICE, child, fill, manifest, store


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A state with everything in it."""
    fill(tmp_path / "state")
    return tmp_path / "state"


def _move_serial(directory: Path, times: int = 1) -> None:
    with store(directory) as state:
        for number in range(times):
            state.settle(1, put=[replace(SERVICE, tool=f"{os.urandom(4).hex()}.{number}")])


def test_reading_touches_nothing(directory: Path) -> None:
    """Reading leaves inode, mode, size, mtime and bytes of the directory and its files as they were."""
    before = manifest(directory)
    memory = read_memory(str(directory), MACHINE)

    assert memory.damaged == ""
    assert len(ROWS) == len(memory.rows)
    assert before == manifest(directory)


def test_reading_needs_no_permission_to_write(directory: Path) -> None:
    """A directory and files that are read-only are read all the same."""
    expected = read_memory(str(directory), MACHINE)
    for path in (*directory.iterdir(), directory):
        path.chmod(0o500 if path.is_dir() else 0o400)

    assert expected == read_memory(str(directory), MACHINE)


def test_another_user_is_told_that_it_cannot_be_read(directory: Path) -> None:
    """Without permission the memory is unreadable, not empty and not damaged."""
    root = os.geteuid() == 0
    directory.chmod(0o700 if root else 0)
    try:
        if root:
            os.seteuid(65534)
        memory = read_memory(str(directory), MACHINE)
    finally:
        if root:
            os.seteuid(0)
        directory.chmod(0o700)

    assert "ermission denied" in memory.unreadable
    assert (memory.damaged, memory.rows) == ("", {})


def test_another_machine(directory: Path) -> None:
    """State of another machine is damaged for this one; the writer refuses it."""
    memory = read_memory(str(directory), "f" * 32)

    assert "another machine" in memory.damaged
    with pytest.raises(StateDamaged, match="another machine"):
        store(directory, "f" * 32)


def test_a_newer_schema_is_left_alone(directory: Path) -> None:
    """State of a newer version is not read and not written."""
    with sqlite3.connect(directory / "state.db") as raw:
        raw.execute(f"PRAGMA user_version = {schema.SCHEMA + 1}")
    raw.close()

    assert "newer version" in read_memory(str(directory), MACHINE).damaged
    with pytest.raises(StateDamaged, match="newer"):
        store(directory)


def test_an_older_database_than_its_witness(directory: Path, tmp_path: Path) -> None:
    """A database put back from a copy is damaged, and its rows are given all the same."""
    shutil.copy2(directory / "state.db", tmp_path / "copy")
    _move_serial(directory)
    shutil.copy2(tmp_path / "copy", directory / "state.db")
    memory = read_memory(str(directory), MACHINE)

    assert "older than its witness" in memory.damaged
    assert set(memory.rows) == {row.address for row in ROWS}
    with pytest.raises(StateDamaged, match="older"):
        store(directory)


def test_another_history_with_the_same_serial(directory: Path, tmp_path: Path) -> None:
    """A copy that went its own way to the same serial is damaged."""
    shutil.copytree(directory, tmp_path / "copy")
    _move_serial(directory)
    _move_serial(tmp_path / "copy")
    shutil.copy2(tmp_path / "copy" / "state.db", directory / "state.db")

    assert "differs from what its witness" in read_memory(str(directory), MACHINE).damaged


def test_an_older_witness_is_a_crash_before_it_was_written(directory: Path, tmp_path: Path) -> None:
    """A witness that lags behind is no damage, and the next open brings it up to date."""
    shutil.copy2(directory / "witness", tmp_path / "old")
    _move_serial(directory)
    shutil.copy2(tmp_path / "old", directory / "witness")
    lagging = read_memory(str(directory), MACHINE)
    store(directory).close()
    witness = Witness.from_bytes((directory / "witness").read_bytes())

    assert lagging.damaged == ""
    assert witness is not None
    assert lagging.serial == witness.serial


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("witness", None, "witness file is missing"),
        ("witness", b"", "witness file does not verify"),
        ("witness", b'{"serial": 99}\n', "witness file does not verify"),
        ("witness", b"[" * 9000, "witness file does not verify"),
        ("witness", Witness("other", 2, "0" * 64).to_bytes(), "lineage"),
        ("key", None, "`key`"),
        ("key", b"k" * 32, "`key`"),
        ("key", b"short", "`key`"),
        ("state.db", None, "is gone"),
        ("state.db", b"", "is gone"),
        ("state.db", b"x", "no database"),
        ("state.db", b"not a database, but long enough to look at" * 99, "no database"),
        ("state.db", bytes(8192), "no database"),
    ],
)
def test_a_file_that_is_missing_or_wrong(
    directory: Path, name: str, content: bytes | None, said: str
) -> None:
    """Whatever is missing or is not what it was makes the state damaged, in words, for reader and writer."""
    path = directory / name
    path.unlink() if content is None else path.write_bytes(content)
    before = manifest(directory)

    assert said in read_memory(str(directory), MACHINE).damaged
    with pytest.raises(StateDamaged):
        store(directory)
    assert before == manifest(directory)
    with store(directory, replace_damaged=True) as state:
        assert state.memory().damaged == ""


def test_a_row_that_was_edited_by_hand(directory: Path) -> None:
    """An edited row is left out and the others are given; a deleted row, an added one and edited meta are
    noticed too.
    """
    edits = {
        "UPDATE ledger SET row = replace(row, 'running', 'stopped')": "fails its checksum",
        "DELETE FROM owed WHERE unit = 'train.service'": "digest over all rows",
        "INSERT INTO ledger SELECT 'x', name, part, row, sum FROM ledger LIMIT 1": "digest over all rows",
        "UPDATE meta SET value = '99' WHERE key = 'serial'": "meta",
        "INSERT INTO meta VALUES ('more', '1')": "meta",
        "DELETE FROM meta": "meta",
        "DROP TABLE owed": "no such table",
        "UPDATE ledger SET row = 7": "fails its checksum",
    }
    original = (directory / "state.db").read_bytes()
    for edit, said in edits.items():
        (directory / "state.db").write_bytes(original)
        with sqlite3.connect(directory / "state.db") as raw:
            raw.execute(edit)
        raw.close()
        memory = read_memory(str(directory), MACHINE)

        assert said in memory.damaged, edit
        assert all(row == memory.rows[row.address] for row in ROWS if row.address in memory.rows), edit
        assert len(memory.rows) == {
            "UPDATE ledger SET row = replace(row, 'running', 'stopped')": 2,
            "UPDATE ledger SET row = 7": 0,
        }.get(edit, 3)
        with pytest.raises(StateDamaged):
            store(directory)


def test_reading_in_the_middle_of_a_transaction(directory: Path) -> None:
    """While a writer is at work a reader sees what was committed last."""
    before = read_memory(str(directory), MACHINE)
    with store(directory) as state:
        # The middle is the point.
        with pytest.raises(KeyboardInterrupt), state._transaction("test") as change:  # noqa: PT012
            change.drop("ledger", [*schema.address_key(SERVICE.address)])
            change.drop("owed", schema.owed_data(HELD))
            during = read_memory(str(directory), MACHINE)
            raise KeyboardInterrupt
        after = read_memory(str(directory), MACHINE)

    assert before == during
    assert before == after


def test_reading_while_a_commit_is_written(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that meets a commit which does not end says that an apply is running."""
    monkeypatch.setattr(connection, "_READER_PATIENCE", 0.01)
    monkeypatch.setattr(connection.connect, "__defaults__", (0.01,))
    with sqlite3.connect(directory / "state.db") as raw:
        raw.execute("BEGIN EXCLUSIVE")
        memory = read_memory(str(directory), MACHINE)
    raw.close()

    assert "a running apply" in memory.unreadable
    assert memory.damaged == ""


def test_a_run_under_way_is_not_interrupted(directory: Path) -> None:
    """A run is interrupted when nobody holds the lock, also when we hold it ourselves, but not while its
    process does.
    """
    script = (
        "import sys, time; from tests.state.samples import *; from reconciler.host.state.lock import Lock\n"
        "with Lock(sys.argv[1]).acquire(5), store(sys.argv[1]) as s:\n"
        "    s.begin('', '', '', '', ACTIONS); print('begun', flush=True); time.sleep(60)"
    )
    process = child(script, str(directory))
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    running = read_memory(str(directory), MACHINE).interrupted
    process.kill()
    process.communicate()
    dead = read_memory(str(directory), MACHINE).interrupted
    with Lock(str(directory)):
        ours = read_memory(str(directory), MACHINE).interrupted

    assert (0, 2, 2) == (running, dead, ours)


def test_an_apply_between_two_looks_is_not_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If an apply writes after the witness was looked at and before the database is,
    the reader looks again.
    """
    directory = tmp_path / "state"
    store(directory).close()
    (directory / "witness").unlink()
    look, looks = read.read_beside, []

    def look_slowly(opened: int) -> read.Beside:
        found = look(opened)
        looks.append(found)
        if len(looks) == 1:
            monkeypatch.undo()
            _move_serial(directory)
        return found

    monkeypatch.setattr(read, "read_beside", look_slowly)
    memory = read_memory(str(directory), MACHINE)

    assert ("", 1) == (memory.damaged, memory.serial)
    assert len(looks) == 1


@pytest.mark.slow
def test_reader_and_writer_at_the_same_time(directory: Path) -> None:
    """A reader that polls while another process settles two hundred times never sees damage, and serials only
    grow.
    """
    script = (
        "import sys; from dataclasses import replace; from tests.state.samples import *\nwith"
        " store(sys.argv[1]) as s:\n    for n in range(200): s.settle(1, put=[replace(SERVICE, tool=str(n)),"
        " replace(COMING, tool=str(n))])"
    )
    process = child(script, str(directory))
    seen = []
    while process.poll() is None:
        memory = read_memory(str(directory), MACHINE)
        seen.append((memory.damaged or memory.unreadable, memory.serial))
        assert memory.rows[SERVICE.address].tool == memory.rows[COMING.address].tool or memory.serial == 3
    _, errors = process.communicate()

    assert (process.returncode, errors) == (0, "")
    assert {said for said, _ in seen} == {""}
    assert [serial for _, serial in seen] == sorted(serial for _, serial in seen)
    assert read_memory(str(directory), MACHINE).serial == 203
