"""Connections to state.db for reading, which wait for no writer."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import TypeVar

from reconciler.host.state import schema
from reconciler.host.state.files import StateDamaged, StateError

T = TypeVar("T")
BROKEN = (sqlite3.Error, MemoryError, OverflowError, UnicodeDecodeError)
"""The errors that reading a damaged file raises.

A flipped length asks for a gigabyte, and SQLite quotes bad bytes in its message.
"""

_READER_PATIENCE = 5.0
"""Seconds that a reader waits while a commit is being written."""
_LONGEST_ROW = 1 << 28
_BUSY = {"SQLITE_BUSY", "SQLITE_LOCKED"}
_ADVICE = {
    "SQLITE_FULL": "The disk is full: make room, then run again.",
    "SQLITE_BUSY": "Another process is reading or writing it: try again.",
    "SQLITE_READONLY": (
        "It cannot be written: run as root, and look whether the file system is mounted read-only."
    ),
    "SQLITE_CANTOPEN": "It cannot be opened: run as root.",
    "SQLITE_IOERR": "The disk reports errors: look at the kernel's log.",
}
"""Advice by SQLite's result code, for troubles of the host, not of the file."""
_HOT = {"SQLITE_READONLY_ROLLBACK", "SQLITE_READONLY_RECOVERY", "SQLITE_READONLY_CANTLOCK", "SQLITE_CANTOPEN"}
"""Result codes for a file with a hot journal: a reader cannot play it back."""
INTERRUPTED = "an apply was killed in the middle of writing it; the next apply will recover it"
NEWER = "it was written by a newer version of this tool; update the tool"


def connect(path: str, mode: str, patience: float = _READER_PATIENCE) -> sqlite3.Connection:
    """A connection in autocommit mode that returns text as bytes. Nothing is read yet.

    `mode` is the query of a SQLite URI: `mode=ro`, `mode=rw`. Raises sqlite3.Error.
    """
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    connection = sqlite3.connect(f"file:{quoted}?{mode}", uri=True, timeout=patience, isolation_level=None)
    connection.text_factory = bytes
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_ROW)
    return connection


def reading(path: str, ask: Callable[[sqlite3.Connection], T]) -> tuple[T, bool]:
    """The answer of a database that may be in use, and whether its last commit was interrupted.

    `ask` is called inside one read transaction.

    The journal of a killed writer cannot be played back without writing. Then the file is read as it is, and
    the answer may only be believed if all its digests verify. Raises PermissionError, TimeoutError (busy),
    StateError (no database, damaged).
    """
    try:
        return _ask(path, "mode=ro", ask), False
    except sqlite3.Error as problem:
        name = getattr(problem, "sqlite_errorname", "")
        if name in _BUSY:
            raise TimeoutError from problem
        if name in _HOT and not os.access(path, os.R_OK, effective_ids=True):
            raise PermissionError from problem
        if name not in _HOT:
            raise StateError("The state cannot be read", words_of(problem)) from problem
    except BROKEN as problem:
        raise StateError("The state cannot be read", words_of(problem)) from problem
    try:
        return _ask(path, "mode=ro&immutable=1", ask), True
    except BROKEN as problem:
        raise StateError("The state cannot be read", INTERRUPTED) from problem


def _ask(path: str, mode: str, ask: Callable[[sqlite3.Connection], T]) -> T:
    with closing(connect(path, mode)) as connection:
        connection.execute("BEGIN")
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > schema.SCHEMA:
            raise StateError("The state cannot be read", NEWER)
        return ask(connection)


def words_of(problem: BaseException) -> str:
    """The words for a database that cannot be read."""
    return f"it is damaged or no database of ours ({str(problem) or type(problem).__name__})"


def trouble(done: str, problem: BaseException) -> StateError:
    """An error of SQLite as ours: StateError for a trouble of the host, StateDamaged for one of the file.

    `done` is what could not be done to the state: read, written, opened.
    """
    name = getattr(problem, "sqlite_errorname", "")
    advice = next((advice for code, advice in _ADVICE.items() if name.startswith(code)), "")
    if done == "written" and isinstance(problem, sqlite3.DataError | MemoryError | OverflowError):
        advice = "Memory is short, or a single item is too large to be kept."
    if name == "SQLITE_IOERR_SHORT_READ" or not advice:
        return StateDamaged("The state is damaged", words_of(problem))
    return StateError(f"The state cannot be {done}", f"{problem}. {advice}")
