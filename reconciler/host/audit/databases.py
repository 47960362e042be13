"""The databases in which Debian 13 keeps logins, looked at in memory: nothing is locked or written."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from reconciler.formats.audit.people.logins import Logins, of_rows

_LASTLOG2 = "SELECT Name, Time, TTY, RemoteHost FROM Lastlog2 LIMIT 100000"
_WTMPDB = "SELECT User, Login, TTY, RemoteHost FROM wtmp WHERE Type = 3 LIMIT 1000000"
_MICROSECONDS = 1_000_000
_VERSIONS = slice(18, 20)
"""The bytes that tell whether a log lies beside the database (sqlite.org/fileformat2.html)."""


def of_lastlog2(data: bytes, names: Collection[str]) -> Logins:
    """The last logins of lastlog2(8). Raises ValueError for what is no such database."""
    return of_rows(_rows(data, _LASTLOG2), names, 1)


def of_wtmpdb(data: bytes, names: Collection[str]) -> Logins:
    """The logins of wtmpdb(8). Raises ValueError for what is no such database."""
    return of_rows(_rows(data, _WTMPDB), names, _MICROSECONDS)


def _rows(data: bytes, query: str) -> Iterator[tuple[object, ...]]:
    import sqlite3  # most hosts have no such database

    plain = bytearray(data)
    plain[_VERSIONS] = b"\1\1"  # as of a database without a log, which there is none of in memory
    connection = sqlite3.connect(":memory:")
    try:
        connection.deserialize(bytes(plain))
        yield from connection.execute(query)
    except sqlite3.Error as problem:
        raise ValueError(f"no such database: {problem}") from problem
    finally:
        connection.close()
