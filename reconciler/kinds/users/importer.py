"""Accounts of a host as a spec would declare them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.core.host import FileType, HostView, Unreadable, UnsafePath
from reconciler.formats.accounts import account_files
from reconciler.formats.accounts.passwd import User
from reconciler.formats.accounts.users import DISABLED, Accounts
from reconciler.kinds.shared.importing import Asked, Candidate, chosen
from reconciler.kinds.users.constants import NO_HOME, SYSTEM_BELOW, day

PLACES: tuple[str, ...] = ()
_EMPTY = "its password is empty, so everybody on the host can be {0}; passwd --lock {0} locks it"


def find(view: HostView, asked: Asked) -> Iterator[Candidate]:
    """One account each, with its number. Raises Unreadable, UnsafePath."""
    accounts = account_files.accounts(view)
    rows = (line.split(":") for line in (account_files.text(view, "shadow") or "").split("\n"))
    passwordless = {row[0] for row in rows if row[1:2] == [""]}
    for user in chosen(accounts, asked):
        empty = (_EMPTY.format(user.name),) if user.name in passwordless else ()
        yield Candidate("users", user.name, dict(_fields(view, accounts, user)), partly=empty)


def _fields(view: HostView, accounts: Accounts, user: User) -> Iterator[tuple[str, Any]]:
    shadow, group = accounts.shadows.get(user.name), accounts.group_of(user)
    system = user.uid < SYSTEM_BELOW
    yield "uid", user.uid
    if system:
        yield "system", True
    if user.comment:
        yield "comment", user.comment
    if group != user.name:
        yield "group", group
    groups = sorted(accounts.memberships.get(user.name, {}).keys() - {group})
    if groups:
        yield "groups", groups
    if user.shell:
        yield "shell", user.shell
    if not _is_own(view, user) and user.home != NO_HOME:
        yield "home", {"path": user.home, "manage": False}
    elif user.home != (NO_HOME if system else f"/home/{user.name}"):
        yield "home", user.home
    if shadow is not None and shadow.expires == DISABLED:
        yield "state", "disabled"
    elif shadow is not None and shadow.expires is not None:
        yield "expires", day(shadow.expires)


def _is_own(view: HostView, user: User) -> bool:
    """Whether the home is a directory of the user's own; also true where that cannot be looked at."""
    try:
        entry = view.entry(user.home)
    except (Unreadable, UnsafePath):
        return True
    return entry is not None and entry.type is FileType.DIRECTORY and entry.owner == user.name
