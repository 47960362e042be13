"""What useradd, usermod and userdel do to the account files, as edits of their text.

Sources: passwd(5), shadow(5), subuid(5), login.defs(5), and what shadow-utils 4.13 writes (the tests compare them). Passwords are not
handled: a new account has none that works.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain

from reconciler.core.values import frozen
from reconciler.formats.account_lines import edit_line, with_administrators, without
from reconciler.formats.accounts import AccountConflict, Group, User, add_group, append_line
from reconciler.formats.users import NO_PASSWORD, SHADOW_WIDTH, Accounts, parse_ranges


@frozen
class Wanted:
    """What an account command asks for, None and empty: nothing. `expires` is in days since 1970, -1: never.

    `groups` are added to those that the account has, `leave` are taken away. An empty `group` is one of the user's own name. `avoid` are
    numbers that a new account does not get, free as they may be.
    """

    uid: int | None = None
    group: str = ""
    comment: str | None = None
    home: str | None = None
    shell: str | None = None
    system: bool = False
    expires: int | None = None
    groups: tuple[str, ...] = ()
    leave: tuple[str, ...] = ()
    lock: bool = False
    unlock: bool = False
    avoid: frozenset[int] = frozenset()


def add_user(accounts: Accounts, name: str, wanted: Wanted, today: int) -> Accounts:
    """The files with the user added, as useradd writes them. Raises AccountConflict. `today` is in days since 1970."""
    uid = uid_of(accounts, wanted) if name not in accounts.users else accounts.users[name].uid
    if wanted.uid not in (None, uid):
        raise AccountConflict(f"user '{name}' already exists with uid {uid}")
    other = next((user.name for user in accounts.users.values() if user.uid == uid and user.name != name), None)
    if other is not None:
        raise AccountConflict(f"uid {uid} is taken by user '{other}'")
    if name not in accounts.users:
        gid, accounts = _primary_group(accounts, wanted.group or name, uid, private=not wanted.group, system=wanted.system)
        user = User(name, uid, gid, wanted.comment or "", wanted.home or f"/home/{name}", wanted.shell or "/bin/sh")
        accounts = replace(accounts, passwd=append_line(accounts.passwd, user.render()))
    return modify_user(complete(accounts, name, today), name, wanted)


def modify_user(accounts: Accounts, name: str, wanted: Wanted) -> Accounts:
    """The files with the user changed, as usermod does it. Raises AccountConflict."""
    if name not in accounts.users:
        raise AccountConflict(f"user '{name}' does not exist")
    if accounts.shadow is None and (wanted.lock or (wanted.expires or 0) > 0):
        raise AccountConflict("there is no /etc/shadow, which would hold that an account is locked or expires")
    user = accounts.users[name]
    if wanted.group:
        user = replace(user, gid=_existing(accounts, wanted.group).gid)
    user = replace(user, comment=user.comment if wanted.comment is None else wanted.comment, shell=wanted.shell or user.shell)
    if user != accounts.users[name]:
        accounts = replace(accounts, passwd=edit_line(accounts.passwd, name, 7, lambda row: [name, row[1], *user.render().split(":")[2:]]))
    if accounts.shadow is not None:
        accounts = replace(accounts, shadow=edit_line(accounts.shadow, name, 2, lambda row: _edit_shadow(row, wanted)))
    return _join_and_leave(accounts, name, wanted)


def remove_user(accounts: Accounts, name: str) -> Accounts:
    """The files without the user, and without the group of that name if nobody else is in it, as userdel does it."""
    user = accounts.users.get(name)
    own = accounts.groups.get(name)
    accounts = modify_user(accounts, name, Wanted(leave=tuple(accounts.groups))) if user else accounts
    accounts = Accounts(
        without(accounts.passwd, name),
        accounts.group,
        without(accounts.shadow, name),
        accounts.gshadow,
        without(accounts.subuid, name),
        without(accounts.subgid, name),
        accounts.login_defs,
    )
    accounts = _without_administrator(accounts, name)
    used = {other.gid for other in accounts.users.values()}
    if user is None or own is None or own.gid != user.gid or own.gid in used or set(own.members) - {name}:
        return accounts
    return replace(accounts, group=without(accounts.group, name), gshadow=without(accounts.gshadow, name))


def _without_administrator(accounts: Accounts, name: str) -> Accounts:
    for group in accounts.group_shadows.values():
        if name in group.administrators and accounts.gshadow is not None:
            text = with_administrators(accounts.gshadow, group.name, [one for one in group.administrators if one != name])
            accounts = replace(accounts, gshadow=text)
    return accounts


def complete(accounts: Accounts, name: str, today: int) -> Accounts:
    """The files with what a killed useradd left out. Raises AccountConflict."""
    user = accounts.users[name]
    missing = accounts.missing(name)
    if "group" in missing or "gshadow" in missing:
        group, gshadow = add_group(accounts.group, accounts.gshadow, name, user.gid)
        accounts = replace(accounts, group=group, gshadow=gshadow)
    if "shadow" in missing:
        accounts = replace(accounts, shadow=append_line(accounts.shadow or "", _new_shadow(accounts, user, today)))
    for file in ("subuid", "subgid"):
        if file in missing:
            count = accounts.numbers.get(f"SUB_{file[3:].upper()}_COUNT", 65536)
            line = f"{name}:{free_range(accounts, file)}:{count}"
            accounts = replace(accounts, **{file: append_line(getattr(accounts, file), line)})
    return accounts


def free_range(accounts: Accounts, file: str) -> int:
    """The first of SUB_UID_COUNT subordinate ids that nobody has. `file`: subuid or subgid. Raises AccountConflict when none is left."""
    prefix = f"SUB_{file[3:].upper()}"
    low, most = accounts.numbers.get(f"{prefix}_MIN", 100_000), accounts.numbers.get(f"{prefix}_MAX", 600_100_000)
    count = accounts.numbers.get(f"{prefix}_COUNT", 65_536)
    for row in sorted(parse_ranges(getattr(accounts, file) or ""), key=lambda row: row.first):
        if row.first - low >= count:
            break
        low = max(low, row.first + row.count)
    if low + count - 1 > most:
        raise AccountConflict(f"no free range of {count} ids is left in /etc/{file}")
    return low


# ---------------------------------------------------------------------------------------------------- parts of edits


def uid_of(accounts: Accounts, wanted: Wanted) -> int:
    """The uid that a new account gets. Raises AccountConflict."""
    if wanted.uid is not None:
        return wanted.uid
    used = {user.uid for user in accounts.users.values()} | wanted.avoid
    return _free(accounts, used, "UID", system=wanted.system)


def _free(accounts: Accounts, used: set[int], prefix: str, *, system: bool) -> int:
    """The id that useradd would take: the highest used plus one, for system accounts the first free one from above."""
    least, most = accounts.numbers.get(f"{prefix}_MIN", 1000), accounts.numbers.get(f"{prefix}_MAX", 60000)
    if system:
        most, least = accounts.numbers.get(f"SYS_{prefix}_MAX", least - 1), accounts.numbers.get(f"SYS_{prefix}_MIN", 101)
        candidates: Iterable[int] = range(most, least - 1, -1)
    else:
        above = max((one for one in used if least <= one <= most), default=least - 1) + 1
        candidates = chain(range(above, min(above, most) + 1), range(least, most + 1))
    found = next((one for one in candidates if one not in used), None)
    if found is None:
        raise AccountConflict(f"no free {prefix.lower()} is left in the range of /etc/login.defs")
    return found


def _existing(accounts: Accounts, name: str) -> Group:
    found = accounts.groups.get(name)
    if found is None:
        raise AccountConflict(f"group '{name}' does not exist")
    return found


def _primary_group(accounts: Accounts, name: str, uid: int, *, private: bool, system: bool) -> tuple[int, Accounts]:
    if not private or name in accounts.groups:
        return _existing(accounts, name).gid, accounts
    used = set(accounts.group_names)
    gid = uid if uid not in used else _free(accounts, used, "GID", system=system)
    group, gshadow = add_group(accounts.group, accounts.gshadow, name, gid)
    return gid, replace(accounts, group=group, gshadow=gshadow)


def _new_shadow(accounts: Accounts, user: User, today: int) -> str:
    aging = ("", "", "")
    if not accounts.is_system(user.uid):
        aging = tuple(str(accounts.numbers.get(key, "")) for key in ("PASS_MIN_DAYS", "PASS_MAX_DAYS", "PASS_WARN_AGE"))  # type: ignore[assignment]  # three of three
    return ":".join((user.name, NO_PASSWORD, str(today), *aging, "", "", ""))


def _edit_shadow(row: list[str], wanted: Wanted) -> list[str]:
    row = [*row, *[""] * (SHADOW_WIDTH - len(row))]
    if wanted.lock and not row[1].startswith("!"):
        row[1] = f"!{row[1]}"
    if wanted.unlock and row[1].startswith("!") and row[1].lstrip("!"):
        row[1] = row[1][1:]
    if wanted.expires is not None:
        row[7] = "" if wanted.expires < 0 else str(wanted.expires)
    return row


def _join_and_leave(accounts: Accounts, name: str, wanted: Wanted) -> Accounts:
    for group in wanted.groups:
        _existing(accounts, group)

    def members(said: str, group: str) -> str:
        names = [one for one in said.split(",") if one]
        if group in wanted.groups and name not in names:
            names.append(name)
        if group in wanted.leave:
            names = [one for one in names if one != name]
        return ",".join(names)

    group, gshadow = accounts.group, accounts.gshadow
    for one in (*wanted.groups, *wanted.leave):
        group = edit_line(group, one, 4, lambda row, one=one: [*row[:3], members(row[3], one)])  # type: ignore[misc]  # bound now
        if gshadow is not None:
            gshadow = edit_line(gshadow, one, 4, lambda row, one=one: [*row[:3], members(row[3], one)])  # type: ignore[misc]  # bound now
    return replace(accounts, group=group, gshadow=gshadow)
