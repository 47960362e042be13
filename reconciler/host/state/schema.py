"""The layout of state.db, and the form in which each row carries the proof that it is whole.

Every row of `TABLES` is canonical JSON in the column `row` beside its checksum in `sum`; the other columns
are the key, repeated for SQL. The checksums of the `COUNTED` tables add up (mod 2**256) to `Meta.digest`, so
that one write touches one row and the sum, and a row that is lost, doubled or taken from an older file shows.
`meta` proves itself by the checksum in its row `seal`. A blob proves itself by its name.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.host import FileType, PreImage
from reconciler.core.state import Hold, LedgerRow, OwedRow

SCHEMA = 3
"""SQLite's user_version. 1 had no holds. 2 had rows of the ledger without policy; a program of that version
takes longer rows for damage.
"""
HOLDS = 2
"""The first version with a table of holds."""
APPLICATION_ID = 0x5245434F
"""SQLite's application_id: "RECO"."""

Row = dict[str, Any]

TABLES: Mapping[str, Mapping[str, str]] = {
    "ledger": {"kind": "TEXT", "name": "TEXT", "part": "TEXT"},
    "owed": {"verb": "TEXT", "unit": "TEXT", "kind": "TEXT", "name": "TEXT", "part": "TEXT"},
    "tombstones": {"kind": "TEXT", "name": "TEXT"},
    "holds": {"kind": "TEXT", "name": "TEXT", "part": "TEXT"},
    "runs": {"run": "INTEGER"},
    "steps": {"run": "INTEGER", "step": "INTEGER"},
    "undo": {"run": "INTEGER", "step": "INTEGER", "path": "TEXT"},
}
"""Each table and its key columns."""

COUNTED = ("ledger", "owed", "tombstones", "holds")
"""Tables whose rows are part of `Meta.digest`: a change in them moves the serial."""

MODULUS = 1 << 256


def tables(version: int) -> tuple[str, ...]:
    """The tables of a database of this version."""
    return tuple(table for table in TABLES if table != "holds" or version >= HOLDS)


def layout(version: int) -> frozenset[tuple[str, str, int]]:
    """The columns of a database of this version: table, name, and place in the primary key from 1 on, 0 when
    it is not in it.
    """
    columns = {("meta", "key", 1), ("meta", "value", 0), ("blobs", "hash", 1), ("blobs", "content", 0)}
    for table in tables(version):
        columns |= {(table, name, n) for n, name in enumerate(TABLES[table], 1)} | {
            (table, "row", 0),
            (table, "sum", 0),
        }
    return frozenset(columns)


def _create(table: str) -> str:
    columns = ", ".join(f"{name} {kind} NOT NULL" for name, kind in TABLES[table].items())
    keys = ", ".join(TABLES[table])
    return (
        f"CREATE TABLE IF NOT EXISTS {table} ({columns}, row TEXT NOT NULL, sum BLOB NOT NULL, PRIMARY KEY"
        f" ({keys}))"
    )


def _upsert(table: str) -> str:
    keys = ", ".join(TABLES[table])
    marks = ", ".join("?" * (len(TABLES[table]) + 2))
    update = "DO UPDATE SET row = excluded.row, sum = excluded.sum"
    return f"INSERT INTO {table} ({keys}, row, sum) VALUES ({marks}) ON CONFLICT ({keys}) {update}"  # noqa: S608  # names from TABLES


def _where(table: str) -> str:
    return " AND ".join(f"{name} = ?" for name in TABLES[table])


CREATE = (
    "CREATE TABLE meta (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE blobs (hash TEXT NOT NULL PRIMARY KEY, content BLOB NOT NULL)",
    *(_create(table) for table in TABLES),
    f"PRAGMA user_version = {SCHEMA}",
    f"PRAGMA application_id = {APPLICATION_ID}",
)
COLUMNS = """SELECT tables.name, columns.name, columns.pk
FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns
WHERE tables.type = 'table'"""
"""The query for the columns that `layout` expects."""
UPGRADE = (_create("holds"), f"PRAGMA user_version = {SCHEMA}")
"""The statements that bring versions 1 and 2 up to date.

They say IF NOT EXISTS: a newer file with its number turned back stays usable.
"""
UPSERT = {table: _upsert(table) for table in TABLES}
SELECT = {table: f"SELECT row, sum FROM {table} WHERE {_where(table)}" for table in TABLES}  # noqa: S608  # names from TABLES
DELETE = {table: f"DELETE FROM {table} WHERE {_where(table)}" for table in TABLES}  # noqa: S608  # names from TABLES
SCAN = {table: f"SELECT row, sum FROM {table} ORDER BY rowid" for table in TABLES}  # noqa: S608  # names from TABLES

_PERSON = {table: table.encode() for table in (*TABLES, "meta", "witness")}


def encode(data: Any) -> bytes:
    """Canonical JSON in plain ASCII. It also takes names that are not UTF-8 (surrogates), which
    `core.basics.digest.canonical` refuses.
    """
    return json.dumps(data, sort_keys=True, separators=(",", ":")).encode("ascii")


def checksum(table: str, text: bytes) -> bytes:
    """The checksum of a row, 32 bytes; the same row of another table has another one."""
    return hashlib.blake2b(text, digest_size=32, person=_PERSON[table]).digest()


def number(checksum_bytes: bytes) -> int:
    """A checksum as a term of `Meta.digest`."""
    return int.from_bytes(checksum_bytes, "little")


def key_of(table: str, row: Row | list[Any]) -> tuple[str | int, ...]:
    """The key columns of a row: an array begins with them.

    Text is escaped as in JSON: SQLite takes no surrogates.
    """
    names = TABLES[table]
    return tuple(
        map(_column, row[: len(names)] if isinstance(row, list) else (row.get(name, "") for name in names))
    )


def _column(value: Any) -> str | int:
    return value if isinstance(value, int) else json.dumps(value)[1:-1]


@frozen
class Meta:
    """The table `meta`, one value per row."""

    lineage: str
    """A UUID that the state keeps for its whole life."""
    machine_id: str
    """The host's machine id at the beginning of the state."""
    key_id: str
    """The name of the host's key for keyed digests."""
    serial: int = 0
    """The number of transactions that changed a counted table."""
    digest: str = f"{0:064x}"
    """The sum of the checksums of the counted tables, in hexadecimal."""
    commit: str = ""
    """The last applied commit."""
    spec_host: str = ""
    """The host of the last applied spec."""
    open_run: int = 0
    """The run that is under way, 0 when none is."""
    last_run: int = 0
    """The number of the newest run."""

    def rows(self) -> dict[str, str]:
        """Key and value, the seal included."""
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: encode(value).decode() for name, value in plain.items()} | {
            "seal": checksum("meta", encode(plain)).hex()
        }

    @classmethod
    def from_rows(cls, rows: Mapping[str, str]) -> Meta | None:
        """The values, if they carry the right seal; otherwise None."""
        try:
            meta = cls(**{item.name: json.loads(rows[item.name]) for item in fields(cls)})
        except (KeyError, TypeError, ValueError, RecursionError):
            return None
        return meta if meta.rows() == rows else None


@frozen
class Witness:
    """The values of Meta that the witness file repeats after each commit.

    A database with a smaller serial was put back from a copy.
    """

    lineage: str
    serial: int
    digest: str

    def to_bytes(self) -> bytes:
        """One line of JSON."""
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        return encode(plain | {"sum": checksum("witness", encode(plain)).hex()}) + b"\n"

    @classmethod
    def from_bytes(cls, content: bytes) -> Witness | None:
        """The values, if they verify; otherwise None."""
        try:
            data = json.loads(content)
            witness = cls(data["lineage"], data["serial"], data["digest"])
        except (KeyError, TypeError, ValueError, RecursionError):
            return None
        return witness if witness.to_bytes() == content else None


def key_id(key: bytes) -> str:
    """A name for the host's key that does not give it away."""
    return hashlib.blake2b(key, digest_size=16, person=b"key-id").hexdigest()


def _slim(plain: Row, defaults: Row) -> Row:
    return {name: value for name, value in plain.items() if name not in defaults or value != defaults[name]}


def _address(address: Address) -> Row:
    return {"kind": address.kind, "name": address.name} | ({"part": address.part} if address.part else {})


_LEDGER_FIELDS = tuple(item.name for item in fields(LedgerRow))[1:]
_OWED_DEFAULTS: Row = {"unit": "", "held": False, "invocation": "", "run": 0, "since": 0}


def ledger_data(row: LedgerRow) -> list[Any]:
    """A ledger row as JSON-able data: the address, then the fields of LedgerRow in their order.

    An array is read twice as fast as an object.
    """
    return [*address_key(row.address), *(getattr(row, name) for name in _LEDGER_FIELDS)]


def ledger_row(data: list[Any]) -> LedgerRow:
    """The inverse of `ledger_data`; fields added later are at their defaults in older rows."""
    kind, name, part, *rest = data
    return LedgerRow(Address(kind, name, part), *rest)


def address_key(address: Address) -> list[str]:
    """The key of an address in the ledger."""
    return [address.kind, address.name, address.part]


def owed_data(row: OwedRow) -> Row:
    """An owed row as JSON-able data."""
    plain = {"why": row.why} | {name: getattr(row, name) for name in _OWED_DEFAULTS}
    return _address(row.address) | {"verb": str(row.verb)} | _slim(plain, _OWED_DEFAULTS)


def owed_row(data: Row) -> OwedRow:
    """The inverse of `owed_data`."""
    address = Address(data["kind"], data["name"], data.get("part", ""))
    values: Row = {name: data.get(name, default) for name, default in _OWED_DEFAULTS.items()}
    return OwedRow(verb=data["verb"], address=address, why=data["why"], **values)


def hold_data(row: Hold) -> Row:
    """A hold as JSON-able data."""
    values = {item.name: getattr(row, item.name) for item in fields(Hold)[1:]}
    return _address(row.address) | values


def hold_row(data: Row) -> Hold:
    """The inverse of `hold_data`."""
    values = {item.name: data[item.name] for item in fields(Hold)[1:] if item.name in data}
    return Hold(Address(data["kind"], data["name"], data.get("part", "")), **values)


def saved_data(run: int, step: int, saved: PreImage, blob: str) -> Row:
    """A row of the undo store; `blob` is the digest of the content, empty when there is none."""
    return {
        "run": run,
        "step": step,
        "path": saved.path,
        "type": str(saved.type) if saved.type else None,
        "mode": saved.mode,
        "owner": saved.owner,
        "group": saved.group,
        "target": saved.target,
        "blob": blob,
        "xattrs": [[name, b64encode(value).decode()] for name, value in saved.xattrs],
    }


def saved_row(data: Row, content: bytes | None) -> PreImage:
    """The inverse of `saved_data`."""
    return PreImage(
        path=data["path"],
        type=FileType(data["type"]) if data["type"] else None,
        mode=data["mode"],
        owner=data["owner"],
        group=data["group"],
        target=data["target"],
        content=content,
        xattrs=tuple((name, b64decode(value)) for name, value in data["xattrs"]),
    )
