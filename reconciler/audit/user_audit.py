"""The use of accounts: logins and failed ones, sudo, the age of passwords and keys, and what nobody uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from reconciler.audit.facts import Facts
from reconciler.audit.keys import held_by
from reconciler.core.answers import NotInstalled
from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError
from reconciler.formats.accounts.passwd import User
from reconciler.formats.audit.people.auth_journal import (
    FAILED,
    LOGIN,
    REFUSED,
    SUDO,
    AuthJournal,
    Event,
    parse_journal,
)
from reconciler.formats.audit.people.logins import Logins, Use, parse_logins
from reconciler.formats.audit.people.passwords import ShadowRow, parse_shadow
from reconciler.policy.access.login_accounts import as_date

FORMAT_VERSION = "1.0"
UNUSED_DAYS = 90
_DAY = 86_400
_LAST = ("wtmp", "lastlog", "lastlog2", "wtmpdb")
_MOST_PROGRAMS = 5
QUESTIONS = (*_LAST, "btmp", "auth-journal", "shadow")
"""The questions that a snapshot must have answers to."""


class Sources:
    """The records of a host, as far as they are known; `unknown` says what is not."""

    def __init__(self, facts: Facts) -> None:
        self.unknown: list[str] = []
        self._logins = {name: self._known(facts, name) for name in _LAST}
        self.failed = self._known(facts, "btmp")
        self.journal = self._journal(facts)
        self.shadow = self._shadow(facts)
        if not any(self._logins.values()) and self.journal is None:
            self.unknown.append("last logins: the host keeps none of wtmp, lastlog, lastlog2 and wtmpdb")

    @property
    def since(self) -> int | None:
        """The time of the oldest record, be it a login or not."""
        times = [logins.since for logins in self._logins.values() if logins is not None]
        times += [self.journal.since] if self.journal is not None else []
        return min((time for time in times if time is not None), default=None)

    def last(self, name: str) -> Use | None:
        """The last login of an account in any of the records."""
        uses = [
            logins.users[name]
            for logins in self._logins.values()
            if logins is not None and name in logins.users
        ]
        uses += [Use(1, event.time, "ssh", event.detail) for event in self.events(LOGIN, name)]
        return max(uses, key=lambda use: use.last, default=None)

    def events(self, kind: str, name: str) -> list[Event]:
        """The events of an account in the journal."""
        events = self.journal.events if self.journal is not None else ()
        return [event for event in events if event.kind == kind and event.account == name]

    def _known(self, facts: Facts, name: str) -> Logins | None:
        try:
            return facts.parsed(name, parse_logins)
        except FileNotFoundError:
            if name == "btmp":
                self.unknown.append("failed logins: /var/log/btmp is not there")
        except HostError as problem:
            self.unknown.append(f"{name}: {problem.detail or problem.summary}")
        return None

    def _journal(self, facts: Facts) -> AuthJournal | None:
        try:
            journal = facts.parsed("auth-journal", parse_journal)
        except NotInstalled as missing:
            self.unknown.append(f"sudo, and logins by the journal: {missing.detail}")
            return None
        except HostError as problem:
            self.unknown.append(f"sudo, and logins by the journal: {problem.detail or problem.summary}")
            return None
        if journal.partial:
            self.unknown.append(
                "sudo, and logins by the journal: it is not there, or not all of it may be read"
            )
            return None
        return journal

    def _shadow(self, facts: Facts) -> Mapping[str, ShadowRow] | None:
        try:
            return {row.name: row for row in reversed(facts.parsed("shadow", parse_shadow))}
        except FileNotFoundError:
            self.unknown.append("passwords: /etc/shadow is not there")
        except HostError as problem:
            self.unknown.append(f"passwords: {problem.detail or problem.summary}")
        return None


@frozen
class Unused:
    """Whether nobody has used an account for so long; None where that cannot be told: `why`."""

    unused: bool | None
    why: str = ""


def unused(sources: Sources, name: str, now: datetime) -> Unused:
    """Whether an account is without a login since UNUSED_DAYS; one that is younger is not."""
    moment = int(now.timestamp())
    limit = moment - UNUSED_DAYS * _DAY
    last = sources.last(name)
    if last is not None:
        return Unused(last.last < limit)
    row = sources.shadow.get(name) if sources.shadow is not None else None
    if row is None or row.changed is None:
        return Unused(None, "its age is not known")
    if row.changed * _DAY >= limit:
        return Unused(False)  # noqa: FBT003  # the answer, and no flag
    if sources.since is None or sources.since >= limit:
        return Unused(None, f"no record of logins is older than {UNUSED_DAYS} days")
    return Unused(True)  # noqa: FBT003  # the answer, and no flag


def user_audit(facts: Facts, host: str, basis: Mapping[str, Any], now: str) -> dict[str, Any]:
    """The use of all accounts of a host, as its schema has it. Raises HostError without /etc/passwd."""
    sources = Sources(facts)
    accounts = [_account(facts, sources, user) for user in facts.users]
    return {
        "format_version": FORMAT_VERSION,
        "host": {"name": host},
        "basis": dict(basis),
        "time": now,
        "since": _time(sources.since),
        "unused_days": UNUSED_DAYS,
        "accounts": accounts,
        "failed_unknown_names": _failed_of(sources, ""),
        "unknown": list(dict.fromkeys((*sources.unknown, *_unread(accounts)))),
    }


def _account(facts: Facts, sources: Sources, user: User) -> dict[str, Any]:
    last = sources.last(user.name)
    has_shell = facts.people.has_shell(user)
    state = unused(sources, user.name, facts.now) if has_shell else Unused(None, "it has no login shell")
    keys, why = _keys(facts, user)
    return {
        "account": user.name,
        "uid": user.uid,
        "shell": has_shell,
        "last_login": None
        if last is None
        else {"time": _time(last.last), "line": last.line, "from": last.host},
        "failed_logins": _failed_of(sources, user.name),
        "sudo": _sudo(sources, user.name),
        "password": _password(sources, user.name, facts),
        "keys": keys,
        "keys_unknown": why,
        "unused": state.unused,
        "unused_unknown": state.why,
    }


def _failed_of(sources: Sources, name: str) -> dict[str, Any] | None:
    """The failed logins of an account, or with an empty name those with names that no account has.

    btmp and the journal tell of the same ones, and neither of all: sshd of Debian 13 writes no btmp, and the
    console says nothing in the journal. The one that knows more counts; an empty btmp alone says nothing.
    """
    uses: list[Use] = []
    if sources.failed is not None and (sources.failed.since is not None or sources.journal is not None):
        uses.append(sources.failed.users.get(name, Use(0, 0)) if name else sources.failed.others)
    if sources.journal is not None:
        events = sources.events(FAILED, name)
        last = max(events, key=lambda event: event.time, default=None)
        uses.append(Use(len(events), last.time, "", last.detail) if last else Use(0, 0))
    return _failed(max(uses, key=lambda use: use.count)) if uses else None


def _failed(use: Use) -> dict[str, Any]:
    return {"count": use.count, "last": _time(use.last or None), "from": use.host}


def _sudo(sources: Sources, name: str) -> dict[str, Any] | None:
    if sources.journal is None:
        return None
    used, refused = sources.events(SUDO, name), sources.events(REFUSED, name)
    newest = sorted(used, key=lambda event: -event.time)
    return {
        "count": len(used),
        "refused": len(refused),
        "last": _time(newest[0].time if newest else None),
        "programs": list(dict.fromkeys(event.detail for event in newest))[:_MOST_PROGRAMS],
    }


def _password(sources: Sources, name: str, facts: Facts) -> dict[str, Any] | None:
    row = sources.shadow.get(name) if sources.shadow is not None else None
    if row is None:
        return None
    state = "empty" if row.empty else "locked" if row.locked else "set" if row.scheme else "none"
    today = int(facts.now.timestamp()) // _DAY
    return {
        "state": state,
        "scheme": row.scheme,
        "changed": as_date(row.changed) if row.changed else "",
        "age_days": today - row.changed if row.changed else None,
        "expires": as_date(row.expires) if row.expires is not None else "",
    }


def _keys(facts: Facts, user: User) -> tuple[list[dict[str, Any]] | None, str]:
    """The keys of an account with the age of the file, or why they are not known."""
    try:
        return [
            {
                "fingerprint": item.key.fingerprint,
                "type": item.key.type,
                "path": item.path,
                "age_days": _age(facts, item.path),
            }
            for item in held_by(facts, user)
        ], ""
    except HostError as problem:
        return None, problem.detail or problem.summary


def _age(facts: Facts, path: str) -> int | None:
    """Days since a file was written; None where that is not known."""
    entry = facts.files.entry(path)
    if entry is None or not entry.mtime_ns:
        return None
    return max(0, int(facts.now.timestamp()) - entry.mtime_ns // 1_000_000_000) // _DAY


def _unread(accounts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for account in accounts:
        if account["shell"] and account["keys_unknown"]:
            yield f"keys of {account['account']}: {account['keys_unknown']}"


def _time(seconds: int | None) -> str | None:
    """A time as RFC 3339 has it; a record may have one that no calendar has."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return None


def ask_all(ask: Callable[[str], object]) -> None:
    """Ask each question once, for a snapshot: what is not known is recorded as such."""
    for name in QUESTIONS:
        try:
            ask(name)
        except (FileNotFoundError, HostError):
            continue
