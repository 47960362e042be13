"""Opening the state for writing, under the lock: recover, create, verify."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

from reconciler.core.basics.frozen import frozen
from reconciler.core.state import Hold
from reconciler.host.process.failpoints import hit
from reconciler.host.state import schema
from reconciler.host.state.connection import BROKEN, NEWER, connect, trouble
from reconciler.host.state.files import (
    DATABASE,
    JOURNAL,
    KEY,
    KEY_BYTES,
    StateDamaged,
    StateError,
    file_facts,
    make_private,
    make_state_directory,
    move_aside,
    open_directory,
    replace_small,
)
from reconciler.host.state.read import Beside, distrust, load, read_beside, read_memory
from reconciler.host.state.schema import Meta
from reconciler.host.state.write import Transaction, write_meta, write_witness

_PATIENCE = 30.0
"""Seconds that a commit waits for readers."""
_PRAGMAS = (
    "journal_mode = DELETE",
    "synchronous = FULL",
    "cache_spill = OFF",
    "secure_delete = ON",
    "trusted_schema = OFF",
)
"""`cache_spill = OFF`: no page of the database is written before COMMIT, see `commit`."""


@frozen
class Opened:
    """A verified database and the descriptor of its directory.

    `moved_aside` names the damaged database that it replaces, empty if it replaces none.
    """

    directory: int
    connection: sqlite3.Connection
    moved_aside: str = ""


def recover(directory: str) -> bool:
    """Play back the journal of an apply that was killed in the middle of a commit; whether there was one.

    Call it under the lock, before `read_memory`. Without such a journal nothing is written, and no file is
    ever created. Raises StateError.
    """
    if not os.path.lexists(directory):
        return False
    with at(directory) as opened:
        if not file_facts(opened, JOURNAL) or not file_facts(opened, DATABASE):
            return False
    try:
        with closing(_connect(directory)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BROKEN:
        return False  # `read_memory` says what is wrong with it
    hit("state.recover.done")
    return True


def open_state(directory: str, machine_id: str, *, replace_damaged: bool) -> Opened:
    """Open or create the state, as `Store.open` says. Raises StateDamaged, StateError.

    The holds that still verify in a damaged state go over into the new one: a person asked for them.
    """
    make_state_directory(directory)
    hit("state.open.begun")
    recover(directory)
    try:
        return _open(directory, machine_id)
    except StateDamaged:
        if not replace_damaged:
            raise
    holds = read_memory(directory, machine_id).holds
    with at(directory) as opened:
        aside = move_aside(opened)
    hit("state.replace.moved")
    fresh = _open(directory, machine_id, holds)
    return Opened(fresh.directory, fresh.connection, aside)


@contextmanager
def at(directory: str) -> Iterator[int]:
    """A descriptor of the state directory; an OSError in the block becomes StateError."""
    opened = -1
    try:
        opened = open_directory(directory)
        yield opened
    except OSError as problem:
        raise StateError(
            "The state cannot be opened", f"{directory}: {problem.strerror}. Run as root."
        ) from problem
    finally:
        if opened >= 0:
            os.close(opened)


def _open(directory: str, machine_id: str, holds: Iterable[Hold] = ()) -> Opened:
    with at(directory) as opened:
        facts = file_facts(opened, DATABASE)
        beside = read_beside(opened)
        new = facts is None or facts.st_size == 0
        if new and beside.witness_there:
            raise StateDamaged(
                "The state is damaged",
                f"{directory}/{DATABASE} is gone, but the witness file beside it is there",
            )
        if new:
            beside = Beside(key=beside.key if len(beside.key) == KEY_BYTES else _make_key(opened))
            make_private(opened, DATABASE)
        fd = os.dup(opened)
    connection = None
    try:
        connection = _connect(directory)
        if new:
            _lay_out(
                connection,
                fd,
                Meta(lineage=_uuid(), machine_id=machine_id, key_id=schema.key_id(beside.key)),
                holds,
            )
        meta = _verify(connection, beside, machine_id)
        _upgrade(connection, fd)
        if beside.witness is None or beside.witness.serial < meta.serial:
            hit("state.witness.behind")
            write_witness(fd, meta)  # killed between a commit and its witness
    except BROKEN as problem:
        _close(fd, connection)
        raise trouble("opened", problem) from problem
    except BaseException:
        _close(fd, connection)
        raise
    return Opened(fd, connection)


def commit(connection: sqlite3.Connection, directory: int) -> None:
    """COMMIT, with our own fsync of the directory before and after it, which counts.

    Raises StateError, and what SQLite raises.

    SQLite syncs the directory after it has made its journal, and ignores a failure (os_unix.c, unixSync:
    "Many systems are unable to fsync a directory, so ignore errors"). With `synchronous=EXTRA` it does so
    again after it has removed the journal, and ignores a directory that it cannot open. But a journal without
    a name on the disk recovers nothing, and one that comes back takes the commit with it.
    """
    _sync(directory)
    connection.execute("COMMIT")
    _sync(directory)


def _sync(directory: int) -> None:
    try:
        os.fsync(directory)
    except OSError as problem:
        raise StateError(
            "The state cannot be written", f"the directory of {DATABASE}: {problem.strerror}"
        ) from problem


def _close(directory: int, connection: sqlite3.Connection | None) -> None:
    os.close(directory)
    if connection is not None:
        connection.close()


def _connect(directory: str) -> sqlite3.Connection:
    connection = connect(os.path.join(os.path.abspath(directory), DATABASE), "mode=rw", _PATIENCE)
    try:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def _lay_out(connection: sqlite3.Connection, directory: int, meta: Meta, holds: Iterable[Hold]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for statement in schema.CREATE:
        connection.execute(statement)
    write_meta(connection, meta, None)
    change = Transaction(connection)
    for row in holds:
        change.put("holds", schema.hold_data(row))
    write_meta(connection, replace(meta, digest=change.digest), meta)
    hit("state.create.written")
    commit(connection, directory)
    hit("state.create.committed")


def _upgrade(connection: sqlite3.Connection, directory: int) -> None:
    """Bring a database of an older version of the program up to this one's."""
    if connection.execute("PRAGMA user_version").fetchone()[0] == schema.SCHEMA:
        return
    connection.execute("BEGIN IMMEDIATE")
    for statement in schema.UPGRADE:
        connection.execute(statement)
    hit("state.upgrade.written")
    commit(connection, directory)
    hit("state.upgrade.committed")


def _verify(connection: sqlite3.Connection, beside: Beside, machine_id: str) -> Meta:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > schema.SCHEMA:
        raise StateDamaged("The state cannot be used", NEWER)
    loaded = load(connection)
    doubt = distrust(loaded, beside, machine_id) or _structural_faults(connection)
    if doubt or loaded.meta is None:
        raise StateDamaged("The state is damaged", doubt)
    return loaded.meta


def _structural_faults(connection: sqlite3.Connection) -> str:
    """The faults that SQLite finds in the structure of tables, indexes and free pages; empty without any.

    A damaged page is written to sooner or later, and would fail every apply from then on. The content of a
    blob is not looked at: its digest proves it.
    """
    messages = [row[0].decode(errors="replace") for row in connection.execute("PRAGMA integrity_check(3)")]
    return "" if messages == ["ok"] else "; ".join(" ".join(message.split()) for message in messages)


def _make_key(directory: int) -> bytes:
    key = os.urandom(KEY_BYTES)
    replace_small(directory, KEY, key)
    return key


def _uuid() -> str:
    from uuid import uuid4  # 5 ms, needed once in the life of a host

    return str(uuid4())
