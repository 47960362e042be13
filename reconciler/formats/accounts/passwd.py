"""The account files /etc/passwd, /etc/group and /etc/gshadow as text: reading entries.

Sources: passwd(5), group(5), gshadow(5). All other lines are kept to the byte: blank lines, comments, NIS
lines (`+@team`), malformed entries.
"""

from __future__ import annotations

from functools import lru_cache

from reconciler.core.basics.frozen import frozen


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
        return (
            f"GroupShadow(name={self.name!r}, administrators={self.administrators!r},"
            f" members={self.members!r})"
        )

    def render(self) -> str:
        """The line, without a line end."""
        return f"{self.name}:{self.password}:{','.join(self.administrators)}:{','.join(self.members)}"


def parse_users(text: str) -> tuple[User, ...]:
    """The entries of /etc/passwd in order. Lines that are no local user are left out."""
    return tuple(user for line in text.split("\n") if (user := parse_user(line)) is not None)


def parse_groups(text: str) -> tuple[Group, ...]:
    """The entries of /etc/group in order. Lines that are no local group are left out."""
    return tuple(group for line in text.split("\n") if (group := parse_group(line)) is not None)


def parse_group_shadows(text: str) -> tuple[GroupShadow, ...]:
    """The entries of /etc/gshadow in order."""
    return tuple(
        group_shadow for line in text.split("\n") if (group_shadow := parse_group_shadow(line)) is not None
    )


_LINES = 1 << 15
"""The number of lines whose parsed form is cached: a new account changes one, the others are not parsed
again.
"""


def _fields(line: str, width: int) -> list[str] | None:
    fields = line.split(":")
    return fields if len(fields) >= width and fields[0] and fields[0][0] not in "#+-" else None


@lru_cache(_LINES)
def parse_user(line: str) -> User | None:
    """One entry of /etc/passwd; None for a line that is no local user."""
    fields = _fields(line, 7)
    if fields is None or not (_is_id(fields[2]) and _is_id(fields[3])):
        return None
    return User(fields[0], int(fields[2]), int(fields[3]), fields[4], fields[5], fields[6])


@lru_cache(_LINES)
def parse_group(line: str) -> Group | None:
    """One entry of /etc/group; None for a line that is no local group."""
    fields = _fields(line, 4)
    return Group(fields[0], int(fields[2]), _list(fields[3])) if fields and _is_id(fields[2]) else None


@lru_cache(_LINES)
def parse_group_shadow(line: str) -> GroupShadow | None:
    """One entry of /etc/gshadow; None for a line that is none."""
    fields = _fields(line, 4)
    return GroupShadow(fields[0], fields[1], _list(fields[2]), _list(fields[3])) if fields else None


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and int(text) < 2**32 - 1


def _list(text: str) -> tuple[str, ...]:
    return tuple(item for item in text.split(",") if item)


def append_line(text: str, line: str) -> str:
    """The text with the line at its end, but before the first NIS line: lines after a `+` are never read."""
    lines = text.removesuffix("\n").split("\n") if text else []
    at = next((index for index, other in enumerate(lines) if other[:1] in ("+", "-")), len(lines))
    return "\n".join([*lines[:at], line, *lines[at:]]) + "\n"
