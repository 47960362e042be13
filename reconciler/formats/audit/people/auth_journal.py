"""The messages of sshd and sudo in the journal, reduced to who, when and from where.

No argument of a command is kept, and no name that a stranger typed.
"""

from __future__ import annotations

import re

from reconciler.core.basics.frozen import frozen

_LINE = re.compile(r"([0-9]{1,12})\.[0-9]+ \S+ ([a-z-]+)(?:\[[0-9]+\])?: (.*)")
_ACCEPTED = re.compile(r"Accepted (\S+) for (\S+) from (\S+) port [0-9]+.*")
_FAILED = re.compile(r"Failed \S+ for (invalid user )?(.*) from (\S+) port [0-9]+(?: ssh2)?(?:: .*)?")
_SUDO = re.compile(r"\s*(\S+) : (.*?;\s+)?USER=(\S+) ;.*?COMMAND=(\S+).*")
_REFUSED = (
    "command not allowed",
    "NOT in sudoers",
    "incorrect password",
    "a password is required",
    "NOT allowed",
)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}\$?")
_NOT_ALL = ("not seeing messages from other users", "No journal files", "insufficient permissions")
PARTIAL = "partial"
_SINCE = "since\t"
LOGIN, FAILED, SUDO, REFUSED = "login", "failed", "sudo", "refused"


@frozen
class Event:
    """A login, a failed one, a use of sudo, or one that sudo refused."""

    kind: str
    time: int
    account: str
    """Empty where no account has the name that was given."""
    detail: str
    """From where, or the program that sudo started."""


@frozen
class AuthJournal:
    """All events. `partial`: the journal has more than we may read."""

    events: tuple[Event, ...]
    partial: bool
    since: int | None = None
    """The time of the oldest line, event or not."""


def redact_journal(text: str) -> str:
    """The events of `journalctl --output=short-unix`, a line each."""
    lines = [PARTIAL] if any(words in text for words in _NOT_ALL) else []
    matches = [_LINE.fullmatch(line) for line in text.splitlines()]
    lines += [f"{_SINCE}{match[1]}" for match in matches if match][:1]
    for match in matches:
        event = _event(int(match[1]), match[2], match[3]) if match else None
        if event is not None:
            lines.append("\t".join((event.kind, str(event.time), event.account, event.detail)))
    return "".join(f"{line}\n" for line in lines)


def parse_journal(text: str) -> AuthJournal:
    """The events of such lines. Raises ValueError."""
    lines = text.splitlines()
    since = next((int(line.removeprefix(_SINCE)) for line in lines if line.startswith(_SINCE)), None)
    events = []
    for line in lines:
        if line != PARTIAL and not line.startswith(_SINCE):
            kind, time, account, detail = line.split("\t")
            events.append(Event(kind, int(time), account, detail))
    return AuthJournal(tuple(events), PARTIAL in lines, since)


def _event(time: int, program: str, message: str) -> Event | None:
    if program == "sudo":
        return _by_sudo(time, message)
    if not program.startswith("sshd"):
        return None
    if accepted := _ACCEPTED.fullmatch(message):
        return Event(LOGIN, time, _known(accepted[2]), _plain(accepted[3]))
    if failed := _FAILED.fullmatch(message):
        return Event(FAILED, time, "" if failed[1] else _known(failed[2]), _plain(failed[3]))
    return None


def _by_sudo(time: int, message: str) -> Event | None:
    match = _SUDO.fullmatch(message)
    if match is None or not _NAME.fullmatch(match[1]):
        return None
    refused = any(words in (match[2] or "") for words in _REFUSED)
    return Event(REFUSED if refused else SUDO, time, match[1], _plain(match[4]))


def _known(name: str) -> str:
    return name if _NAME.fullmatch(name) else ""


def _plain(text: str) -> str:
    return "".join(char for char in text if char.isprintable())[:256]
