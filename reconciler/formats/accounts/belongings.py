"""The belongings of an account: the lines that userdel deletes besides the one in passwd, and how a rollback
restores them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from reconciler.formats.accounts.lines import lines_by_name, lines_of, with_administrators, without
from reconciler.formats.accounts.passwd import append_line, parse_group_shadows
from reconciler.formats.accounts.users import Accounts, parse_range, parse_ranges

_FILES = ("shadow", "gshadow", "subuid", "subgid")


class Belongings:
    """The lines that go with each account and group of these files.

    The files are read through once, however many names are asked for.
    """

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def of_user(self, name: str) -> dict[str, list[str]]:
        """The lines that userdel deletes with an account besides its line in passwd, by file.

        They are whole lines, passwords among them. The keys are `shadow`, `subuid`, `subgid`, `gshadow` (the
        line of the group of the same name) and `administers` (the groups that the account may administer,
        besides its own).
        """
        groups = [group for group in self._administered.get(name, ()) if group != name]
        lines = {file: named.get(name, []) for file, named in self._lines.items()} | {"administers": groups}
        return {file: names for file, names in lines.items() if names}

    def of_group(self, name: str) -> dict[str, list[str]]:
        """The belongings of a group: its line in gshadow, with password, administrators and members."""
        lines = self._lines["gshadow"].get(name)
        return {"gshadow": lines} if lines else {}

    @cached_property
    def _lines(self) -> Mapping[str, Mapping[str, list[str]]]:
        """The lines of each file, by the name that they begin with."""
        return {file: lines_by_name(getattr(self._accounts, file)) for file in _FILES}

    @cached_property
    def _administered(self) -> Mapping[str, list[str]]:
        """The groups that an account may administer, by account.

        Hardly any group has one: only lines with some are parsed. The first line of a group counts.
        """
        groups: dict[str, list[str]] = {}
        for lines in self._lines["gshadow"].values():
            if any(line.split(":", 3)[2:3] not in ([], [""]) for line in lines):
                for group in parse_group_shadows("\n".join(lines))[:1]:
                    for name in dict.fromkeys(group.administrators):
                        groups.setdefault(name, []).append(group.name)
        return groups


def give_back(accounts: Accounts, name: str, lines_by_file: Mapping[str, Sequence[str]]) -> Accounts:
    """The files with the belongings of a name again, as far as they fit: groups and members that are gone
    stay gone, and ids that somebody else has by now stay theirs.
    """
    for file in ("shadow", "gshadow", "subuid", "subgid"):
        text = getattr(accounts, file)
        lines = [
            line
            for line in lines_by_file.get(file, ())
            if file not in ("subuid", "subgid") or not overlapping(accounts, file, name, line)
        ]
        if (
            text is None
            or file not in lines_by_file
            or len(lines) < len(lines_by_file[file])
            or sorted(lines_of(text, name)) == sorted(lines)
        ):
            continue
        if file == "gshadow" and name not in accounts.groups:
            continue
        new = without(text, name)
        for line in lines:
            new = append_line(new, _known_members(accounts, line) if file == "gshadow" else line)
        accounts = replace(accounts, **{file: new}) if new != text else accounts
    for group in lines_by_file.get("administers", ()):
        group_shadow = accounts.group_shadows.get(group)
        if (
            accounts.gshadow is not None
            and group_shadow is not None
            and name not in group_shadow.administrators
        ):
            text = with_administrators(accounts.gshadow, group, (*group_shadow.administrators, name))
            accounts = replace(accounts, gshadow=text)
    return accounts


def overlapping(accounts: Accounts, file: str, name: str, line: str) -> str:
    """The name of another account that has some of the subordinate ids of a line; empty if there is none."""
    new_range = parse_range(line)
    if new_range is None:
        return ""
    others = (row for row in parse_ranges(getattr(accounts, file) or "") if row.name != name)
    last = new_range.first + new_range.count
    return next(
        (row.name for row in others if row.first < last and new_range.first < row.first + row.count), ""
    )


def _known_members(accounts: Accounts, line: str) -> str:
    """A line of gshadow without administrators and members that no longer exist."""
    row = line.split(":")
    if len(row) < 4:
        return line
    members = accounts.groups[row[0]].members if row[0] in accounts.groups else ()
    administrators = [member for member in row[2].split(",") if member in accounts.users]
    return ":".join(
        [
            row[0],
            row[1],
            ",".join(administrators),
            ",".join(member for member in row[3].split(",") if member in members),
        ]
    )
