"""Reading the state without changing it, and judging whether it can be trusted."""

from __future__ import annotations

import gc
import json
import os
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Generic

from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.state import Hold, LedgerRow, Memory, OwedRow
from reconciler.host.state import schema
from reconciler.host.state.connection import BROKEN, INTERRUPTED, T, reading, words_of
from reconciler.host.state.files import (
    DATABASE,
    JOURNAL,
    KEY,
    KEY_BYTES,
    WITNESS,
    StateError,
    file_facts,
    open_directory,
    read_small,
)
from reconciler.host.state.schema import Meta, Witness

_AT_ONCE = 256
"""Rows parsed in one call: a call for each row is slow, and so is the memory for all of them at once."""
_ATTEMPTS = 5
_PAUSE = 0.02
UNSEALED = "its description (table meta) does not verify"


@frozen
class Loaded:
    """The rows of the database that verify."""

    meta: Meta | None = None
    """None when the table `meta` does not verify."""
    rows: Mapping[Address, LedgerRow] = field(default_factory=dict)
    """The ledger."""
    owed: tuple[OwedRow, ...] = ()
    tombstones: tuple[schema.Row, ...] = ()
    holds: tuple[Hold, ...] = ()
    problem: str = ""
    """The reason why rows are missing or cannot be trusted; empty when all of them verify."""


@frozen
class Beside:
    """The small files beside the database.

    `witness` is None when the file is missing or does not verify; `witness_there` tells which.
    """

    key: bytes = b""
    witness: Witness | None = None
    witness_there: bool = False


def read_memory(directory: str, machine_id: str) -> Memory:
    """Our memory, read without changing a byte, a time or a name in the directory.

    Nothing in the directory makes it raise: Memory says what is damaged or unreadable. A missing directory is
    an empty Memory. A run that is still open counts as interrupted unless another process holds the lock.
    """
    memory = Memory()
    for _ in range(_ATTEMPTS):
        before = _marks(directory)
        memory = _read_once(directory, machine_id)
        if not memory.damaged or _marks(directory) == before:
            break
        # An apply wrote in between: the damage may have been half of the old state and half of the new one.
        time.sleep(_PAUSE)
    return memory


def _marks(directory: str) -> list[tuple[int, int, int] | None]:
    """Inode, size and time of each file of the state: another value after a write."""
    return [_mark(os.path.join(directory, name)) for name in (DATABASE, JOURNAL, WITNESS, KEY)]


def _mark(path: str) -> tuple[int, int, int] | None:
    try:
        facts = os.lstat(path)
    except OSError:
        return None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def _read_once(directory: str, machine_id: str) -> Memory:
    opened = -1
    try:
        opened = open_directory(directory)
        beside = read_beside(opened)
        facts = file_facts(opened, DATABASE)
    except FileNotFoundError:
        return Memory()
    except PermissionError as problem:
        return Memory(
            unreadable=f"{directory}: {problem.strerror}; run as root to see what was applied before"
        )
    except OSError as problem:
        return Memory(damaged=f"{directory}: {problem.strerror}")
    except StateError as problem:
        return Memory(damaged=str(problem))
    finally:
        if opened >= 0:
            os.close(opened)
    if facts is None or facts.st_size == 0:
        lost = (
            f"{directory}/{DATABASE} is gone, but the witness file beside it says that there was one"
            if beside.witness_there
            else ""
        )
        return Memory(key=beside.key, damaged=lost)
    return _from_database(os.path.join(os.path.abspath(directory), DATABASE), beside, machine_id)


def _from_database(path: str, beside: Beside, machine_id: str) -> Memory:
    try:
        loaded, interrupted = reading(path, load)
    except PermissionError:
        return Memory(unreadable=f"{path}: permission denied; run as root to see what was applied before")
    except TimeoutError:
        return Memory(unreadable=f"{path}: a running apply is writing it; try again")
    except StateError as problem:
        return Memory(
            damaged=INTERRUPTED if problem.detail == INTERRUPTED else f"{path}: {problem.detail}",
            key=beside.key,
        )
    memory = to_memory(loaded, beside, machine_id)
    if memory.damaged and interrupted:
        return replace(memory, damaged=INTERRUPTED)
    if memory.interrupted:
        from reconciler.host.state.lock import is_held_by_other  # rarely needed

        return replace(memory, interrupted=0) if is_held_by_other(os.path.dirname(path)) else memory
    return memory


def read_beside(directory: int) -> Beside:
    """The key and the witness. Raises OSError, StateError.

    Read them before the database: the witness may lag behind it, but is never ahead.
    """
    witness = read_small(directory, WITNESS)
    return Beside(
        key=read_small(directory, KEY) or b"",
        witness=Witness.from_bytes(witness) if witness is not None else None,
        witness_there=witness is not None,
    )


def to_memory(loaded: Loaded, beside: Beside, machine_id: str) -> Memory:
    """The loaded rows as Memory; its `damaged` is the reason not to trust them."""
    meta = loaded.meta
    memory = Memory(
        rows=loaded.rows, owed=loaded.owed, key=beside.key, damaged=distrust(loaded, beside, machine_id)
    )
    if loaded.holds:
        from reconciler.host.state.hold_clock import clock, sort_out  # rarely needed

        holds, ended = sort_out(loaded.holds, clock())
        memory = replace(memory, holds=holds, ended=ended)
    if meta is None:
        return memory
    return replace(
        memory,
        tombstones={(str(row["kind"]), str(row["name"])): str(row["id"]) for row in loaded.tombstones},
        lineage=meta.lineage,
        serial=meta.serial,
        commit=meta.commit,
        spec_host=meta.spec_host,
        interrupted=meta.open_run,
    )


def distrust(loaded: Loaded, beside: Beside, machine_id: str) -> str:
    """The reason why nothing may be removed on the word of this state; empty when it can be trusted."""
    meta = loaded.meta
    if loaded.problem or meta is None:
        return loaded.problem or UNSEALED
    if meta.machine_id != machine_id:
        return (
            "it belongs to another machine (machine-id differs): was this host cloned, or the directory"
            " copied?"
        )
    if len(beside.key) != KEY_BYTES or schema.key_id(beside.key) != meta.key_id:
        return "the file `key` is missing or is another one: keyed digests cannot be compared"
    if beside.witness is None:
        return _without_witness(meta, beside)
    return _against_witness(meta, beside.witness)


def _without_witness(meta: Meta, beside: Beside) -> str:
    if beside.witness_there:
        return "the witness file does not verify"
    # At serial 0 an apply was killed between making the database and the witness.
    return "the witness file is missing" if meta.serial else ""


def _against_witness(meta: Meta, witness: Witness) -> str:
    if witness.lineage != meta.lineage:
        return "the witness file belongs to another state (lineage differs)"
    if witness.serial > meta.serial:
        return (
            f"it is older than its witness file (serial {meta.serial}, witness {witness.serial}): was it put"
            " back from a backup?"
        )
    if witness.serial == meta.serial and witness.digest != meta.digest:
        return f"it differs from what its witness file saw at serial {meta.serial}"
    return ""


def load(connection: sqlite3.Connection) -> Loaded:
    """Everything that a plan needs of the past, each row verified. Damaged content raises nothing."""
    collecting = gc.isenabled()
    # Tens of thousands of containers are made, none of them garbage: collecting costs a third of the time.
    gc.disable()
    try:
        return _load(connection)
    finally:
        if collecting:
            gc.enable()


def _load(connection: sqlite3.Connection) -> Loaded:
    meta, problem = load_meta(connection)
    ledger = _table(connection, "ledger", schema.ledger_row)
    owed = _table(connection, "owed", schema.owed_row)
    tombstones = _table(connection, "tombstones", dict)
    holds = (
        _table(connection, "holds", schema.hold_row)
        if _version(connection) >= schema.HOLDS
        else _Table[Hold]()
    )
    tables: tuple[_Table[Any], ...] = (ledger, owed, tombstones, holds)
    problems = (problem, *(table.problem for table in tables))
    problem = next(filter(None, problems), "") or _other_layout(connection)
    total = sum(table.total for table in tables) % schema.MODULUS
    if meta and not problem and f"{total:064x}" != meta.digest:
        problem = "rows are missing or were changed (the digest over all rows differs)"
    rows = {row.address: row for row in ledger.rows}
    return Loaded(meta, rows, tuple(owed.rows), tuple(tombstones.rows), tuple(holds.rows), problem)


def _other_layout(connection: sqlite3.Connection) -> str:
    """The fault in the layout of the tables, empty if there is none.

    It counts for the tables that only an apply uses as well: every apply would fail at them.
    """
    try:
        columns = {
            (table.decode(), name.decode(), key) for table, name, key in connection.execute(schema.COLUMNS)
        }
    except BROKEN as problem:
        return words_of(problem)
    missing = schema.layout(_version(connection)) - columns
    return f"its table {min(missing)[0]} is not as it was made" if missing else ""


def _version(connection: sqlite3.Connection) -> int:
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    except BROKEN:
        return schema.SCHEMA


def load_meta(connection: sqlite3.Connection) -> tuple[Meta | None, str]:
    """The table `meta`, None when it does not verify, and its fault."""
    try:
        pairs = connection.execute("SELECT key, value FROM meta").fetchall()
        meta = Meta.from_rows({key.decode(): value.decode() for key, value in pairs})
    except BROKEN as problem:
        return None, words_of(problem)
    except (AttributeError, ValueError):
        meta = None
    return meta, "" if meta else UNSEALED


@dataclass(slots=True)
class _Table(Generic[T]):
    """The rows of a table that verify, the sum of their checksums, and the fault of the others."""

    rows: list[T] = field(default_factory=list)
    total: int = 0
    problem: str = ""


def _table(connection: sqlite3.Connection, name: str, make: Callable[[Any], T]) -> _Table[T]:
    table: _Table[T] = _Table()
    try:
        cursor = connection.execute(schema.SCAN[name])
    except BROKEN as error:
        table.problem = words_of(error)
        return table
    more = True
    while more and not table.problem:
        records: list[tuple[Any, Any]] = []
        try:
            records.extend(islice(cursor, _AT_ONCE))  # the rows before an error stay
        except BROKEN as error:
            table.problem = words_of(error)
        _add(table, name, records, make)
        more = len(records) == _AT_ONCE
    return table


def _add(table: _Table[T], name: str, records: list[tuple[Any, Any]], make: Callable[[Any], T]) -> None:
    texts = []
    for text, stored in records:
        if isinstance(text, bytes) and schema.checksum(name, text) == stored:
            texts.append(text)
            table.total += schema.number(stored)
    if len(texts) < len(records):
        table.problem = table.problem or f"a row of {name} fails its checksum"
    try:
        table.rows.extend(map(make, json.loads(b"[%s]" % b",".join(texts))))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        table.problem = table.problem or f"{name} holds rows of an unknown form ({type(error).__name__})"
