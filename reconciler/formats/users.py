"""User accounts in /etc/passwd, shadow, group, gshadow, subuid and subgid: what is there, what is missing, and edits.

Sources: passwd(5), shadow(5), subuid(5), login.defs(5), and what useradd, usermod and userdel of shadow-utils 4.13 write (the tests compare
them). Passwords are not handled: a new account has none that works (`!`), and of an existing one only whether it is locked is told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import chain
from typing import TypeVar

from reconciler.core.values import frozen
from reconciler.formats.accounts import (
    AccountConflict,
    Group,
    GroupShadow,
    User,
    add_group,
    append_line,
    parse_group_shadows,
    parse_groups,
    parse_users,
)

DISABLED = 1
"""The expiry, in days since 1970, of an account that must not be used. 0 means different things to different programs (shadow(5))."""
NO_PASSWORD = "!"  # noqa: S105  # the mark for "no password works"
_NUMBER_LINE = re.compile(r"\s*(?P<name>[A-Z_]+)\s+(?P<value>0|[1-9][0-9]*)\s*(?:#.*)?")
_SHADOW_WIDTH = 9
_LINES = 4096
"""Lines of which it is kept what they say: each account that is made changes one, the others are not parsed again."""


@frozen
class Shadow:
    """One line of /etc/shadow without the password. `locked`: it begins with `!`; `hidden`: behind that is something to unlock.

    `expires` counts days since 1970; None: never.
    """

    name: str
    locked: bool
    hidden: bool
    expires: int | None

    @property
    def disabled(self) -> bool:
        """Whether nobody can log in by password or key."""
        return self.locked and self.expires == DISABLED


_Named = TypeVar("_Named", User, Group, GroupShadow, Shadow)


@frozen
class Range:
    """One line of /etc/subuid or /etc/subgid."""

    name: str
    first: int
    count: int


@dataclass(frozen=True)
class Accounts:
    """The account files as text; None: the system does not have that file."""

    passwd: str = ""
    group: str = ""
    shadow: str | None = None
    gshadow: str | None = None
    subuid: str | None = None
    subgid: str | None = None
    login_defs: str = ""

    def __repr__(self) -> str:
        return f"Accounts({len(self.users)} users)"

    @cached_property
    def users(self) -> Mapping[str, User]:
        """By name; of several lines with one name the first counts, as in the C library."""
        return _by_name(parse_users(self.passwd))

    @cached_property
    def groups(self) -> Mapping[str, Group]:
        """By name."""
        return _by_name(parse_groups(self.group))

    @cached_property
    def group_names(self) -> Mapping[int, str]:
        """Names by gid."""
        return {group.gid: group.name for group in reversed(parse_groups(self.group))}

    @cached_property
    def shadows(self) -> Mapping[str, Shadow]:
        """By name."""
        return _by_name(parse_shadows(self.shadow or ""))

    @cached_property
    def group_shadows(self) -> Mapping[str, GroupShadow]:
        """By name."""
        return _by_name(parse_group_shadows(self.gshadow or ""))

    @cached_property
    def memberships(self) -> Mapping[str, Mapping[str, bool]]:
        """By user, the groups whose lists have him, and whether both do: /etc/group and, where it has the group, /etc/gshadow."""
        found: dict[str, dict[str, bool]] = {}
        for group in self.groups.values():
            shadow = self.group_shadows.get(group.name)
            hidden = shadow.members if shadow else group.members
            for name in dict.fromkeys((*group.members, *hidden)):
                found.setdefault(name, {})[group.name] = name in group.members and name in hidden
        return found

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """The numeric settings of login.defs(5)."""
        return _numbers(self.login_defs)

    @cached_property
    def subordinate(self) -> Mapping[str, frozenset[str]]:
        """Who has subordinate ids, by file; a file that the system does not have is left out."""
        texts = {"subuid": self.subuid, "subgid": self.subgid}
        return {name: frozenset(row.name for row in parse_ranges(text)) for name, text in texts.items() if text is not None}

    def is_system(self, uid: int) -> bool:
        """Whether the uid is below those of people (UID_MIN)."""
        return uid < self.numbers.get("UID_MIN", 1000)

    def group_of(self, user: User) -> str:
        """The name of the primary group, or its number as text when there is no such group."""
        return self.group_names.get(user.gid, str(user.gid))

    def missing(self, name: str) -> tuple[str, ...]:
        """Which lines an account lacks besides that in /etc/passwd, because a useradd was killed half-way: names of files."""
        user = self.users[name]
        found = []
        if self.shadow is not None and name not in self.shadows:
            found.append("shadow")
        if user.gid not in self.group_names:
            found.append("group")
        elif self.gshadow is not None and self.group_of(user) == name and name not in self.group_shadows:
            found.append("gshadow")
        return (*found, *self._missing_ranges(user))

    def _missing_ranges(self, user: User) -> Iterator[str]:
        if not self.numbers.get("UID_MIN", 1000) <= user.uid <= self.numbers.get("UID_MAX", 60000):
            return
        for file, names in self.subordinate.items():
            if not {user.name, str(user.uid)} & names and self.numbers.get(f"SUB_{file[3:].upper()}_COUNT", 65536):
                yield file


@lru_cache(maxsize=2)
def _numbers(login_defs: str) -> Mapping[str, int]:
    """Kept, for each account that is added is another `Accounts` with the same text in it."""
    found = (_NUMBER_LINE.fullmatch(line) for line in login_defs.split("\n"))
    return {match["name"]: int(match["value"]) for match in found if match}


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


def parse_shadows(text: str) -> tuple[Shadow, ...]:
    """The entries of /etc/shadow in order."""
    return tuple(_shadow(line) for line in text.split("\n") if ":" in line and line[0] not in "#+-:")


def parse_ranges(text: str) -> tuple[Range, ...]:
    """The entries of /etc/subuid or /etc/subgid in order; lines that make no sense are left out."""
    return tuple(found for line in text.split("\n") if (found := _range(line)) is not None)


def add_user(accounts: Accounts, name: str, wanted: Wanted, today: int) -> Accounts:
    """The files with the user added, as useradd writes them. Raises AccountConflict. `today` is in days since 1970."""
    uid = _uid(accounts, wanted) if name not in accounts.users else accounts.users[name].uid
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
        accounts = replace(accounts, passwd=_edit_line(accounts.passwd, name, 7, lambda row: [name, row[1], *user.render().split(":")[2:]]))
    if accounts.shadow is not None:
        accounts = replace(accounts, shadow=_edit_line(accounts.shadow, name, 2, lambda row: _edit_shadow(row, wanted)))
    return _join_and_leave(accounts, name, wanted)


def remove_user(accounts: Accounts, name: str) -> Accounts:
    """The files without the user, and without the group of that name if nobody else is in it, as userdel does it."""
    user = accounts.users.get(name)
    own = accounts.groups.get(name)
    accounts = modify_user(accounts, name, Wanted(leave=tuple(accounts.groups))) if user else accounts
    accounts = Accounts(
        _without(accounts.passwd, name) or "",
        accounts.group,
        _without(accounts.shadow, name),
        accounts.gshadow,
        _without(accounts.subuid, name),
        _without(accounts.subgid, name),
        accounts.login_defs,
    )
    accounts = _without_administrator(accounts, name)
    used = {other.gid for other in accounts.users.values()}
    if user is None or own is None or own.gid != user.gid or own.gid in used or set(own.members) - {name}:
        return accounts
    return replace(accounts, group=_without(accounts.group, name) or "", gshadow=_without(accounts.gshadow, name))


def _without_administrator(accounts: Accounts, name: str) -> Accounts:
    for group in accounts.group_shadows.values():
        if name in group.administrators and accounts.gshadow is not None:
            text = _with_administrators(accounts.gshadow, group.name, [one for one in group.administrators if one != name])
            accounts = replace(accounts, gshadow=text)
    return accounts


def _with_administrators(text: str, group: str, names: Sequence[str]) -> str:
    return _edit_line(text, group, 4, lambda row: [*row[:2], ",".join(names), row[3]])


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


def belongings(accounts: Accounts, name: str) -> dict[str, list[str]]:
    """What userdel takes away of an account besides its line in passwd, whole lines by file, passwords among them.

    `shadow`, `subuid`, `subgid`; `gshadow`: the line of the group of its name; `administers`: the groups that it may administer.
    """
    found = {file: _lines_of(getattr(accounts, file), name) for file in ("shadow", "gshadow", "subuid", "subgid")}
    found["administers"] = [group.name for group in accounts.group_shadows.values() if name in group.administrators and group.name != name]
    return {file: lines for file, lines in found.items() if lines}


def group_belongings(accounts: Accounts, name: str) -> dict[str, list[str]]:
    """The same of a group: its line in gshadow, with password, administrators and members."""
    lines = _lines_of(accounts.gshadow, name)
    return {"gshadow": lines} if lines else {}


def give_back(accounts: Accounts, name: str, said: Mapping[str, Sequence[str]]) -> Accounts:
    """The files with what `belongings` said of a name, as far as there is a place for it: who is gone or taken otherwise stays so."""
    for file in ("shadow", "gshadow", "subuid", "subgid"):
        text = getattr(accounts, file)
        lines = [line for line in said.get(file, ()) if file not in ("subuid", "subgid") or not overlapping(accounts, file, name, line)]
        if text is None or file not in said or len(lines) < len(said[file]) or sorted(_lines_of(text, name)) == sorted(lines):
            continue
        if file == "gshadow" and name not in accounts.groups:
            continue
        new = _without(text, name) or ""
        for line in lines:
            new = append_line(new, _known_members(accounts, line) if file == "gshadow" else line)
        accounts = replace(accounts, **{file: new}) if new != text else accounts
    for group in said.get("administers", ()):
        known = accounts.group_shadows.get(group)
        if accounts.gshadow is not None and known is not None and name not in known.administrators:
            text = _with_administrators(accounts.gshadow, group, (*known.administrators, name))
            accounts = replace(accounts, gshadow=text)
    return accounts


def overlapping(accounts: Accounts, file: str, name: str, line: str) -> str:
    """Who has some of the subordinate ids of a line by now; empty when nobody else does."""
    wanted = _range(line)
    if wanted is None:
        return ""
    others = (row for row in parse_ranges(getattr(accounts, file) or "") if row.name != name)
    last = wanted.first + wanted.count
    return next((row.name for row in others if row.first < last and wanted.first < row.first + row.count), "")


def _known_members(accounts: Accounts, line: str) -> str:
    """A line of gshadow without those who are gone."""
    row = line.split(":")
    if len(row) < 4:
        return line
    members = accounts.groups[row[0]].members if row[0] in accounts.groups else ()
    administrators = [one for one in row[2].split(",") if one in accounts.users]
    return ":".join([row[0], row[1], ",".join(administrators), ",".join(one for one in row[3].split(",") if one in members)])


def _lines_of(text: str | None, name: str) -> list[str]:
    return [line for line in (text or "").split("\n") if line.split(":", 1)[0] == name and ":" in line]


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


def _by_name(rows: Iterable[_Named]) -> dict[str, _Named]:
    found: dict[str, _Named] = {}
    for row in rows:
        found.setdefault(row.name, row)
    return found


@lru_cache(_LINES)
def _range(line: str) -> Range | None:
    row = line.split(":")
    if line.startswith("#") or len(row) != 3 or not (row[1].isdecimal() and row[2].isdecimal()):
        return None
    return Range(row[0], int(row[1]), int(row[2]))


@lru_cache(_LINES)
def _shadow(line: str) -> Shadow:
    row = line.split(":")
    row += [""] * (_SHADOW_WIDTH - len(row))
    password, expires = row[1], row[7]
    locked = password.startswith("!")
    return Shadow(row[0], locked, locked and bool(password.lstrip("!")), int(expires) if re.fullmatch(r"[0-9]{1,9}", expires) else None)


def _uid(accounts: Accounts, wanted: Wanted) -> int:
    if wanted.uid is not None:
        return wanted.uid
    used = {user.uid for user in accounts.users.values()} | wanted.avoid
    return _free(accounts, used, "UID", system=wanted.system)


def uid_of(accounts: Accounts, wanted: Wanted) -> int:
    """The uid that a new account gets. Raises AccountConflict."""
    return _uid(accounts, wanted)


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
    row = [*row, *[""] * (_SHADOW_WIDTH - len(row))]
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
        group = _edit_line(group, one, 4, lambda row, one=one: [*row[:3], members(row[3], one)])  # type: ignore[misc]  # bound now
        if gshadow is not None:
            gshadow = _edit_line(gshadow, one, 4, lambda row, one=one: [*row[:3], members(row[3], one)])  # type: ignore[misc]  # bound now
    return replace(accounts, group=group, gshadow=gshadow)


def _edit_line(text: str, name: str, width: int, edit: Callable[[list[str]], list[str]]) -> str:
    """The text with the first line of this name edited, if it has `width` fields."""
    lines = text.split("\n")
    for index, line in enumerate(lines):
        row = line.split(":")
        if row[0] == name and len(row) >= width:
            lines[index] = ":".join(edit(row))
            break
    return "\n".join(lines)


def _without(text: str | None, name: str) -> str | None:
    if not text:
        return text
    return "".join(f"{line}\n" for line in text.removesuffix("\n").split("\n") if line.split(":", 1)[0] != name)
