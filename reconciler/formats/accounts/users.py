"""User accounts in /etc/passwd, shadow, group, gshadow, subuid and subgid: their lines, and the lines that
they lack.

Sources: passwd(5), shadow(5), subuid(5), login.defs(5). All that is known of a password is whether it is
locked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeVar

from reconciler.core.basics.frozen import frozen
from reconciler.formats.accounts.passwd import (
    Group,
    GroupShadow,
    User,
    parse_group_shadows,
    parse_groups,
    parse_users,
)

DISABLED = 1
"""The expiry, in days since 1970, of an account that must not be used. 0 means different things to different
programs (shadow(5)).
"""
NO_PASSWORD = "!"  # noqa: S105  # the mark for "no password works"
_NUMBER_LINE = re.compile(r"\s*(?P<name>[A-Z_]+)\s+(?P<value>0|[1-9][0-9]*)\s*(?:#.*)?")
SHADOW_WIDTH = 9
_LINES = 1 << 15
"""The number of lines whose parsed form is cached: a new account changes one, the others are not parsed
again.
"""


@frozen
class Shadow:
    """One line of /etc/shadow without the password."""

    name: str
    locked: bool
    """Whether the password begins with `!`."""
    hidden: bool
    """Whether a password that can be unlocked stands behind the `!`."""
    expires: int | None
    """Days since 1970; None: never."""


_Named = TypeVar("_Named", User, Group, GroupShadow, Shadow)


@frozen
class Range:
    """One line of /etc/subuid or /etc/subgid."""

    name: str
    first: int
    count: int


@dataclass(frozen=True)
class Accounts:
    """The account files as text, by their names in /etc; None: the system does not have that file."""

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
        """Users by name; if several lines have one name, the first counts, as in the C library."""
        return _by_name(parse_users(self.passwd))

    @cached_property
    def groups(self) -> Mapping[str, Group]:
        """Groups by name."""
        return _by_name(parse_groups(self.group))

    @cached_property
    def group_names(self) -> Mapping[int, str]:
        """Names by gid."""
        return {group.gid: group.name for group in reversed(parse_groups(self.group))}

    @cached_property
    def shadows(self) -> Mapping[str, Shadow]:
        """Entries of /etc/shadow by name."""
        return _by_name(parse_shadows(self.shadow or ""))

    @cached_property
    def group_shadows(self) -> Mapping[str, GroupShadow]:
        """Entries of /etc/gshadow by name."""
        return _by_name(parse_group_shadows(self.gshadow or ""))

    @cached_property
    def memberships(self) -> Mapping[str, Mapping[str, bool]]:
        """The groups that list a user, by user, and whether both /etc/group and, where it has the group,
        /etc/gshadow do.
        """
        groups_by_user: dict[str, dict[str, bool]] = {}
        for group in self.groups.values():
            shadow = self.group_shadows.get(group.name)
            hidden = shadow.members if shadow else group.members
            for name in dict.fromkeys((*group.members, *hidden)):
                groups_by_user.setdefault(name, {})[group.name] = name in group.members and name in hidden
        return groups_by_user

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """The numeric settings of login.defs(5)."""
        return numbers_of(self.login_defs)

    @cached_property
    def subordinate(self) -> Mapping[str, frozenset[str]]:
        """The accounts with subordinate ids, by file; a file that the system does not have is left out."""
        texts = {"subuid": self.subuid, "subgid": self.subgid}
        return {
            name: frozenset(row.name for row in parse_ranges(text))
            for name, text in texts.items()
            if text is not None
        }

    def is_system(self, uid: int) -> bool:
        """Whether the uid is below those of people (UID_MIN)."""
        return uid < self.numbers.get("UID_MIN", 1000)

    def group_of(self, user: User) -> str:
        """The name of the primary group, or its number as text when there is no such group."""
        return self.group_names.get(user.gid, str(user.gid))

    def missing(self, name: str) -> tuple[str, ...]:
        """The files in which an account has no line, because a useradd was killed half-way."""
        user = self.users[name]
        files = []
        if self.shadow is not None and name not in self.shadows:
            files.append("shadow")
        if user.gid not in self.group_names:
            files.append("group")
        elif self.gshadow is not None and self.group_of(user) == name and name not in self.group_shadows:
            files.append("gshadow")
        return (*files, *self._missing_ranges(user))

    def _missing_ranges(self, user: User) -> Iterator[str]:
        if not self.numbers.get("UID_MIN", 1000) <= user.uid <= self.numbers.get("UID_MAX", 60000):
            return
        for file, names in self.subordinate.items():
            if not {user.name, str(user.uid)} & names and self.numbers.get(
                f"SUB_{file[3:].upper()}_COUNT", 65536
            ):
                yield file


@lru_cache(maxsize=2)
def numbers_of(login_defs: str) -> Mapping[str, int]:
    """The numeric settings of login.defs(5).

    It is cached, for each account that is added makes another `Accounts` with the same text.
    """
    matches = (_NUMBER_LINE.fullmatch(line) for line in login_defs.split("\n"))
    return {match["name"]: int(match["value"]) for match in matches if match}


def parse_shadows(text: str) -> tuple[Shadow, ...]:
    """The entries of /etc/shadow in order."""
    return tuple(shadow for line in text.split("\n") if (shadow := parse_shadow(line)) is not None)


def parse_ranges(text: str) -> tuple[Range, ...]:
    """The entries of /etc/subuid or /etc/subgid in order; malformed lines are left out."""
    return tuple(range_ for line in text.split("\n") if (range_ := parse_range(line)) is not None)


def _by_name(rows: Iterable[_Named]) -> dict[str, _Named]:
    rows_by_name: dict[str, _Named] = {}
    for row in rows:
        rows_by_name.setdefault(row.name, row)
    return rows_by_name


@lru_cache(_LINES)
def parse_range(line: str) -> Range | None:
    """One entry of /etc/subuid or /etc/subgid; None for a malformed line."""
    row = line.split(":")
    if line.startswith("#") or len(row) != 3 or not (row[1].isdecimal() and row[2].isdecimal()):
        return None
    return Range(row[0], int(row[1]), int(row[2]))


@lru_cache(_LINES)
def parse_shadow(line: str) -> Shadow | None:
    """One entry of /etc/shadow; None for a line that is none."""
    if ":" not in line or line[0] in "#+-:":
        return None
    row = line.split(":")
    row += [""] * (SHADOW_WIDTH - len(row))
    password, expires = row[1], row[7]
    locked = password.startswith("!")
    return Shadow(
        row[0],
        locked,
        locked and bool(password.lstrip("!")),
        int(expires) if re.fullmatch(r"[0-9]{1,9}", expires) else None,
    )
