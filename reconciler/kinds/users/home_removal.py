"""The fate of the home of an account that shall be absent: kept, archived or deleted.

Some homes are never removed: this module also says which.
"""

from __future__ import annotations

from collections.abc import Iterator

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
from reconciler.formats.accounts.users import DISABLED
from reconciler.kinds.users.constants import NO_HOME, State
from reconciler.kinds.users.facts import AccountFacts
from reconciler.kinds.users.homes import SHALLOW

FATES = ("keep", "archive", "delete")
CLOSED = "0700"
CLOSED_FILE = "0600"
_SYSTEM = frozenset("bin boot dev etc lib lib32 lib64 libx32 proc root run sbin sys usr".split())  # noqa: SIM905
"""Trees of the system: no home in them is removed, whatever an account says."""
_STATE_TREES = frozenset(
    (
        "/var/lib/reconciler",
        "/var/lib/dpkg",
        "/var/lib/apt",
        "/var/lib/systemd",
        "/var/lib/private",
        "/var/cache/private",
    )
)
"""Trees with the state of Reconciler, of packages and of systemd: no home in them is removed either."""
_VAR_SHALLOW = 3
"""As `SHALLOW`, for a home below /var."""


def fate_of(declared: Declared | None) -> str:
    """The fate that the block of an absent account gives its home; `keep` in all other cases."""
    if declared is None or getattr(declared.resource, "state", None) is not State.ABSENT:
        return "keep"
    home = getattr(declared.resource, "home", None)
    return home if home in FATES else "keep"


def _reason_to_stay(home: str, name: str, facts: AccountFacts, applied_home: str) -> str:
    """Why this directory is not removed; empty if it may be."""
    if applied_home and applied_home != home:
        return f"the home of {name} is {home} by now, and was {applied_home} when it was applied"
    parts = home.split("/")[1:]
    least = _VAR_SHALLOW if parts[0] == "var" else SHALLOW
    of_system = parts[0] in _SYSTEM or any(f"{home}/".startswith(f"{tree}/") for tree in _STATE_TREES)
    if len(parts) < least or of_system:
        return f"{home} is a directory of the system"
    if facts.others:
        return f"{home} is also where {', '.join(facts.others)} live{'s' if len(facts.others) == 1 else ''}"
    owner, mode = facts.home_owner, facts.home_mode
    if owner and owner != name and (owner, mode) != ("root", CLOSED):
        return f"{home} belongs to {owner}"
    return ""


def is_deleted(change: Change, name: str) -> bool:
    """Whether the home of an account that goes is removed for ever: it is there, and nothing keeps it."""
    facts, home = change.observed.facts(AccountFacts), (change.before or {}).get("home", NO_HOME)
    if fate_of(change.declared) != "delete" or not facts.home_owner or facts.not_a_home:
        return False
    return not _reason_to_stay(home, name, facts, (change.applied or {}).get("home", ""))


def _lock_out(change: Change, name: str) -> Iterator[Action]:
    """Disable the account and end its sessions.

    userdel refuses an account that still runs something; then it is disabled at least.
    """
    if (change.before or {}).get("state") != State.DISABLED:
        yield Account(AccountOp.USERMOD, name, (("expiredate", str(DISABLED)), ("lock", "yes")))
    yield EndSessions(name)


def _close_mail(change: Change) -> Iterator[Action]:
    """Give the mail that stays to root: whoever gets the account's number next cannot read it."""
    path, file_type = change.observed.facts(AccountFacts).mail
    if path:
        yield SetAccess(path, CLOSED if file_type == FileType.DIRECTORY else CLOSED_FILE, "root", "root")


def remains(change: Change, name: str) -> Iterator[tuple[str, Document]]:
    """The path of the home that is kept and closed, with its document: a later spec may have it removed."""
    if fate_of(change.declared) == "keep" and change.observed.facts(AccountFacts).home_owner == name:
        yield (change.before or {})["home"], {"kept": True}


def kept_steps(change: Change, name: str, home: str) -> Iterator[Action]:
    """The actions that remove the home that an account left behind. Raises Impossible."""
    facts = change.observed.facts(AccountFacts)
    owner, mode = facts.home_owner, facts.home_mode
    reason = _reason_to_stay(home, name, facts, "")
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
    """The actions before the account itself can be removed. Raises Impossible."""
    before, facts, fate = change.before or {}, change.observed.facts(AccountFacts), fate_of(change.declared)
    home, owner = before.get("home", NO_HOME), facts.home_owner
    if fate == "keep":
        yield from _lock_out(change, name)
        yield from _close_mail(change)
        if owner == name:
            yield SetAccess(home, CLOSED, "root", "root")
        return
    if facts.not_a_home:
        raise Impossible(
            f"the home of {name} stays: {facts.not_a_home}. Write `home: keep`, and move it away by hand"
        )
    if not owner and not facts.remnant:
        yield from _lock_out(change, name)
        return
    reason = _reason_to_stay(home, name, facts, (change.applied or {}).get("home", ""))
    if reason:
        raise Impossible(f"the home of {name} stays: {reason}. Write `home: keep`, and look after it by hand")
    archive = f"{name}-{before['uid']}.tar.gz" if fate == "archive" else ""
    yield from _lock_out(change, name)
    if fate == "archive":
        yield from _close_mail(change)
    if owner:
        # Closed first: a service that starts as the account meanwhile cannot write to it either.
        yield SetAccess(home, CLOSED, "root", "root")
        if archive:
            yield ArchiveTree(home, archive)
    yield RemoveTree(home, archive)
