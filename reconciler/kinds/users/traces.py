"""The traces that an account leaves outside its home.

These are its crontab, at jobs, lingering manager, mail, keys elsewhere and sudo tickets. userdel removes none
of them (Debian), and whoever gets the name next would have them. They are looked for only where the spec says
that an account shall be absent. Sources: crontab(1), at(1), loginctl(1), sshd_config(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from functools import cached_property

from reconciler.core.actions import RemovePath, RemoveTree
from reconciler.core.address import Address
from reconciler.core.basics.digest import digest
from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Change, Facts, Observed
from reconciler.core.host import FileType, HostView, Unreadable, UnsafePath
from reconciler.core.paths import link_walk
from reconciler.core.steps import Cause, Step
from reconciler.formats.accounts.passwd import User
from reconciler.kinds.shared import ownership
from reconciler.kinds.users.constants import AT_JOBS, CRONTAB, KEY_FILES, LINGER, LINGERING, MAIL, TICKETS

MAILBOXES = "/var/mail"
EMPTY = digest(b"")
"""The `expects` of the file that makes an account linger."""
_TICKETS = "/run/sudo/ts"
"""One file for each account that sudo has asked for its password; its name is the account's name, or its uid
(sudo 1.9.15).
"""
_PLACES = {CRONTAB: "/var/spool/cron/crontabs", LINGER: LINGERING, MAIL: MAILBOXES}
_AT_SPOOLS = ("/var/spool/cron/atjobs", "/var/spool/at")

_SSHD = ("/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d")
_KEYS = re.compile(r"[ \t]*authorized(?:keys|principals)file[ \t=]+(.+)", re.IGNORECASE)
"""The keywords with files that let somebody in: by keys, and by the names in certificates."""


def path_of(part: str, name: str) -> str:
    """The path of the one file of a part."""
    return f"{_PLACES[part]}/{name}"


@frozen
class TraceFacts(Facts):
    """The traces of an account: each path with the `expects` of its removal."""

    expects: Mapping[str, str] = field(default_factory=dict)


class Traces:
    """The traces of accounts that go; each directory of the system is read at most once for all of them."""

    def __init__(self, view: HostView, users: Mapping[str, User]) -> None:
        self._view = view
        self._users = users

    def observe(self, address: Address) -> Observed:
        """The state of one part. Raises Unreadable, UnsafePath."""
        expected = {
            path: expects
            for path in self._paths(address.part, address.name)
            if (expects := self._expects(path, address.part))
        }
        return Observed({"paths": sorted(expected)} if expected else None, TraceFacts(expected))

    def mail_of(self, name: str) -> tuple[str, str]:
        """The path and the file type of a mailbox that is not closed yet; both empty otherwise.

        A mailbox is a file or a directory (Maildir).
        """
        path = path_of(MAIL, name)
        try:
            file_type = self._expects(path, MAIL)
        except (Unreadable, UnsafePath):
            file_type = ""
        return (path, file_type) if file_type in (FileType.FILE, FileType.DIRECTORY) else ("", "")

    def _paths(self, part: str, name: str) -> Sequence[str]:
        if part == AT_JOBS:
            return self._jobs.get(name, ())
        if part == TICKETS:
            user = self._users.get(name)
            return (f"{_TICKETS}/{name}", *([f"{_TICKETS}/{user.uid}"] if user else ()))
        return self._key_files(name) if part == KEY_FILES else (path_of(part, name),)

    def _expects(self, path: str, part: str) -> str:
        """The `expects` of a path that is to be removed; empty where nothing is.

        A mailbox can be large, and is not read.
        """
        if part != MAIL:
            entry, content = ownership.digest_entry(self._view, path)
            return "" if entry is None else ownership.expects_with(entry, content)
        entry = self._view.entry(path)
        closed = entry is None or (
            entry.owner == "root" and entry.type in (FileType.FILE, FileType.DIRECTORY)
        )
        return "" if closed or entry is None else str(entry.type)

    @cached_property
    def _jobs(self) -> Mapping[str, list[str]]:
        """The paths of at jobs by their owner, as whom they run."""
        jobs: dict[str, list[str]] = {}
        for spool in _AT_SPOOLS:
            for name in self._view.names(spool):
                entry = None if name.startswith(".") else self._view.entry(f"{spool}/{name}")
                if entry is not None and entry.type is FileType.FILE:
                    jobs.setdefault(entry.owner, []).append(f"{spool}/{name}")
        return jobs

    def _key_files(self, name: str) -> list[str]:
        """The paths outside the home where sshd looks for the keys of this account and of no other."""
        user = self._users.get(name)
        tokens = {"%%": "%", "%u": name, **({"%U": str(user.uid)} if user else {})}
        paths = []
        for pattern in self._patterns:
            path = re.sub("%.", lambda token: tokens.get(token[0], token[0]), pattern)
            if path != pattern and "%" not in path and "/.." not in path:
                paths.append(path)
        return paths

    @cached_property
    def _patterns(self) -> list[str]:
        """The absolute paths that sshd's configuration names for keys, for whichever user."""
        main, directory = _SSHD
        files = [
            main,
            *(f"{directory}/{name}" for name in self._view.names(directory) if name.endswith(".conf")),
        ]
        lines = [line for path in files for line in self._text(path).splitlines()]
        words = [
            word.strip('"') for line in lines if (match := _KEYS.match(line)) for word in match[1].split()
        ]
        return list(dict.fromkeys(word for word in words if word.startswith("/")))

    def _text(self, path: str) -> str:
        """The text of a file of sshd's; a link is followed as sshd does (systemd-userdbd brings one)."""
        entry, real = link_walk.reached(self._view, path)
        if entry is None:
            return ""
        try:
            return self._view.excerpt(real)[0].decode("utf-8", "replace")
        except FileNotFoundError:
            return ""


def actions(change: Change) -> Iterator[Step]:
    """Remove each path. A mailbox goes as a tree does: nothing keeps it, and nothing brings it back."""
    cause = (Cause(change.address),)
    for path, expects in sorted(change.observed.facts(TraceFacts).expects.items()):
        yield Step(RemoveTree(path) if change.address.part == MAIL else RemovePath(path, expects), cause)
