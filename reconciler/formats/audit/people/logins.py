"""Records of logins: utmp(5) as in wtmp and btmp, lastlog, and rows of the databases that follow them.

Pure: bytes in, values out. A failed login may have a password in the place of a name, so names that no
account has are counted and never kept.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Collection, Iterable, Mapping

from reconciler.core.basics.frozen import frozen

MOST_BYTES = 64 << 20
"""Bytes of a file of records that are read: lastlog is as long as the highest number of an account has it."""
_UTMP = (struct.Struct("<hxxi32s4s32s256shhiIi16s20x"), struct.Struct("<hxxi32s4s32s256shhqqq16s20x4x"))
"""The layouts: most machines have the first, 64-bit ARM the second (bits/utmp.h)."""
_LASTLOG = struct.Struct("<I32s256s")
_LAST_TYPE = 9
_BOOT, _LOGIN, _USER = 2, 6, 7


@frozen
class Use:
    """How often, and the last time: seconds since the epoch, the line or service, and from where."""

    count: int
    last: int
    line: str = ""
    host: str = ""


@frozen
class Logins:
    """The records of one source."""

    since: int | None
    """The time of the oldest record; None without any."""
    users: Mapping[str, Use]
    others: Use = Use(0, 0)
    """Those with names that no account has."""


@frozen
class _Record:
    user: str
    time: int
    line: str
    host: str


def of_utmp(data: bytes, names: Collection[str], *, failed: bool = False) -> Logins:
    """The logins of wtmp, or the failed ones of btmp, by accounts that are there.

    Raises ValueError for what are no such records.
    """
    layout = _layout(data)
    types = (_LOGIN, _USER) if failed else (_USER,)
    rows = [layout.unpack_from(data, at) for at in range(0, len(data) - layout.size + 1, layout.size)]
    times = [row[9] for row in rows if row[9] > 0]
    records = (
        _Record(_text(row[4]), row[9], _text(row[2]), _text(row[5])) for row in rows if row[0] in types
    )
    return _logins(records, names, min(times, default=None))


def of_lastlog(data: bytes, names_by_uid: Mapping[int, str]) -> Logins:
    """The last logins of lastlog(8), which has a record for each number of an account."""
    records = []
    for uid, name in names_by_uid.items():
        if (uid + 1) * _LASTLOG.size <= len(data):
            time, line, host = _LASTLOG.unpack_from(data, uid * _LASTLOG.size)
            if time:
                records.append(_Record(name, time, _text(line), _text(host)))
    return _logins(
        records, set(names_by_uid.values()), min((record.time for record in records), default=None)
    )


def of_rows(rows: Iterable[tuple[object, ...]], names: Collection[str], unit: int) -> Logins:
    """The logins of the rows (name, time, line, host) of a database, whose times count `unit` a second."""
    records = [
        _Record(str(name), time // unit, _printable(line), _printable(host))
        for name, time, line, host in rows
        if isinstance(time, int) and time > 0
    ]
    return _logins(records, names, min((record.time for record in records), default=None))


def logins_text(logins: Logins) -> str:
    """The records as the answer to a question."""
    users = {name: _fields(use) for name, use in logins.users.items()}
    return json.dumps({"since": logins.since, "users": users, "others": _fields(logins.others)})


def parse_logins(text: str) -> Logins:
    """The records of such an answer. Raises ValueError."""
    data = json.loads(text)
    users = {str(name): Use(*fields) for name, fields in data["users"].items()}
    return Logins(data["since"], users, Use(*data["others"]))


def _fields(use: Use) -> list[object]:
    return [use.count, use.last, use.line, use.host]


def _layout(data: bytes) -> struct.Struct:
    """The layout with which every record has a type that there is."""
    for layout in _UTMP:
        starts = range(0, len(data) - layout.size + 1, layout.size)
        kinds = (int.from_bytes(data[at : at + 2], "little") for at in starts)
        if (len(data) >= layout.size or not data) and all(kind <= _LAST_TYPE for kind in kinds):
            return layout
    raise ValueError("these are no records of utmp(5)")


def _text(field: bytes) -> str:
    return "".join(char for char in field.split(b"\0", 1)[0].decode("utf-8", "replace") if char.isprintable())


def _logins(records: Iterable[_Record], names: Collection[str], since: int | None) -> Logins:
    users: dict[str, Use] = {}
    others = Use(0, 0)
    for record in records:
        if record.user in names:
            users[record.user] = _with(users.get(record.user), record)
        else:
            others = Use(others.count + 1, max(others.last, record.time))
    return Logins(since, users, others)


def _with(use: Use | None, record: _Record) -> Use:
    if use is None:
        return Use(1, record.time, record.line, record.host)
    if record.time < use.last:
        return Use(use.count + 1, use.last, use.line, use.host)
    return Use(use.count + 1, record.time, record.line, record.host)


def _printable(value: object) -> str:
    return "".join(char for char in value if char.isprintable())[:256] if isinstance(value, str) else ""
