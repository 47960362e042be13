"""A transaction on the state: rows get their checksums, and the serial moves if a counted row changed."""

from __future__ import annotations

import json
import sqlite3
import zlib
from dataclasses import replace
from typing import Any

from reconciler.core.basics.digest import digest
from reconciler.core.host import PreImage
from reconciler.host.state import schema
from reconciler.host.state.files import WITNESS, StateDamaged, StateError, replace_small
from reconciler.host.state.read import load_meta
from reconciler.host.state.schema import Meta, Row, Witness

_HEAVIEST_ROW = 1 << 24
"""Bytes of one row's JSON. More is a mistake: content belongs into the undo store."""

_SAVE = (
    "INSERT INTO blobs (hash, content) VALUES (?, ?) ON CONFLICT (hash) DO UPDATE SET content ="
    " excluded.content"
)
_NOTE = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"


class Transaction:
    """Writes inside a BEGIN IMMEDIATE, which the caller commits after `finish` or rolls back."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        meta, problem = load_meta(connection)
        if meta is None:
            raise StateDamaged("The state is damaged", problem)
        self.meta = self._before = meta
        self._connection = connection
        self._total = int(meta.digest, 16)
        self._wrote = False

    @property
    def digest(self) -> str:
        """The digest over all counted rows as they are now."""
        return f"{self._total:064x}"

    def get(self, table: str, key: Row) -> Row | None:
        """The row with this key. Raises StateDamaged when it does not verify."""
        stored = self._stored(table, schema.key_of(table, key))
        return json.loads(stored[0]) if stored else None

    def put(self, table: str, row: Row | list[Any]) -> None:
        """Insert or replace a row; the same row is not written again. Raises StateError, StateDamaged."""
        key, text = schema.key_of(table, row), schema.encode(row)
        if len(text) > _HEAVIEST_ROW:
            raise StateError(
                "A row of the state is too large", f"{table} {', '.join(map(str, key))}: {len(text)} bytes"
            )
        stored = self._stored(table, key)
        if stored and stored[0] == text:
            return
        checksum = schema.checksum(table, text)
        self._connection.execute(schema.UPSERT[table], (*key, text.decode(), checksum))
        self._count(table, stored[1] if stored else None, checksum)

    def drop(self, table: str, key: Row | list[Any]) -> None:
        """Delete the row with this key, if there is one."""
        columns = schema.key_of(table, key)
        stored = self._stored(table, columns)
        if stored:
            self._connection.execute(schema.DELETE[table], columns)
            self._count(table, stored[1], None)

    def save(self, run: int, step: int, saved: PreImage) -> None:
        """Add a pre-image to the undo store.

        The first of two for the same path and step stays: it is the original.
        """
        blob = "" if saved.content is None else digest(saved.content)
        row = schema.saved_data(run, step, saved, blob)
        if self.get("undo", row) is not None:
            return
        if saved.content is not None:  # a blob that is there is written again: it may have rotted
            self._connection.execute(_SAVE, (blob, zlib.compress(saved.content)))
        self.put("undo", row)

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> None:
        """A statement on tables that are not counted."""
        if self._connection.execute(statement, values).rowcount > 0:
            self._wrote = True

    def finish(self) -> tuple[Meta, bool]:
        """Write the changes of `meta`. The new meta, and whether anything at all was written."""
        if self.digest != self._before.digest:
            self.meta = replace(self.meta, serial=self._before.serial + 1, digest=self.digest)
        if self.meta != self._before:
            write_meta(self._connection, self.meta, self._before)
            self._wrote = True
        return self.meta, self._wrote

    def _stored(self, table: str, columns: tuple[str | int, ...]) -> tuple[bytes, bytes] | None:
        record: tuple[Any, Any] | None = self._connection.execute(schema.SELECT[table], columns).fetchone()
        if record and (not isinstance(record[0], bytes) or schema.checksum(table, record[0]) != record[1]):
            raise StateDamaged(
                "The state is damaged", f"{table} {', '.join(map(str, columns))} fails its checksum"
            )
        return record

    def _count(self, table: str, old: bytes | None, new: bytes | None) -> None:
        self._wrote = True
        if table in schema.COUNTED:
            change = (schema.number(new) if new else 0) - (schema.number(old) if old else 0)
            self._total = (self._total + change) % schema.MODULUS


def write_meta(connection: sqlite3.Connection, meta: Meta, before: Meta | None) -> None:
    """Write the rows of `meta` that differ from those of `before`."""
    rows = before.rows() if before else {}
    changed = [(key, value) for key, value in meta.rows().items() if rows.get(key) != value]
    connection.executemany(_NOTE, changed)


def write_witness(directory: int, meta: Meta) -> None:
    """Repeat the serial outside the database, after the commit. Raises StateError."""
    try:
        replace_small(directory, WITNESS, Witness(meta.lineage, meta.serial, meta.digest).to_bytes())
    except OSError as problem:
        raise StateError("The witness file cannot be written", f"{WITNESS}: {problem.strerror}") from problem
