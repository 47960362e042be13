"""The account files /etc/passwd, /etc/group and /etc/gshadow as text: reading entries, and adding and removing groups.

Sources: passwd(5), group(5), gshadow(5), login.defs(5), and what groupadd and groupdel of shadow-utils 4.13 write (the tests compare
bytes). Lines that are not ours are kept to the byte: blank lines, comments, NIS lines (`+@team`), entries that make no sense.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from itertools import chain

from reconciler.core.values import frozen
from reconciler.formats.account_lines import without


class AccountConflict(Exception):
    """The edit cannot be made; the text says why, in the words of groupadd(8) and groupdel(8)."""


@frozen
class User:
    """One line of /etc/passwd, without the password field."""

    name: str
    uid: int
    gid: int
    comment: str
    home: str
    shell: str

    def render(self) -> str:
        """The line, with the password in /etc/shadow (`x`) and without a line end."""
        return f"{self.name}:x:{self.uid}:{self.gid}:{self.comment}:{self.home}:{self.shell}"


@frozen
class Group:
    """One line of /etc/group, without the password field."""

    name: str
    gid: int
    members: tuple[str, ...] = ()

    def render(self) -> str:
        """The line, with the password in /etc/gshadow (`x`) and without a line end."""
        return f"{self.name}:x:{self.gid}:{','.join(self.members)}"


@frozen
class GroupShadow:
    """One line of /etc/gshadow. The password is kept as it stands and is a secret."""

    name: str
    password: str = "!"  # noqa: S105  # the mark for "no password works"
    administrators: tuple[str, ...] = ()
    members: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"GroupShadow(name={self.name!r}, administrators={self.administrators!r}, members={self.members!r})"

    def render(self) -> str:
        """The line, without a line end."""
        return f"{self.name}:{self.password}:{','.join(self.administrators)}:{','.join(self.members)}"


@frozen
class GidRange:
    """Where groupadd looks for a free gid: GID_MIN..GID_MAX, and SYS_GID_MIN..SYS_GID_MAX of login.defs(5)."""

    least: int = 1000
    most: int = 60000
    system_least: int = 101
    system_most: int = 999


def parse_users(text: str) -> tuple[User, ...]:
    """The entries of /etc/passwd in order. Lines that are no local user are left out."""
    return tuple(found for line in text.split("\n") if (found := _user(line)) is not None)


def parse_groups(text: str) -> tuple[Group, ...]:
    """The entries of /etc/group in order. Lines that are no local group are left out."""
    return tuple(found for line in text.split("\n") if (found := _group(line)) is not None)


def parse_group_shadows(text: str) -> tuple[GroupShadow, ...]:
    """The entries of /etc/gshadow in order."""
    return tuple(found for line in text.split("\n") if (found := _group_shadow(line)) is not None)


def parse_gid_range(text: str) -> GidRange:
    """The ranges of /etc/login.defs. A value that is missing or no number has the default of groupadd(8)."""
    found = (_RANGE_LINE.fullmatch(line) for line in text.split("\n"))
    said = {match["name"]: int(match["value"]) for match in found if match}
    least = said.get("GID_MIN", 1000)
    return GidRange(least, said.get("GID_MAX", 60000), said.get("SYS_GID_MIN", 101), said.get("SYS_GID_MAX", least - 1))


def free_gid(groups: Iterable[Group], within: GidRange, *, system: bool, avoid: Collection[int] = ()) -> int:
    """The gid that groupadd would take: the highest used plus one, for system groups the first free one from above.

    `avoid` count as used. Raises AccountConflict when the range is full.
    """
    used = {group.gid for group in groups} | set(avoid)
    if system:
        candidates: Iterable[int] = range(within.system_most, within.system_least - 1, -1)
    else:
        above = max((gid for gid in used if within.least <= gid <= within.most), default=within.least - 1) + 1
        candidates = chain(range(above, min(above, within.most) + 1), range(within.least, within.most + 1))
    found = next((gid for gid in candidates if gid not in used), None)
    if found is None:
        raise AccountConflict("no free gid is left in the range of /etc/login.defs")
    return found


def add_group(group_text: str, shadow_text: str | None, name: str, gid: int) -> tuple[str, str | None]:
    """Both files with the group added, as groupadd writes it. A group that is there already with this gid gets what it lacks.

    `shadow_text` None: the system has no /etc/gshadow and gets none. Raises AccountConflict.
    """
    groups = parse_groups(group_text)
    there = next((group for group in groups if group.name == name), None)
    if there is not None and there.gid != gid:
        raise AccountConflict(f"group '{name}' already exists with gid {there.gid}")
    owner = next((group.name for group in groups if group.gid == gid and group.name != name), None)
    if owner is not None:
        raise AccountConflict(f"gid {gid} is taken by group '{owner}'")
    edited = group_text if there else append_line(group_text, Group(name, gid).render())
    if shadow_text is None or any(row.name == name for row in parse_group_shadows(shadow_text)):
        return edited, shadow_text
    return edited, append_line(shadow_text, GroupShadow(name).render())


def remove_group(group_text: str, shadow_text: str | None, passwd_text: str, name: str) -> tuple[str, str | None]:
    """Both files without the group. Raises AccountConflict when it is the primary group of a user, as groupdel does."""
    gids = {group.gid for group in parse_groups(group_text) if group.name == name}
    user = next((user.name for user in parse_users(passwd_text) if user.gid in gids), None)
    if user is not None:
        raise AccountConflict(f"cannot remove the primary group of user '{user}'")
    shadow = None if shadow_text is None else without(shadow_text, name)
    return without(group_text, name), shadow


_RANGE_LINE = re.compile(r"\s*(?P<name>(?:SYS_)?GID_(?:MIN|MAX))\s+(?P<value>0|[1-9][0-9]*)\s*(?:#.*)?")


_LINES = 4096
"""Lines of which it is kept what they say: each account that is made changes one, the others are not parsed again."""


def _fields(line: str, width: int) -> list[str] | None:
    fields = line.split(":")
    return fields if len(fields) >= width and fields[0] and fields[0][0] not in "#+-" else None


@lru_cache(_LINES)
def _user(line: str) -> User | None:
    fields = _fields(line, 7)
    if fields is None or not (_is_id(fields[2]) and _is_id(fields[3])):
        return None
    return User(fields[0], int(fields[2]), int(fields[3]), fields[4], fields[5], fields[6])


@lru_cache(_LINES)
def _group(line: str) -> Group | None:
    fields = _fields(line, 4)
    return Group(fields[0], int(fields[2]), _list(fields[3])) if fields and _is_id(fields[2]) else None


@lru_cache(_LINES)
def _group_shadow(line: str) -> GroupShadow | None:
    fields = _fields(line, 4)
    return GroupShadow(fields[0], fields[1], _list(fields[2]), _list(fields[3])) if fields else None


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and int(text) < 2**32 - 1


def _list(text: str) -> tuple[str, ...]:
    return tuple(item for item in text.split(",") if item)


def append_line(text: str, line: str) -> str:
    """The text with the line at its end, but before the first NIS line: what stands after `+` is never looked at."""
    lines = text.removesuffix("\n").split("\n") if text else []
    at = next((index for index, other in enumerate(lines) if other[:1] in ("+", "-")), len(lines))
    return "\n".join([*lines[:at], line, *lines[at:]]) + "\n"
