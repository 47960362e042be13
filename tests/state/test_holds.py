"""Holds in the state: kept like the ledger, ended by the clock that can be believed, and no reason to refuse
an older file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from reconciler.core.address import Address
from reconciler.core.state import Hold, Memory
from reconciler.host.state import hold_clock as holds_module
from reconciler.host.state import schema
from reconciler.host.state.hold_clock import Clock, begin, seconds_left, sort_out
from reconciler.host.state.read import read_memory
from tests.state.samples import MACHINE, ON_HOLD, fill, store

ALICE = Address("users", "alice")
SUDO = Address("users", "alice", "sudo")
HOUR = 3600
THEN = Clock(now=1_800_000_000, boot="one", up=10_000)
HOLD = begin(ALICE, 8 * HOUR, "a migration", "bob", THEN)

YEAR = 365 * 24 * HOUR
MOMENTS: dict[str, tuple[Clock, int]] = {
    "at once": (THEN, 8 * HOUR),
    "an hour later": (Clock(THEN.now + HOUR, "one", THEN.up + HOUR), 7 * HOUR),
    "the last second": (Clock(THEN.now + 8 * HOUR - 1, "one", THEN.up + 8 * HOUR - 1), 1),
    "the end": (Clock(THEN.now + 8 * HOUR, "one", THEN.up + 8 * HOUR), 0),
    "the clock jumped back ten years": (Clock(THEN.now - 10 * YEAR, "one", THEN.up + HOUR), 7 * HOUR),
    "it jumped back, and the span is over": (Clock(THEN.now - 10 * YEAR, "one", THEN.up + 8 * HOUR), 0),
    "it jumped forth ten years": (Clock(THEN.now + 10 * YEAR, "one", THEN.up + HOUR), 7 * HOUR),
    "2038": (Clock(2**31 + 5, "one", THEN.up + HOUR), 7 * HOUR),
    "after a boot": (Clock(THEN.now + 2 * HOUR, "two", 60), 6 * HOUR),
    "after a boot, and the end": (Clock(THEN.now + 8 * HOUR, "two", 60), 0),
    "after a boot without a clock": (Clock(0, "two", 60), 8 * HOUR - 60),
    "up without a clock for the whole span": (Clock(0, "two", 8 * HOUR), 0),
    "the boot is not known": (Clock(THEN.now + 2 * HOUR, "", 60), 6 * HOUR),
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A state in which everything is, and a hold."""
    path = tmp_path / "state"
    fill(path)
    with store(path) as state:
        state.release([ON_HOLD])
        state.hold([HOLD])
    return path


@pytest.fixture(autouse=True)
def then() -> Iterator[mock.Mock]:
    """A time that stands still until it is set."""
    with mock.patch.object(holds_module, "clock", return_value=THEN) as clock:
        yield clock


@pytest.mark.parametrize("moment", MOMENTS)
def test_when_a_hold_ends(moment: str) -> None:
    """While the boot lasts by the clock that never jumps, after it by the wall clock, and never later than
    the host is up for its span.
    """
    at, seconds = MOMENTS[moment]

    assert seconds == seconds_left(HOLD, at)
    assert (seconds > 0) == bool(sort_out([HOLD], at)[0])


def test_what_is_told_follows_the_clock() -> None:
    """When the clock was set since, the end that is shown is the one by today's clock, and the span stays
    what it was.
    """
    at = Clock(THEN.now + YEAR + HOUR, "one", THEN.up + HOUR)
    (told,), _ = sort_out([HOLD], at)

    assert at.now + 7 * HOUR == told.until
    assert 8 * HOUR == told.until - told.since
    assert HOLD == sort_out([HOLD], replace(at, now=THEN.now + HOUR + 30))[0][0]


@pytest.mark.parametrize(
    ("held", "free"),
    [
        ("users.alice", ["users.alicia", "ssh_keys.alice", "users.bob/sudo"]),
        ("users.alice/sudo", ["users.alice", "users.alice/profile", "users.alice/sudoers"]),
        ("users.alice/quota:/home", ["users.alice/quota:/homes"]),
    ],
)
def test_what_a_hold_covers(held: str, free: list[str]) -> None:
    """The resource with all its parts, or one part with what is below it; nothing
    else that begins the same.
    """
    hold = Hold(Address.parse(held), "x")

    assert hold.covers(hold.address)
    assert hold.covers(Address.parse(held if "/" in held else f"{held}/sudo"))
    assert hold.covers(hold.address._replace(part=f"{hold.address.part}/a" if hold.address.part else "a/b"))
    assert [] == [name for name in free if hold.covers(Address.parse(name))]


def test_it_is_remembered_and_counts(directory: Path) -> None:
    """It is read back as it was made, moves the serial, and one for the same address takes its place."""
    before = read_memory(str(directory), MACHINE)
    with store(directory) as state:
        state.hold([replace(HOLD, why="longer", until=HOLD.until + 1)])
        after = state.memory()

    assert (HOLD,) == before.holds
    assert (before.serial + 1, ["longer"]) == (after.serial, [hold.why for hold in after.holds])
    assert "" == read_memory(str(directory), MACHINE).damaged


def test_an_ended_one_is_cleared_and_a_new_one_is_not(directory: Path, then: mock.Mock) -> None:
    """A hold that has ended is told apart and released; one made meanwhile for the same address stays."""
    then.return_value = Clock(THEN.now + 9 * HOUR, "one", THEN.up + 9 * HOUR)
    ended = read_memory(str(directory), MACHINE)
    again = begin(ALICE, HOUR, "again", "bob", then.return_value)
    with store(directory) as state:
        state.hold([again])
        state.release(ended.ended)
        kept = state.holds()
        state.release(kept)
        gone = state.holds()

    assert ((), (HOLD,)) == (ended.holds, ended.ended)
    assert ([again], []) == (kept, gone)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM holds",
        "DROP TABLE holds",
        "UPDATE holds SET name = 'bob', row = replace(row, 'alice', 'bob')",
        "UPDATE holds SET row = replace(row, 'bob', 'eve')",
        "INSERT INTO holds SELECT kind, 'bob', part, row, sum FROM holds",
        "PRAGMA user_version = 1",
    ],
)
def test_a_changed_hold_shows(directory: Path, statement: str) -> None:
    """A row that was taken out, changed or doubled is found like one of the ledger: the state is damaged."""
    with sqlite3.connect(directory / "state.db") as raw:
        raw.execute(statement)
    raw.close()

    assert read_memory(str(directory), MACHINE).damaged


@pytest.mark.parametrize("harm", ["witness", "key", "another machine"])
def test_a_hold_survives_a_state_that_is_begun_again(directory: Path, harm: str) -> None:
    """Holds that prove themselves go over from a damaged state, or another machine's, in the transaction that
    begins the new one.
    """
    if harm != "another machine":
        (directory / harm).unlink()
    machine = "f" * 32 if harm == "another machine" else MACHINE
    seen = read_memory(str(directory), machine)
    with store(directory, machine, replace_damaged=True) as state:
        memory = state.memory()

    assert seen.damaged
    assert ((HOLD,), (HOLD,), "", {}) == (seen.holds, memory.holds, memory.damaged, memory.rows)
    assert (HOLD,) == read_memory(str(directory), machine).holds


def _without_holds(directory: Path) -> Memory:
    fill(directory)
    with store(directory) as state:
        state.release([ON_HOLD])
        return state.memory()


def _as_version_1(directory: Path) -> None:
    with sqlite3.connect(directory / "state.db") as raw:
        raw.execute("DROP TABLE holds")
        raw.execute("PRAGMA user_version = 1")
    raw.close()


def test_a_state_of_version_1(tmp_path: Path) -> None:
    """It is read as it is, without a write; opening it for writing brings it up to
    date, and it takes holds.
    """
    path = tmp_path / "state"
    true = _without_holds(path)
    _as_version_1(path)
    content = (path / "state.db").read_bytes()
    read = read_memory(str(path), MACHINE)
    unchanged = (path / "state.db").read_bytes()
    with store(path) as state:
        state.hold([HOLD])

    assert (content, true) == (unchanged, read)
    assert (HOLD,) == read_memory(str(path), MACHINE).holds
    assert true.rows == read_memory(str(path), MACHINE).rows


def test_a_version_that_was_turned_back_is_no_brick(tmp_path: Path) -> None:
    """A number that says version 1 over tables of version 2, with no hold in them, is brought up to date
    again.
    """
    path = tmp_path / "state"
    true = _without_holds(path)
    with sqlite3.connect(path / "state.db") as raw:
        raw.execute("PRAGMA user_version = 1")
    raw.close()
    with store(path) as state:
        assert true.rows == state.memory().rows

    with sqlite3.connect(path / "state.db") as raw:
        assert (schema.SCHEMA,) == raw.execute("PRAGMA user_version").fetchone()
    raw.close()


def test_who_only_holds_buries_nobody(directory: Path) -> None:
    """A run that was killed stays one that the next apply has to clean up behind."""
    with store(directory) as state:
        run = state.begin("sha256:x", "", "h", "1", [])
    with store(directory, close_interrupted=False) as state:
        state.hold([replace(HOLD, address=SUDO)])
    seen = read_memory(str(directory), MACHINE)

    assert (run, 2) == (seen.interrupted, len(seen.holds))
