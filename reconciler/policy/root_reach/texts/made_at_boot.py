"""Texts that say what is made at boot: accounts (sysusers.d) and files (tmpfiles.d)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from posixpath import normpath

from reconciler.core.basics.lazy_regex import Late
from reconciler.policy.access.ways import EVERYBODY, Rank
from reconciler.policy.root_reach.places import is_relevant, meant_by
from reconciler.policy.root_reach.texts.lines import lines_of
from reconciler.policy.root_reach.texts.rules import ROOT_NAMES
from reconciler.policy.root_reach.texts.values import POWERFUL, Grant, Mention, Reading, Use


def sysusers(text: str) -> Iterator[Reading]:
    """Accounts with the number 0 and members of powerful groups (sysusers.d(5))."""
    for line in lines_of(text):
        words = _unquoted(line)
        if words[0].startswith("u") and len(words) > 2 and words[2].partition(":")[0] == "0":
            yield Grant(words[1], "sysusers makes the account with the number 0", Rank.UID)
        elif words[0] == "m" and len(words) > 2 and words[2] in POWERFUL:
            yield Grant(words[1], f"sysusers puts them into the group {words[2]}", Rank.GROUP)


_SPECIFIER = Late(r"%(.)")
_SPECIFIERS = {
    "%": "%",
    "t": "/run",
    "S": "/var/lib",
    "C": "/var/cache",
    "L": "/var/log",
    "T": "/tmp",  # noqa: S108  # a specifier of tmpfiles.d
    "V": "/var/tmp",  # noqa: S108  # likewise
    "h": "/root",
}
"""The specifiers that stand for directories (tmpfiles.d(5)); others stand for a name."""


def _unquoted(line: str) -> list[str]:
    try:
        return shlex.split(line) or [""]
    except ValueError:
        return line.replace('"', "").replace("'", "").split() or [""]


def tmpfiles(text: str) -> Iterator[Reading]:
    """Owners, modes, links and contents of what root reads or runs (tmpfiles.d(5))."""
    for line in lines_of(text):
        words = line.split(None, 6) if '"' not in line and "'" not in line else _unquoted(line)
        sort, path, mode, owner, group, _, argument = [*words, *[""] * 7][:7]
        path = meant_by(normpath(_SPECIFIER.sub(lambda match: _SPECIFIERS.get(match[1], "x"), path)))
        if not path.startswith("/"):
            continue
        if sort[0] in "LC" and is_relevant(path):
            yield from [Use(argument.split()[0])] if argument.startswith("/") else []
        elif sort[0] in "aA" and is_relevant(path):
            acl = re.findall(r"\b([ug]):([\w.-]+):r?w", argument)
            yield from (
                Grant(f"%{name}" if kind == "g" else name, f"tmpfiles lets them write {path}", Rank.WRITES)
                for kind, name in acl
            )
        elif sort[0] in "fw" and is_relevant(path):
            yield Mention(f"{argument} sudoers")
        yield from _given_away(path, mode.lstrip("~:"), owner.lstrip(":"), group.lstrip(":"))


def _given_away(path: str, mode: str, owner: str, group: str) -> Iterator[Grant]:
    bits = int(mode, 8) if re.fullmatch(r"[0-7]{3,4}", mode) else 0
    if bits & 0o4000:
        yield Grant(EVERYBODY, f"tmpfiles sets the setuid bit of {path}", Rank.SETUID)
    if not is_relevant(path):
        return
    if owner not in ROOT_NAMES:
        yield Grant(owner, f"tmpfiles gives them {path}", Rank.WRITES)
    if bits & 0o002 and not bits & 0o1000:
        yield Grant(EVERYBODY, f"tmpfiles lets everybody write {path}", Rank.WRITES)
    if bits & 0o020 and group not in ROOT_NAMES:
        yield Grant(f"%{group}", f"tmpfiles lets the group {group} write {path}", Rank.WRITES)
