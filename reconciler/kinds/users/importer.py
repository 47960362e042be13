"""Accounts and keys of a host as a spec would declare them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.core.host import FileType, HostView, Unreadable, UnsafePath
from reconciler.formats.accounts import account_files
from reconciler.formats.accounts.passwd import User
from reconciler.formats.accounts.users import DISABLED, Accounts
from reconciler.formats.ssh import authorized_keys, key_options
from reconciler.kinds.shared.importing import Found
from reconciler.kinds.users.constants import NO_HOME, SYSTEM_BELOW, day

_EMPTY = "its password is empty, so everybody on the host can be {0}; passwd --lock {0} locks it"


def chosen(accounts: Accounts, *, system: bool) -> list[User]:
    """The accounts of people, or with `system` all but root's, sorted by number."""
    least, most = accounts.numbers.get("UID_MIN", 1000), accounts.numbers.get("UID_MAX", 60_000)
    people = [user for user in accounts.users.values() if user.uid and (system or least <= user.uid <= most)]
    return sorted(people, key=lambda user: user.uid)


def users(view: HostView, *, system: bool) -> Iterator[Found]:
    """One account each, with its number. Raises Unreadable, UnsafePath."""
    accounts = account_files.accounts(view)
    rows = (line.split(":") for line in (account_files.text(view, "shadow") or "").split("\n"))
    passwordless = {row[0] for row in rows if row[1:2] == [""]}
    for user in chosen(accounts, system=system):
        empty = (_EMPTY.format(user.name),) if user.name in passwordless else ()
        yield Found("users", user.name, dict(_fields(view, accounts, user)), partly=empty)


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


def keys(view: HostView, *, system: bool) -> Iterator[Found]:
    """The keys of these accounts and of root: at least these, in the order of the file.

    Raises Unreadable, UnsafePath.
    """
    accounts = account_files.accounts(view)
    root = [user for user in accounts.users.values() if user.uid == 0]
    for user in (*root, *chosen(accounts, system=system)):
        try:
            lines = (
                view.read(f"{user.home.rstrip('/')}/.ssh/authorized_keys")
                .decode("utf-8", "replace")
                .split("\n")
            )
        except FileNotFoundError:
            continue
        except (Unreadable, UnsafePath) as problem:
            yield Found("ssh_keys", user.name, why=str(problem))
            continue
        if (keys_of_user := _keys(user.name, lines)) is not None:
            yield keys_of_user


def _keys(name: str, lines: list[str]) -> Found | None:
    listed: dict[str, str] = {}
    partly: list[str] = []
    for number, line in enumerate(lines, 1):
        if authorized_keys.is_idle(line):
            continue
        key = authorized_keys.read(line)
        if key is None:
            partly.append(f"line {number} of authorized_keys is no key that sshd understands")
        elif key.fingerprint in listed:
            partly.append(f"{key.fingerprint} is in the file more than once")
            del listed[key.fingerprint]
        else:
            try:
                authorized_keys.parse(key.render())
                listed[key.fingerprint] = key.render()
            except key_options.BadKey as problem:
                partly.append(f"{key.fingerprint}: {problem}")
    if not listed:
        return Found("ssh_keys", name, why="; ".join(partly)) if partly else None
    return Found("ssh_keys", name, list(listed.values()), partly=tuple(partly))
