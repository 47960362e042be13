"""Logins: the records that login programs keep, and what sshd and sudo say in the journal."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.core.host import Unreadable
from reconciler.formats.accounts import account_files
from reconciler.formats.audit.people import logins
from reconciler.formats.audit.people.auth_journal import redact_journal
from reconciler.formats.audit.people.logins import Logins, logins_text
from reconciler.host.audit import databases
from reconciler.host.audit.question import Files, Program, Reader


def _wtmp(files: Files, _: str) -> str:
    """The logins of this month and the one before, for `formats.audit.people.logins.parse_logins`."""
    return _told(lambda: logins.of_utmp(_read(files, "/var/log/wtmp", rotated=True), _names(files)))


def _btmp(files: Files, _: str) -> str:
    """The failed ones likewise."""
    data = _read(files, "/var/log/btmp", rotated=True)
    return _told(lambda: logins.of_utmp(data, _names(files), failed=True))


def _lastlog(files: Files, _: str) -> str:
    data = _read(files, "/var/log/lastlog")
    names = {user.uid: user.name for user in reversed(account_files.users(files))}
    return _told(lambda: logins.of_lastlog(data, names))


def _lastlog2(files: Files, _: str) -> str:
    data = _read(files, "/var/lib/lastlog/lastlog2.db")
    return _told(lambda: databases.of_lastlog2(data, _names(files)))


def _wtmpdb(files: Files, _: str) -> str:
    """The database, which Debian keeps in /var/log, with a link where wtmpdb looks."""
    data = _read(files, "/var/log/wtmp.db")
    return _told(lambda: databases.of_wtmpdb(data, _names(files)))


def _names(files: Files) -> frozenset[str]:
    return frozenset(user.name for user in account_files.users(files))


def _read(files: Files, path: str, *, rotated: bool = False) -> bytes:
    """A file of records, with the one before it in front. Raises FileNotFoundError, HostError."""
    before = _read(files, f"{path}.1") if rotated and files.entry(f"{path}.1") is not None else b""
    entry = files.entry(path)
    if entry is not None and entry.size > logins.MOST_BYTES:
        raise Unreadable("is too large", f"{path} has more than {logins.MOST_BYTES >> 20} MiB")
    return before + files.read(path)


def _told(read: Callable[[], Logins]) -> str:
    """The records as text. Raises Unreadable for what are none."""
    try:
        return logins_text(read())
    except ValueError as problem:
        raise Unreadable("cannot be read", str(problem)) from problem


QUESTIONS = {
    "wtmp": Reader(_wtmp),
    "btmp": Reader(_btmp),
    "lastlog": Reader(_lastlog),
    "lastlog2": Reader(_lastlog2),
    "wtmpdb": Reader(_wtmpdb),
    "auth-journal": Program(
        (
            "journalctl",
            "--output=short-unix",
            "--no-pager",
            "--lines=20000",
            "_EXE=/usr/bin/sudo",
            "+",
            "SYSLOG_IDENTIFIER=sshd",
            "SYSLOG_IDENTIFIER=sshd-session",
            "_UID=0",
        ),
        exits=(0, 1),
        errors=True,
        redact=redact_journal,
    ),
}
"""The identifier of a message is what its writer says. Journald itself says _EXE and _UID: nobody but sudo
and root has written these.
"""
