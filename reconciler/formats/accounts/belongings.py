"""The belongings that go with an account when it is deleted, besides its line in passwd, and how they are
given back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reconciler.formats.accounts.lines import lines_of, with_administrators, without
from reconciler.formats.accounts.passwd import append_line, parse_group_shadows
from reconciler.formats.accounts.users import Accounts, parse_range, parse_ranges


def belongings(accounts: Accounts, name: str) -> dict[str, list[str]]:
    """The lines that userdel takes away with an account besides its line in passwd, by file.

    They are whole lines, passwords among them. `shadow`, `subuid`, `subgid`; `gshadow`: the line of the group
    of its name; `administers`: the groups that it may administer.
    """
    found = {
        file: lines_of(getattr(accounts, file), name) for file in ("shadow", "gshadow", "subuid", "subgid")
    }
    found["administers"] = _administered(accounts, name)
    return {file: lines for file, lines in found.items() if lines}


def _administered(accounts: Accounts, name: str) -> list[str]:
    """The groups that an account may administer, besides its own.

    Nearly nobody does: only lines with the name are parsed, and all of them only for an administrator.
    """
    lines = [line for line in (accounts.gshadow or "").split("\n") if name in line]
    if not any(name in group.administrators for group in parse_group_shadows("\n".join(lines))):
        return []
    return [
        group.name
        for group in accounts.group_shadows.values()
        if name in group.administrators and group.name != name
    ]


def group_belongings(accounts: Accounts, name: str) -> dict[str, list[str]]:
    """The same of a group: its line in gshadow, with password, administrators and members."""
    lines = lines_of(accounts.gshadow, name)
    return {"gshadow": lines} if lines else {}


def give_back(accounts: Accounts, name: str, said: Mapping[str, Sequence[str]]) -> Accounts:
    """The files with what `belongings` said of a name, as far as there is a place for it: who is gone or
    taken otherwise stays so.
    """
    for file in ("shadow", "gshadow", "subuid", "subgid"):
        text = getattr(accounts, file)
        lines = [
            line
            for line in said.get(file, ())
            if file not in ("subuid", "subgid") or not overlapping(accounts, file, name, line)
        ]
        if (
            text is None
            or file not in said
            or len(lines) < len(said[file])
            or sorted(lines_of(text, name)) == sorted(lines)
        ):
            continue
        if file == "gshadow" and name not in accounts.groups:
            continue
        new = without(text, name)
        for line in lines:
            new = append_line(new, _known_members(accounts, line) if file == "gshadow" else line)
        accounts = replace(accounts, **{file: new}) if new != text else accounts
    for group in said.get("administers", ()):
        known = accounts.group_shadows.get(group)
        if accounts.gshadow is not None and known is not None and name not in known.administrators:
            text = with_administrators(accounts.gshadow, group, (*known.administrators, name))
            accounts = replace(accounts, gshadow=text)
    return accounts


def overlapping(accounts: Accounts, file: str, name: str, line: str) -> str:
    """Who has some of the subordinate ids of a line by now; empty when nobody else does."""
    wanted = parse_range(line)
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
    return ":".join(
        [
            row[0],
            row[1],
            ",".join(administrators),
            ",".join(one for one in row[3].split(",") if one in members),
        ]
    )
