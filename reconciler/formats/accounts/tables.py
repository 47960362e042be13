"""The account files of one host as tables that are edited in place: an edit costs the same however many
accounts there are.

The text is kept to the byte, as in `formats.accounts.passwd`. An edit that cannot be made leaves nothing
behind (`AccountTables.all_or_nothing`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Self

from reconciler.formats.accounts.account_files import FILES
from reconciler.formats.accounts.passwd import (
    Group,
    GroupShadow,
    User,
    parse_group,
    parse_group_shadow,
    parse_user,
)
from reconciler.formats.accounts.table import Keys, Row, Table
from reconciler.formats.accounts.users import Accounts, Range, Shadow, numbers_of, parse_range, parse_shadow

_USERS: Keys[User] = Keys(("uid", "gid"))
_GROUPS: Keys[Group] = Keys(("gid",), lambda group: group.members)
_GROUP_SHADOWS: Keys[GroupShadow] = Keys((), lambda group: (*group.members, *group.administrators))
_SHADOWS: Keys[Shadow] = Keys()
_RANGES: Keys[Range] = Keys(("first",))


class AccountTables:
    """All account files, each read when it is first asked for.

    `read` gives the text of one by its name in /etc (`passwd`), None where the system has no such file.
    `hidden` are files that exist and may not be read: edits leave them out.
    """

    def __init__(self, read: Callable[[str], str | None], hidden: Collection[str] = ()) -> None:
        self._read = read
        self.hidden = hidden
        self.reached: dict[str, int] = {}
        """The number up to which no range of subordinate ids is free, by file (`subuid`); it holds while
        ranges are only added.
        """

    @classmethod
    def of(cls, accounts: Accounts) -> Self:
        """The tables of these texts."""
        return cls(lambda name: getattr(accounts, name.replace(".", "_"), None))

    @cached_property
    def passwd(self) -> Table[User]:
        """/etc/passwd."""
        return Table(self._read("passwd") or "", parse_user, _USERS)

    @cached_property
    def group(self) -> Table[Group]:
        """/etc/group."""
        return Table(self._read("group") or "", parse_group, _GROUPS)

    @cached_property
    def shadow(self) -> Table[Shadow] | None:
        """/etc/shadow."""
        return _table(self._read("shadow"), parse_shadow, _SHADOWS)

    @cached_property
    def gshadow(self) -> Table[GroupShadow] | None:
        """/etc/gshadow."""
        return _table(self._read("gshadow"), parse_group_shadow, _GROUP_SHADOWS)

    @cached_property
    def subuid(self) -> Table[Range] | None:
        """/etc/subuid."""
        return _table(self._read("subuid"), parse_range, _RANGES)

    @cached_property
    def subgid(self) -> Table[Range] | None:
        """/etc/subgid."""
        return _table(self._read("subgid"), parse_range, _RANGES)

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """The numeric settings of login.defs(5)."""
        return numbers_of(self._read("login.defs") or "")

    @property
    def _loaded(self) -> dict[str, Table[Any]]:
        return {name: table for name in FILES if (table := self.__dict__.get(name)) is not None}

    def texts(self) -> dict[str, str]:
        """The texts of the files that were read, with their edits."""
        return {name: table.text for name, table in self._loaded.items()}

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Undo all edits of the block when one of them raises."""
        marked = self._loaded
        for table in marked.values():
            table.mark()
        try:
            yield
        except Exception:
            for table in marked.values():
                table.back()
            for name in self._loaded.keys() - marked.keys():
                del self.__dict__[name]
            self.reached.clear()
            raise
        for table in marked.values():
            table.keep()

    def group_of(self, gid: int) -> str | None:
        """The name of the group with this number."""
        return next(self.group.names_numbered("gid", gid), None)

    def missing(self, name: str) -> tuple[str, ...]:
        """As `Accounts.missing`."""
        user = self.passwd.row(name)
        if user is None:
            return ()
        group = self.group_of(user.gid)
        lacks = {
            "shadow": self.shadow is not None and self.shadow.row(name) is None,
            "group": group is None,
            "gshadow": group == name and self.gshadow is not None and not self.gshadow.has(name),
            **{file: self._lacks_range(file, user) for file in ("subuid", "subgid")},
        }
        return tuple(file for file, lacking in lacks.items() if lacking)

    def _lacks_range(self, file: str, user: User) -> bool:
        table: Table[Range] | None = getattr(self, file)
        people = range(self.numbers.get("UID_MIN", 1000), self.numbers.get("UID_MAX", 60000) + 1)
        if (
            table is None
            or user.uid not in people
            or not self.numbers.get(f"SUB_{file[3:].upper()}_COUNT", 65536)
        ):
            return False
        return table.row(user.name) is None and table.row(str(user.uid)) is None


def _table(text: str | None, parse: Callable[[str], Row | None], keys: Keys[Row]) -> Table[Row] | None:
    return None if text is None else Table(text, parse, keys)
