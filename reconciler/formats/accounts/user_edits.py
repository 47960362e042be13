"""The effects of useradd, usermod, userdel, groupadd and groupdel on the account files, as edits of their
tables.

Sources: passwd(5), shadow(5), subuid(5), login.defs(5), and the files that shadow-utils 4.13 writes (the
tests compare them). Passwords are not handled: a new account has none that works.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable
from dataclasses import replace
from itertools import chain

from reconciler.core.basics.frozen import frozen
from reconciler.formats.accounts.passwd import AccountConflict, Group, GroupShadow, User
from reconciler.formats.accounts.table import Numbers, Table
from reconciler.formats.accounts.tables import AccountTables
from reconciler.formats.accounts.users import NO_PASSWORD, SHADOW_WIDTH, Range


@frozen
class UserFields:
    """The properties that an account command asks for; None and empty: it does not ask."""

    uid: int | None = None
    group: str = ""
    """The primary group; empty: one of the user's own name."""
    comment: str | None = None
    home: str | None = None
    shell: str | None = None
    system: bool = False
    expires: int | None = None
    """Days since 1970; -1: never."""
    groups: tuple[str, ...] = ()
    """Groups to add to those that the account has."""
    leave: tuple[str, ...] = ()
    """Groups to leave."""
    lock: bool = False
    unlock: bool = False
    avoid: frozenset[int] = frozenset()
    """Numbers that a new account does not get, even if they are free."""


def add_user(tables: AccountTables, name: str, request: UserFields, today: int) -> None:
    """Add the user, as useradd does. Raises AccountConflict. `today` is in days since 1970."""
    present = tables.passwd.row(name)
    uid = uid_of(tables, request) if present is None else present.uid
    if request.uid not in (None, uid):
        raise AccountConflict(f"user '{name}' already exists with uid {uid}")
    other = next((user.name for user in tables.passwd.numbered("uid", uid) if user.name != name), None)
    if other is not None:
        raise AccountConflict(f"uid {uid} is taken by user '{other}'")
    if present is None:
        gid = _primary_group(
            tables, request.group or name, uid, private=not request.group, system=request.system
        )
        user = User(
            name, uid, gid, request.comment or "", request.home or f"/home/{name}", request.shell or "/bin/sh"
        )
        tables.passwd.append(user.render())
    complete(tables, name, today)
    modify_user(tables, name, request)


def modify_user(tables: AccountTables, name: str, request: UserFields) -> None:
    """Change the user, as usermod does. Raises AccountConflict."""
    user = before = tables.passwd.row(name)
    if user is None:
        raise AccountConflict(f"user '{name}' does not exist")
    if (
        tables.shadow is None
        and "shadow" not in tables.hidden
        and (request.lock or (request.expires or 0) > 0)
    ):
        raise AccountConflict(
            "there is no /etc/shadow, which would hold that an account is locked or expires"
        )
    if request.group:
        user = replace(user, gid=_existing(tables, request.group).gid)
    user = replace(
        user,
        comment=user.comment if request.comment is None else request.comment,
        shell=request.shell or user.shell,
    )
    if user != before:
        rendered = user.render().split(":")[2:]
        tables.passwd.edit(name, 7, lambda row: [name, row[1], *rendered])
    if tables.shadow is not None:
        tables.shadow.edit(name, 2, lambda row: _edit_shadow(row, request))
    _join_and_leave(tables, name, request)


def remove_user(tables: AccountTables, name: str) -> None:
    """Remove the user, and the group of that name if nobody else is in it, as userdel does."""
    user, own = tables.passwd.row(name), tables.group.row(name)
    if user is not None:
        groups = (
            *tables.group.names_listing(name),
            *(tables.gshadow.names_listing(name) if tables.gshadow is not None else ()),
        )
        _join_and_leave(tables, name, UserFields(leave=tuple(dict.fromkeys(groups))))
    for table in (tables.passwd, tables.shadow, tables.subuid, tables.subgid):
        if table is not None:
            table.remove(name)
    tables.reached.clear()
    _without_administrator(tables, name)
    used = own is not None and next(tables.passwd.numbered("gid", own.gid), None) is not None
    if user is None or own is None or own.gid != user.gid or used or set(own.members) - {name}:
        return
    for groups_table in (tables.group, tables.gshadow):
        if groups_table is not None:
            groups_table.remove(name)


def _without_administrator(tables: AccountTables, name: str) -> None:
    if tables.gshadow is None:
        return
    for group in [group for group in tables.gshadow.listing(name) if name in group.administrators]:
        names = ",".join(other for other in group.administrators if other != name)
        tables.gshadow.edit(group.name, 4, lambda row, names=names: [*row[:2], names, row[3]])  # type: ignore[misc]  # bound now


def add_group(tables: AccountTables, name: str, gid: int) -> None:
    """Add the group, as groupadd does.

    A group that exists already with this gid gets the lines that it lacks. Raises AccountConflict.
    """
    present = tables.group.row(name)
    if present is not None and present.gid != gid:
        raise AccountConflict(f"group '{name}' already exists with gid {present.gid}")
    owner = next((group for group in tables.group.names_numbered("gid", gid) if group != name), None)
    if owner is not None:
        raise AccountConflict(f"gid {gid} is taken by group '{owner}'")
    if present is None:
        tables.group.append(Group(name, gid).render())
    if tables.gshadow is not None and not tables.gshadow.has(name):
        tables.gshadow.append(GroupShadow(name).render())


def remove_group(tables: AccountTables, name: str) -> None:
    """Remove the group, as groupdel does. Raises AccountConflict when it is the primary group of a user."""
    group = tables.group.row(name)
    user = next(tables.passwd.numbered("gid", group.gid), None) if group is not None else None
    if user is not None:
        raise AccountConflict(f"cannot remove the primary group of user '{user.name}'")
    for table in (tables.group, tables.gshadow):
        if table is not None:
            table.remove(name)


def complete(tables: AccountTables, name: str, today: int) -> None:
    """Add the lines that a killed useradd left out. Raises AccountConflict."""
    missing, user = tables.missing(name), tables.passwd.row(name)
    if user is None:
        return
    if "group" in missing or "gshadow" in missing:
        add_group(tables, name, user.gid)
    if "shadow" in missing and tables.shadow is not None:
        tables.shadow.append(_new_shadow(tables, user, today))
    for file in ("subuid", "subgid"):
        table: Table[Range] | None = getattr(tables, file)
        if file in missing and table is not None:
            count = tables.numbers.get(f"SUB_{file[3:].upper()}_COUNT", 65536)
            table.append(f"{name}:{free_range(tables, file)}:{count}")


def free_range(tables: AccountTables, file: str) -> int:
    """The first id of a free range of subordinate ids (SUB_UID_COUNT of them).

    `file`: subuid or subgid. Raises AccountConflict when none is left.
    """
    prefix = f"SUB_{file[3:].upper()}"
    table: Table[Range] | None = getattr(tables, file)
    low, most = tables.numbers.get(f"{prefix}_MIN", 100_000), tables.numbers.get(f"{prefix}_MAX", 600_100_000)
    count = tables.numbers.get(f"{prefix}_COUNT", 65_536)
    taken = table.numbers.taken if table is not None else []
    # No range was free below this number the last time: the search goes on from there.
    low = max(low, tables.reached.get(file, low))
    for first in taken[bisect_left(taken, low) if file in tables.reached else 0 :]:
        if first - low >= count:
            break
        low = (
            max(low, *(row.first + row.count for row in table.numbered("first", first)))
            if table is not None
            else low
        )
    if low + count - 1 > most:
        raise AccountConflict(f"no free range of {count} ids is left in /etc/{file}")
    tables.reached[file] = low
    return low


# --------------------------------------------------------------------------------------------- parts of edits


def uid_of(tables: AccountTables, request: UserFields) -> int:
    """The uid that a new account gets. Raises AccountConflict."""
    if request.uid is not None:
        return request.uid
    return _free(tables, tables.passwd.numbers.avoiding(request.avoid), "UID", system=request.system)


def gid_of(tables: AccountTables, name: str, *, system: bool, avoid: Collection[int] = ()) -> int:
    """The gid that a new group gets, or has. Raises AccountConflict."""
    present = tables.group.row(name)
    return (
        present.gid
        if present is not None
        else _free(tables, tables.group.numbers.avoiding(avoid), "GID", system=system)
    )


def _free(tables: AccountTables, used: Numbers, prefix: str, *, system: bool) -> int:
    """The id that useradd would take: the highest used one plus one, for system accounts the highest free
    one.
    """
    least, most = tables.numbers.get(f"{prefix}_MIN", 1000), tables.numbers.get(f"{prefix}_MAX", 60000)
    if system:
        most, least = (
            tables.numbers.get(f"SYS_{prefix}_MAX", least - 1),
            tables.numbers.get(f"SYS_{prefix}_MIN", 101),
        )
        candidates: Iterable[int] = range(most, least - 1, -1)
    else:
        highest = used.highest(least, most)
        above = least if highest is None else highest + 1
        candidates = chain(range(above, min(above, most) + 1), range(least, most + 1))
    number = next((number for number in candidates if number not in used), None)
    if number is None:
        raise AccountConflict(f"no free {prefix.lower()} is left in the range of /etc/login.defs")
    return number


def _existing(tables: AccountTables, name: str) -> Group:
    group = tables.group.row(name)
    if group is None:
        raise _no_such_group(name)
    return group


def _no_such_group(name: str) -> AccountConflict:
    return AccountConflict(f"group '{name}' does not exist")


def _primary_group(tables: AccountTables, name: str, uid: int, *, private: bool, system: bool) -> int:
    if not private or tables.group.row(name) is not None:
        return _existing(tables, name).gid
    gid = (
        uid if uid not in tables.group.numbers else _free(tables, tables.group.numbers, "GID", system=system)
    )
    add_group(tables, name, gid)
    return gid


def _new_shadow(tables: AccountTables, user: User, today: int) -> str:
    keys = ("PASS_MIN_DAYS", "PASS_MAX_DAYS", "PASS_WARN_AGE")
    is_system = user.uid < tables.numbers.get("UID_MIN", 1000)
    aging = ["" if is_system else str(tables.numbers.get(key, "")) for key in keys]
    return ":".join((user.name, NO_PASSWORD, str(today), *aging, "", "", ""))


def _edit_shadow(row: list[str], request: UserFields) -> list[str]:
    row = [*row, *[""] * (SHADOW_WIDTH - len(row))]
    if request.lock and not row[1].startswith("!"):
        row[1] = f"!{row[1]}"
    if request.unlock and row[1].startswith("!") and row[1].lstrip("!"):
        row[1] = row[1][1:]
    if request.expires is not None:
        row[7] = "" if request.expires < 0 else str(request.expires)
    return row


def _join_and_leave(tables: AccountTables, name: str, request: UserFields) -> None:
    for group in request.groups:
        if not tables.group.has(group):
            raise _no_such_group(group)
    for table in (tables.group, tables.gshadow):
        for group in request.groups if table is not None else ():
            table.join(name, group)  # type: ignore[union-attr]  # not None here
        for group in request.leave if table is not None else ():
            table.leave(name, group)  # type: ignore[union-attr]  # not None here
