"""A ledger damaged in every way there is: never a traceback, never a prune, and the next apply goes on with a
new one.

The full form flips every byte and cuts at every length; the short one samples. What reading sees is judged
for each copy, what the whole command makes of it for a sample.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from reconciler.core.state import Memory
from reconciler.host.state.connection import INTERRUPTED, NEWER
from reconciler.host.state.read import read_memory
from reconciler.host.state.store import StateError, recover
from tests.cli.command import make_tree
from tests.faults.figures import full, note, seeded
from tests.state.samples import MACHINE, fill
from tests.state.test_crash import _half_written
from tests.state.test_damage import _verdict

pytestmark = pytest.mark.slow

SAMPLE = 150
COMMANDS = {True: 400, False: 6}
PARTS = 4 if full() else 1
"""The full form in so many tests, for several processes."""
_PAGE = 4096

Copy = Callable[[], bytes]


def _flipped(content: bytes, chance: random.Random) -> list[Copy]:
    """Every byte: of every second one all its bits, of the others one."""

    def flip(place: int) -> bytes:
        mask = 0xFF if place % 2 else 1 << chance.randrange(8)
        return content[:place] + bytes([content[place] ^ mask]) + content[place + 1 :]

    return [partial(flip, place) for place in range(len(content))]


def _cut(content: bytes, _chance: random.Random) -> list[Copy]:
    """Every length."""

    def cut(length: int) -> bytes:
        return content[:length]

    return [partial(cut, length) for length in range(len(content))]


def _zeroed(content: bytes, _chance: random.Random) -> list[Copy]:
    """Every page and every sector of nothing, alone and from there to the end."""

    def zero(start: int, size: int) -> bytes:
        return content[:start] + bytes(size) + content[start + size :]

    places = [(start, size) for size in (512, _PAGE) for start in range(0, len(content), size)]
    return [partial(zero, start, wide) for start, size in places for wide in (size, len(content) - start)]


def _shuffled(content: bytes, _chance: random.Random) -> list[Copy]:
    """Pages in each other's place: a write that went astray."""
    pages = [content[start : start + _PAGE] for start in range(0, len(content), _PAGE)]

    def swap(one: int, other: int) -> bytes:
        changed = list(pages)
        changed[one], changed[other] = pages[other], pages[one]
        return b"".join(changed)

    return [partial(swap, one, other) for one in range(len(pages)) for other in range(one)]


DAMAGES: dict[str, Callable[[bytes, random.Random], list[Copy]]] = {
    "flipped": _flipped,
    "cut": _cut,
    "zeroed": _zeroed,
    "shuffled": _shuffled,
}


def _some(copies: list[Copy], part: int, chance: random.Random) -> Iterator[bytes]:
    """In full every PARTS-th; in short a sample of SAMPLE of them."""
    chosen = copies[part::PARTS] if full() else chance.sample(copies, min(SAMPLE, len(copies)))
    return (copy() for copy in chosen)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_noticed_or_harmless(name: str, part: int, tmp_path: Path) -> None:
    """For each copy the reader sees the true memory, or that it is damaged and no row that is not true.

    It never raises.
    """
    true = fill(tmp_path / "state")
    database = tmp_path / "state/state.db"
    content = database.read_bytes()
    seed, chance = seeded()
    started = time.monotonic()
    total = noticed = 0
    for damaged in _some(DAMAGES[name](content, chance), part, chance):
        database.write_bytes(damaged)
        seen = read_memory(str(tmp_path / "state"), MACHINE)
        total, noticed = total + 1, noticed + bool(seen.damaged)

        assert _verdict(true, seen) == "", f"seed {seed}, copy {total}: {seen.damaged}"
    note(
        f"damage {name} {part}",
        points=total,
        noticed=noticed,
        violations=0,
        seconds=round(time.monotonic() - started),
    )

    assert total
    assert noticed


@pytest.mark.parametrize("file", ["witness", "key"])
def test_every_byte_and_length_of_what_is_beside_it(file: str, tmp_path: Path) -> None:
    """Any flip of any bit and any other length of the witness and of the key is damage."""
    fill(tmp_path / "state")
    path = tmp_path / "state" / file
    content = path.read_bytes()
    chance = seeded()[1]
    for copy in (*_flipped(content, chance), *_cut(content, chance)):
        damaged = copy()
        path.write_bytes(damaged)

        assert read_memory(str(tmp_path / "state"), MACHINE).damaged, damaged


@pytest.mark.timeout(900)
def test_a_damaged_journal_of_a_killed_commit(tmp_path: Path) -> None:
    """Whatever became of SQLite's journal beside a half-written database: recovery ends, with the true memory
    or with damage.
    """
    true = fill(tmp_path / "before")
    _half_written(tmp_path / "before", tmp_path / "half")
    database, journal = ((tmp_path / "half" / name).read_bytes() for name in ("state.db", "state.db-journal"))
    seed, chance = seeded()
    copies = [copy() for copy in _zeroed(journal, chance)]
    places = range(len(journal)) if full() else [*range(28), *chance.sample(range(len(journal)), 60)]
    copies += [
        journal[:place] + bytes([journal[place] ^ 0xFF]) + journal[place + 1 :]
        for place in places[:: 8 if full() else 1]
    ]
    copies += [journal[:length] for length in chance.sample(range(len(journal)), 60)]
    wrong = recovered = 0
    for damaged in copies:
        shutil.rmtree(tmp_path / "state", ignore_errors=True)
        shutil.copytree(tmp_path / "before", tmp_path / "state")
        (tmp_path / "state/state.db").write_bytes(database)
        (tmp_path / "state/state.db-journal").write_bytes(damaged)
        read_memory(str(tmp_path / "state"), MACHINE)
        try:
            recover(str(tmp_path / "state"))
        except StateError:
            continue
        seen = read_memory(str(tmp_path / "state"), MACHINE)
        recovered += not seen.damaged
        wrong += _journal_verdict(true, seen) != ""
    note("damage of a journal", points=len(copies), recovered=recovered, violations=wrong)

    assert 0 == wrong, f"seed {seed}"


def _journal_verdict(true: Memory, seen: Memory) -> str:
    return "" if seen.damaged == INTERRUPTED else _verdict(true, seen)


# ------------------------------------------------------------------------------------------ the whole command

_STAYING = "".join(f'  /etc/stays-{number}: {{content: "x", mode: "0644"}}\n' for number in range(9))
"""So many that what goes is not too much for a guard."""
BEFORE = f"""\
files:
{_STAYING}\
  /etc/same: {{content: "same\\n", mode: "0644"}}
  /etc/gone: {{content: "gone\\n", mode: "0644"}}
directories:
  /srv/gone: {{mode: "0755"}}
services:
  web: {{exec_start: [/usr/bin/true], state: stopped}}
"""
AFTER = f"""\
files:
{_STAYING}\
  /etc/same: {{content: "same\\n", mode: "0644"}}
  /etc/new: {{content: "new\\n", mode: "0644"}}
"""


class Bench:
    """A tree with a history of three runs, and how to get it back."""

    def __init__(self, place: Path) -> None:
        self.tree = make_tree(place)
        self.machine = "a" * 32
        self.tree.put("/etc/machine-id", self.machine + "\n")
        self.generations: list[Path] = []
        for number in range(3):
            done = self.tree.apply(self.tree.spec(f"{BEFORE}groups: {{g{number}: {{}}}}\n"))
            assert done.code == 0, done.said
            self.generations.append(self._keep(place / f"kept-{number}"))
        self.kept = place / "kept"
        shutil.copytree(self.tree.root, self.kept, symlinks=True)
        self.database = self.tree.state / "state.db"

    def _keep(self, to: Path) -> Path:
        shutil.copytree(self.tree.state, to)
        return to

    def fresh(self) -> None:
        """Everything as after the third run."""
        for there, kept in ((self.tree.root, self.kept), (self.tree.state, self.generations[-1])):
            shutil.rmtree(there)
            shutil.copytree(kept, there, symlinks=True)

    def trouble(self) -> str:
        """The mistakes of an apply of another spec with the state as it is now; empty when there are none."""
        found = read_memory(str(self.tree.state), self.machine).damaged
        believed = not found
        before = self.database.read_bytes() if self.database.is_file() else b""
        spec = self.tree.spec(AFTER)
        said = [self.tree.plan(spec), self.tree.apply(spec)]
        again = self.tree.plan(spec, "--detailed-exitcode")
        anew = len(list(self.tree.state.glob("state.db.damaged-*")))
        gone = [
            not self.tree.path(path).exists()
            for path in ("/etc/gone", "/srv/gone", "/etc/systemd/system/web.service")
        ]
        if found.endswith(NEWER):  # a flip in the version number: left alone, and said
            return (
                ""
                if (said[-1].code, gone, anew) == (1, [False] * 3, 0) and NEWER in said[-1].said
                else f"newer: {said[-1].said}"
            )
        wrong = []
        if said[-1].code or again.code:
            wrong.append(
                f"apply exits with {said[-1].code}, plan with {again.code}: {said[-1].said} {again.said}"
            )
        if any("Traceback" in one.said for one in (*said, again)):
            wrong.append("a traceback")
        if gone != [not anew and believed] * 3:
            wrong.append(f"believed {believed}, begun anew {anew}, but removed {gone}")
        if not self.tree.path("/etc/new").exists():
            wrong.append("what is new was not made")
        if not believed and before not in {
            path.read_bytes() for path in self.tree.state.glob("state.db.damaged-*")
        } | {b""}:
            wrong.append("the damaged database was not kept")
        if not believed and "nothing is removed" not in said[0].said:
            wrong.append(f"the plan does not say so: {said[0].said}")
        if anew and "nothing is removed" not in said[1].said:
            wrong.append(f"the apply does not say so: {said[1].said}")
        return "; ".join(wrong)


def _old_database(bench: Bench, generation: int) -> None:
    shutil.copy(bench.generations[generation] / "state.db", bench.database)


def _replace(bench: Bench, file: str, content: bytes) -> None:
    (bench.tree.state / file).write_bytes(content)


def _break_index(bench: Bench, table: str) -> None:
    """The page of an index that reading does not use: only opening for writing looks at it."""
    content = bench.database.read_bytes()
    with sqlite3.connect(bench.database) as raw:
        root = raw.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = ?", (f"sqlite_autoindex_{table}_1",)
        ).fetchone()[0]
        size = raw.execute("PRAGMA page_size").fetchone()[0]
    raw.close()
    at = (root - 1) * size
    bench.database.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])


def _rename_column(bench: Bench, table: str, column: str) -> None:
    """In SQLite's own description of a table: reading does not ask for that column, writing does."""
    content = bench.database.read_bytes()
    found = re.search(rf"CREATE TABLE {table} \(.*?\b({column}) ".encode(), content)
    assert found
    place = found.start(1)
    bench.database.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])


WAYS: dict[str, Callable[[Bench], object]] = {
    "one generation lost": lambda bench: _old_database(bench, 1),
    "two generations lost": lambda bench: _old_database(bench, 0),
    "the witness is gone": lambda bench: (bench.tree.state / "witness").unlink(),
    "the witness is empty": lambda bench: _replace(bench, "witness", b""),
    "the witness is older": lambda bench: shutil.copy(bench.generations[0] / "witness", bench.tree.state),
    "the key is gone": lambda bench: (bench.tree.state / "key").unlink(),
    "the key is another": lambda bench: _replace(bench, "key", bytes(32)),
    "the database is gone": lambda bench: bench.database.unlink(),
    "the database is empty": lambda bench: bench.database.write_bytes(b""),
    "the database is no database": lambda bench: bench.database.write_bytes(os.urandom(9000)),
    "another machine": lambda bench: bench.tree.put("/etc/machine-id", "b" * 32 + "\n"),
    "a journal of nothing": lambda bench: _replace(bench, "state.db-journal", os.urandom(4096)),
    "a damaged index of the description": lambda bench: _break_index(bench, "meta"),
    "a damaged index of the journal": lambda bench: _break_index(bench, "steps"),
    "a damaged index of the undo store": lambda bench: _break_index(bench, "blobs"),
    "another column in the journal": lambda bench: _rename_column(bench, "steps", "sum"),
    "another column in the undo store": lambda bench: _rename_column(bench, "undo", "row"),
    "another key of the journal": lambda bench: _rename_column(bench, "runs", "run"),
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """One for all: each use makes it fresh."""
    return Bench(tmp_path_factory.mktemp("damage"))


@pytest.mark.parametrize("way", WAYS)
def test_the_command_goes_on(way: str, bench: Bench) -> None:
    """Plan says that nothing is removed, apply removes nothing and does the rest, keeps the damaged one, and
    the next plan is empty.
    """
    bench.fresh()
    bench.machine = "b" * 32 if way == "another machine" else "a" * 32
    WAYS[way](bench)

    assert "" == bench.trouble()


@pytest.mark.timeout(1200)
def test_the_command_goes_on_after_any_damage(bench: Bench) -> None:
    """The same for flipped bytes and lengths by chance; what is harmless removes what it should."""
    seed, chance = seeded()
    bench.machine = "a" * 32
    content = (bench.generations[-1] / "state.db").read_bytes()
    written = [place for place in range(len(content)) if content[place]]
    wrong = []
    for number in range(COMMANDS[full()]):
        bench.fresh()
        place = chance.choice(written)
        flipped = (
            content[:place] + bytes([content[place] ^ chance.choice((0xFF, 1, 0x80))]) + content[place + 1 :]
        )
        bench.database.write_bytes(
            content[: chance.randrange(1, len(content))] if number % 4 == 0 else flipped
        )
        wrong += [f"copy {number}, byte {place}: {said}" for said in [bench.trouble()] if said]
    note("damage and the command", points=COMMANDS[full()], violations=len(wrong))

    assert [] == wrong[:3], f"seed {seed}"


def test_the_bench_catches_a_prune(bench: Bench) -> None:
    """It can fail: where a state is sound for the reader but said to be damaged, what is removed is told."""
    bench.fresh()
    bench.machine = "b" * 32  # the command itself reads the machine's own id, and believes

    assert "but removed" in bench.trouble()
