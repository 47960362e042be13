"""Damage anywhere in state.db is noticed or harmless; it is never a traceback and never other rows."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.core.state import Memory
from reconciler.host.state.store import StateError, open_history, read_memory
from tests.state.samples import MACHINE, SAVED, fill, store

pytestmark = pytest.mark.slow

FLIPS = 700
SEED = 20240229


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A state with everything in it."""
    fill(tmp_path / "state")
    return tmp_path / "state"


def _flips(content: bytes) -> Iterator[bytes]:
    """Copies with one damaged byte: the first 200, which are the header, and a sample of the others where
    something stands.
    """
    chance = random.Random(SEED)  # noqa: S311  # a sample that is the same every time
    written = [place for place in range(200, len(content)) if content[place]]
    for place in (*range(200), *chance.sample(written, min(FLIPS, len(written)))):
        mask = chance.choice((0xFF, 1 << chance.randrange(8)))
        yield content[:place] + bytes([content[place] ^ mask]) + content[place + 1 :]


def _truncations(content: bytes) -> Iterator[bytes]:
    """Copies cut off at many lengths, and with a page full of zeros."""
    yield from (
        content[:length] for length in (*range(120), *range(120, len(content), 509), len(content) - 1)
    )
    yield from (
        content[:start] + bytes(4096) + content[start + 4096 :] for start in range(0, len(content), 4096)
    )


def _verdict(true: Memory, seen: Memory) -> str:
    """The fault of a reading, which there must never be: other rows, or rows lost without a word. It is empty
    when the reading is right.
    """
    if (
        any(true.rows.get(address) != row for address, row in seen.rows.items())
        or not set(seen.owed) <= set(true.owed)
        or not {*seen.holds} <= {*true.holds}
    ):
        return "other rows"
    if not seen.damaged and seen != true:
        return "a difference without a word"
    return "unreadable" if seen.unreadable else ""


@pytest.mark.parametrize("damage", [_flips, _truncations])
def test_damage_is_noticed_or_harmless(directory: Path, damage: Callable[[bytes], Iterator[bytes]]) -> None:
    """For every damaged copy: the reader sees the true memory, or damage and none but true rows."""
    true = read_memory(str(directory), MACHINE)
    database = directory / "state.db"
    noticed = total = 0
    for number, content in enumerate(damage(database.read_bytes())):
        database.write_bytes(content)
        seen = read_memory(str(directory), MACHINE)
        total, noticed = total + 1, noticed + bool(seen.damaged)

        assert _verdict(true, seen) == "", f"copy {number}: {seen.damaged}"
    assert total > 300 if damage is _flips else total > 100
    assert noticed > total // 10


def test_the_writer_notices_or_is_not_harmed(directory: Path, tmp_path: Path) -> None:
    """A damaged copy is refused by the writer, or it opens with the true memory and what is written to it
    verifies.
    """
    true = read_memory(str(directory), MACHINE)
    refused = 0
    for number, content in enumerate(_flips((directory / "state.db").read_bytes())):
        if number % 4:
            continue
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(directory, copy)
        (copy / "state.db").write_bytes(content)
        try:
            with store(copy) as state:
                assert true == state.memory(), number
                state.settle(9, drop=list(true.rows), clear=true.owed)
            assert ({}, "") == (
                read_memory(str(copy), MACHINE).rows,
                read_memory(str(copy), MACHINE).damaged,
            ), number
        except StateError:
            refused += 1

    assert refused > 10


def test_a_damaged_undo_store_gives_nothing_wrong_back(directory: Path) -> None:
    """Everything that undo gives back was saved, or undo is an error."""
    database = directory / "state.db"
    refused = 0
    for number, content in enumerate(_flips(database.read_bytes())):
        if number % 3:
            continue
        database.write_bytes(content)
        try:
            history = open_history(str(directory))
            assert history is not None
            with history:
                saved = history.undo(1)
        except StateError:
            refused += 1
            continue

        assert saved in (list(SAVED), []) or set(saved) < set(SAVED), number
    assert refused > 10


def test_damage_to_witness_and_key_is_noticed(directory: Path) -> None:
    """Every byte of the witness and of the key, flipped, is damage."""
    for name in ("witness", "key"):
        path = directory / name
        content = path.read_bytes()
        for place in range(len(content)):
            path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])

            assert read_memory(str(directory), MACHINE).damaged, f"{name} {place}"
        path.write_bytes(content)


def test_the_verdict_catches_a_reader_that_does_not_verify(directory: Path) -> None:
    """Rows that differ, are missing without a word, or are not ours are each told: the sweep can fail."""
    true = read_memory(str(directory), MACHINE)
    address, row = next(iter(true.rows.items()))

    assert (
        _verdict(true, replace(true, rows=dict(true.rows) | {address: replace(row, source="x")}, damaged="x"))
        == "other rows"
    )
    assert (
        _verdict(true, replace(true, owed=(*true.owed, replace(true.owed[0], why="x")), damaged="x"))
        == "other rows"
    )
    assert _verdict(true, replace(true, rows={address: row})) == "a difference without a word"
    assert _verdict(true, replace(true, serial=9)) == "a difference without a word"
    assert _verdict(true, replace(true, rows={address: row}, damaged="x")) == ""
