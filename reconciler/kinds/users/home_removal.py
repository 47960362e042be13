"""The fate of the home of an account that shall be absent: kept, archived or deleted.

This module also says which homes nothing here takes away.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from itertools import islice, takewhile

from reconciler.core.actions import (
    Account,
    AccountOp,
    Action,
    ArchiveTree,
    EndSessions,
    RemoveTree,
    SetAccess,
)
from reconciler.core.changes import Change, Document
from reconciler.core.host import FileType
from reconciler.core.kind import Impossible
from reconciler.core.spec import Declared
from reconciler.formats.accounts.passwd import User as Line
from reconciler.formats.accounts.users import DISABLED
from reconciler.kinds.users.constants import NO_HOME, State
from reconciler.kinds.users.facts import AccountFacts

FATES = ("keep", "archive", "delete")
CLOSED = "0700"
CLOSED_FILE = "0600"
_SYSTEM = frozenset("bin boot dev etc lib lib32 lib64 libx32 proc root run sbin sys usr".split())  # noqa: SIM905
"""Trees of the system: no home in them is taken away, whatever an account says."""
_ITS_OWN = frozenset(
    (
        "/var/lib/reconciler",
        "/var/lib/dpkg",
        "/var/lib/apt",
        "/var/lib/systemd",
        "/var/lib/private",
        "/var/cache/private",
    )
)
_SHALLOW = 2
_VAR_SHALLOW = 3


def fate_of(declared: Declared | None) -> str:
    """`keep`, unless the block that the spec still has says otherwise."""
    said = (
        getattr(declared.resource, "home", None)
        if declared and getattr(declared.resource, "state", None) is State.ABSENT
        else None
    )
    return said if said in FATES else "keep"


class Homes:
    """Where the accounts of a host live."""

    def __init__(self, users: Mapping[str, Line]) -> None:
        self._names: dict[str, list[str]] = {}
        for user in users.values():
            if user.home.count("/") >= _SHALLOW:
                self._names.setdefault(f"{user.home.rstrip('/')}/", []).append(user.name)
        self._sorted = sorted(self._names)

    def shared_with(self, home: str, name: str) -> list[str]:
        """The other accounts whose home is this one, in it, or around it."""
        here = f"{home.rstrip('/')}/"
        first = bisect_left(self._sorted, here)
        inside = takewhile(lambda there: there.startswith(here), islice(self._sorted, first, None))
        around = (here[: at + 1] for at, letter in enumerate(here[:-1]) if letter == "/")
        homes = (*around, *inside)
        return sorted(other for there in homes for other in self._names.get(there, ()) if other != name)


def why_not(home: str, name: str, facts: AccountFacts, applied_home: str) -> str:
    """Why this directory is not taken away; empty if it may be."""
    if applied_home and applied_home != home:
        return f"the home of {name} is {home} by now, and was {applied_home} when it was applied"
    parts = home.split("/")[1:]
    deep = _VAR_SHALLOW if parts[0] == "var" else _SHALLOW
    if len(parts) < deep or parts[0] in _SYSTEM or any(f"{home}/".startswith(f"{own}/") for own in _ITS_OWN):
        return f"{home} is a directory of the system"
    if facts.others:
        return f"{home} is also where {', '.join(facts.others)} live"
    owner, mode = facts.home, facts.home_mode
    if owner and owner != name and (owner, mode) != ("root", CLOSED):
        return f"{home} belongs to {owner}"
    return ""


def _shut(change: Change, name: str) -> Iterator[Action]:
    """Nobody gets in any more, and nobody is in: userdel refuses an account that still runs something, and
    then it is shut at least.
    """
    if (change.before or {}).get("state") != State.DISABLED:
        yield Account(AccountOp.USERMOD, name, (("expiredate", str(DISABLED)), ("lock", "yes")))
    yield EndSessions(name)


def _closed(change: Change) -> Iterator[Action]:
    """Mail that stays, as the home or its archive does: the number that it carries opens it to nobody."""
    mail, kind = change.observed.facts(AccountFacts).mail
    if mail:
        yield SetAccess(mail, CLOSED if kind == FileType.DIRECTORY else CLOSED_FILE, "root", "root")


def remains(change: Change, name: str) -> Iterator[tuple[str, Document]]:
    """The home that was kept and closed, by its path: it is ours to take away,
    should the spec say so later.
    """
    if fate_of(change.declared) == "keep" and change.observed.facts(AccountFacts).home == name:
        yield (change.before or {})["home"], {"kept": True}


def kept_steps(change: Change, name: str, home: str) -> Iterator[Action]:
    """The home that an account left behind, and that the spec now lets go. Raises Impossible."""
    facts = change.observed.facts(AccountFacts)
    owner, mode = facts.home, facts.home_mode
    reason = why_not(home, name, facts, "")
    if reason or (owner, mode) != ("root", CLOSED):
        why = reason or f"{home} was closed when the account went, and now has mode {mode} and owner {owner}"
        raise Impossible(
            f"the home that {name} had stays: {why}. Write `home: keep`, and look after it by hand"
        )
    archive = f"{name}-kept.tar.gz" if fate_of(change.declared) == "archive" else ""
    if archive:
        yield ArchiveTree(home, archive)
    yield RemoveTree(home, archive)


def steps(change: Change, name: str) -> Iterator[Action]:
    """Everything until the account itself can go. Raises Impossible."""
    before, facts, fate = change.before or {}, change.observed.facts(AccountFacts), fate_of(change.declared)
    home, owner = before.get("home", NO_HOME), facts.home
    if fate == "keep":
        yield from _shut(change, name)
        yield from _closed(change)
        if owner == name:
            yield SetAccess(home, CLOSED, "root", "root")
        return
    if facts.not_a_home:
        raise Impossible(
            f"the home of {name} stays: {facts.not_a_home}. Write `home: keep`, and move it away by hand"
        )
    if not owner and not facts.remnant:
        yield from _shut(change, name)
        return
    reason = why_not(home, name, facts, (change.applied or {}).get("home", ""))
    if reason:
        raise Impossible(f"the home of {name} stays: {reason}. Write `home: keep`, and look after it by hand")
    archive = f"{name}-{before['uid']}.tar.gz" if fate == "archive" else ""
    yield from _shut(change, name)
    if fate == "archive":
        yield from _closed(change)
    if owner:
        # Nobody gets in any more, also not a service that starts as him meanwhile.
        yield SetAccess(home, CLOSED, "root", "root")
        if archive:
            yield ArchiveTree(home, archive)
    yield RemoveTree(home, archive)
