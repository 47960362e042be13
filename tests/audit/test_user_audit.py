"""Who used which account: records of every source, hostile ones, and what cannot be told."""

from __future__ import annotations

import sqlite3
import struct
from datetime import timedelta

import pytest

from reconciler.audit.user_audit import Sources, unused
from reconciler.formats.audit.people.auth_journal import (
    FAILED,
    LOGIN,
    REFUSED,
    SUDO,
    parse_journal,
    redact_journal,
)
from reconciler.formats.audit.people.logins import (
    Logins,
    Use,
    logins_text,
    of_lastlog,
    of_utmp,
    parse_logins,
)
from reconciler.host.audit.databases import of_lastlog2, of_wtmpdb
from reconciler.render.user_audit.text import user_audit_text
from tests.audit.facts import NOW, facts

_UTMP = struct.Struct("<hxxi32s4s32s256shhiIi16s20x")
_TODAY = int(NOW.timestamp())
_OLD = _TODAY - 200 * 86_400


def _record(kind: int, user: bytes, time: int, host: bytes = b"") -> bytes:
    return _UTMP.pack(kind, 1, b"pts/0", b"", user, host, 0, 0, 0, time, 0, b"")


def test_the_last_of_the_logins_of_wtmp_counts() -> None:
    """Boots are no logins, and the oldest record says since when there are any."""
    data = _record(2, b"reboot", 100) + _record(7, b"ann", 300, b"192.0.2.1") + _record(7, b"ann", 200)

    assert of_utmp(data, {"ann"}) == Logins(100, {"ann": Use(2, 300, "pts/0", "192.0.2.1")})


def test_a_password_typed_as_a_name_is_not_kept() -> None:
    """btmp has whatever was typed: a name that no account has is counted and nothing more."""
    data = _record(6, b"hunter2", 300) + _record(6, b"ann", 200)

    text = logins_text(of_utmp(data, {"ann"}, failed=True))

    assert "hunter2" not in text
    assert parse_logins(text) == Logins(200, {"ann": Use(1, 200, "pts/0")}, Use(1, 300))


def test_a_record_that_was_cut_is_left_out() -> None:
    """A machine that lost power leaves part of a record at the end."""
    assert of_utmp(_record(7, b"ann", 300) + b"\7\0\0", {"ann"}).users["ann"].count == 1


@pytest.mark.parametrize("data", [b"x" * 384, b"\xff" * 1000, b"short"])
def test_other_bytes_are_no_records(data: bytes) -> None:
    """A record that is not understood is an error, and never an empty answer."""
    with pytest.raises(ValueError, match="no records"):
        of_utmp(data, {"ann"})


def test_control_characters_do_not_reach_a_terminal() -> None:
    """The host of a record is what the client's name server said."""
    data = _record(7, b"ann", 300, b"\x1b[31mred\xff")

    assert of_utmp(data, {"ann"}).users["ann"].host == "[31mred\N{REPLACEMENT CHARACTER}"


def test_lastlog_has_a_place_for_each_number() -> None:
    """An account whose number lies behind the end never logged in."""
    record = struct.Struct("<I32s256s")
    data = record.pack(0, b"", b"") + record.pack(500, b"pts/1", b"h")

    assert of_lastlog(data, {0: "root", 1: "ann", 4_000_000_000: "far"}).users == {
        "ann": Use(1, 500, "pts/1", "h")
    }


def test_the_databases_of_debian_13_are_read_in_memory() -> None:
    """lastlog2 counts seconds and wtmpdb microseconds; other bytes are an error."""
    second = _database(
        "CREATE TABLE Lastlog2(Name TEXT PRIMARY KEY, Time INTEGER, TTY TEXT, RemoteHost TEXT, Service TEXT)",
        "INSERT INTO Lastlog2 VALUES ('ann', 500, 'pts/0', 'h', 'sshd')",
    )
    wtmp = _database(
        "CREATE TABLE wtmp(ID INTEGER PRIMARY KEY, Type INTEGER, User TEXT, Login INTEGER, Logout INTEGER,"
        " TTY TEXT, RemoteHost TEXT, Service TEXT)",
        "INSERT INTO wtmp VALUES (1, 3, 'ann', 600000001, NULL, 'pts/0', 'h', NULL)",
    )

    assert of_lastlog2(second, {"ann"}).users == {"ann": Use(1, 500, "pts/0", "h")}
    assert of_wtmpdb(wtmp, {"ann"}).users == {"ann": Use(1, 600, "pts/0", "h")}
    for hostile in (b"", b"SQLite format 3\0" + b"\0" * 500, wtmp[:600], second):
        with pytest.raises(ValueError, match="database"):
            of_wtmpdb(hostile, {"ann"})


def _database(*statements: str) -> bytes:
    connection = sqlite3.connect(":memory:")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    return connection.serialize()


_JOURNAL = """\
1796082574.664513 testhost sshd[58]: Accepted publickey for ann from 127.0.0.1 port 40622 ssh2: ED25519 SHA256:rDU
1796082574.758540 testhost sudo[66]:      ann : PWD=/home/ann ; USER=root ; COMMAND=/bin/true arg1 secret
1796082575.758540 testhost sudo[66]:      bob : user NOT in sudoers ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/id
1796082576.440482 testhost sshd-session[86]: Failed password for ann from 127.0.0.1 port 40636 ssh2
1796082577.843038 testhost sshd[90]: Failed password for invalid user hunter2 from 127.0.0.1 port 40646 ssh2
1796082578.843038 testhost sshd[90]: Failed password for invalid user x from 192.0.2.9 port 1 ssh2 from 127.0.0.1 port 2 ssh2
1796082579.000000 testhost sshd[90]: Connection closed by invalid user hunter2 127.0.0.1 port 40646 [preauth]
"""


def test_the_journal_is_reduced_to_events() -> None:
    """No argument of a command and no name of a stranger is left; a name cannot make up an address."""
    text = redact_journal(_JOURNAL)

    assert "secret" not in text
    assert "hunter2" not in text
    assert [(event.kind, event.account, event.detail) for event in parse_journal(text).events] == [
        (LOGIN, "ann", "127.0.0.1"),
        (SUDO, "ann", "/bin/true"),
        (REFUSED, "bob", "/bin/id"),
        (FAILED, "ann", "127.0.0.1"),
        (FAILED, "", "127.0.0.1"),
        (FAILED, "", "127.0.0.1"),
    ]


def test_a_journal_that_is_not_all_ours_to_read_is_partial() -> None:
    """An ordinary user sees part of it, which says nothing about what is not there."""
    hint = "Hint: You are currently not seeing messages from other users and the system."

    assert parse_journal(redact_journal(hint)).partial
    assert not parse_journal(redact_journal("-- No entries --\n")).partial
    assert parse_journal(redact_journal("-- No entries --\n")).since is None


def test_the_oldest_line_says_since_when_the_journal_tells() -> None:
    """It counts whatever it is about: without a login in it nobody logged in since then."""
    line = "100.5 h sshd[1]: Server listening on :: port 22.\n"

    assert parse_journal(redact_journal(line + _JOURNAL)).since == 100


@pytest.mark.parametrize(
    ("users", "since", "changed", "expected"),
    [
        ({"ann": Use(1, _TODAY - 10)}, _OLD, 1, False),
        ({"ann": Use(1, _OLD)}, _OLD, 1, True),
        ({}, _OLD, 1, True),
        ({}, _TODAY - 10, 1, None),
        ({}, None, 1, None),
        ({}, _OLD, _TODAY // 86_400 - 3, False),
        ({}, _OLD, None, None),
    ],
)
def test_an_account_without_use(
    users: dict[str, Use], since: int | None, changed: int | None, expected: bool | None
) -> None:
    """Only a record that goes back far enough says that nobody was there; a new account is not unused."""
    given = facts(
        {
            "wtmp": logins_text(Logins(since, users)),
            "auth-journal": "",
            "shadow": f"ann:yescrypt:{changed if changed is not None else ''}:0:99999:7:::\n",
        }
    )

    assert unused(Sources(given), "ann", NOW + timedelta()).unused is expected


def test_the_text_fits_a_terminal_and_shows_no_control_characters() -> None:
    """80 columns, whatever the names are."""
    account = {
        "account": "a" * 40,
        "uid": 1000,
        "shell": True,
        "last_login": {"time": "2026-01-01T00:00:00Z", "line": "pts/0", "from": "host\x1b" * 20},
        "failed_logins": {"count": 12345678, "last": None, "from": ""},
        "sudo": None,
        "password": {"state": "set", "scheme": "yescrypt", "changed": "", "age_days": 12345, "expires": ""},
        "keys": [{"age_days": 4000}],
        "keys_unknown": "",
        "unused": True,
        "unused_unknown": "",
    }
    data = {
        "host": {"name": "h"},
        "basis": {"kind": "live"},
        "since": "2026-01-01T00:00:00Z",
        "unused_days": 90,
        "accounts": [account | {"account": f"name{number:03}"} for number in range(40)] + [account],
        "failed_unknown_names": {"count": 3, "last": None, "from": ""},
        "unknown": [],
    }

    text = user_audit_text(data, colour=False)

    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
