"""Account actions where no system runs: the same result as the commands of shadow-utils, as new text of the account files."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from reconciler.core.actions import Account, AccountOp
from reconciler.core.host import ActionFailed, FileType, Saved, Unreadable
from reconciler.formats.account_belongings import belongings, give_back, group_belongings
from reconciler.formats.accounts import AccountConflict, add_group, free_gid, parse_gid_range, parse_groups, remove_group
from reconciler.formats.user_edits import Wanted, add_user, complete, modify_user, remove_user
from reconciler.formats.users import Accounts

_TEXT = ("utf-8", "surrogateescape")
_YES = frozenset({"", "true", "yes"})
_MOST_ID = 2**32 - 2
_FILES = ("subuid", "subgid", "shadow", "gshadow", "group", "passwd")
"""In the order in which they are written. The last one says that the account is there, or gone: killed before, it is done again."""
AVOID = "avoid"
"""The option of useradd and groupadd for numbers that are free and must not be given away: files on disk still carry them."""
_OPTIONS = {
    AccountOp.GROUPADD: {"gid", "system", AVOID},
    AccountOp.GROUPDEL: set(),
    AccountOp.USERADD: {"uid", "gid", "comment", "home-dir", "shell", "system", "expiredate", "groups", AVOID},
    AccountOp.USERMOD: {"gid", "comment", "shell", "expiredate", "append", "remove", "lock", "unlock", "complete"},
    AccountOp.USERDEL: set(),
    AccountOp.RESTORE: {"user", "group"},
}
_SECONDS_A_DAY = 86_400


def fields_of(action: Account) -> tuple[int | None, bool]:
    """The options of groupadd: `gid` (a number as text) and `system` (a flag: empty, `true` or `yes`). Raises ActionFailed."""
    said = _said(action)
    return _number(action, "gid", said.get("gid")), said.get("system", "no") in _YES


def wanted_of(action: Account) -> Wanted:
    """The options of useradd and usermod, by long name; of usermod's `--append` and `--remove` the groups. Raises ActionFailed."""
    said = _said(action)
    expires = said.get("expiredate")
    return Wanted(
        uid=_number(action, "uid", said.get("uid")),
        group=said.get("gid", ""),
        comment=said.get("comment"),
        home=said.get("home-dir"),
        shell=said.get("shell"),
        system=said.get("system", "no") in _YES,
        expires=-1 if expires == "" else _number(action, "number of days", expires),
        groups=_names(said.get("groups", "")) + _names(said.get("append", "")),
        leave=_names(said.get("remove", "")),
        lock=said.get("lock", "no") in _YES,
        unlock=said.get("unlock", "no") in _YES,
        avoid=_numbers(action),
    )


def accounts_of(view: _Reader) -> Accounts:
    """The account files of a host, as text. Raises HostError."""
    texts = {name: _text(view, f"/etc/{name}") for name in _FILES}
    optional = {name: texts[name] for name in ("shadow", "gshadow", "subuid", "subgid")}
    return Accounts(texts["passwd"] or "", texts["group"] or "", **optional, login_defs=_text(view, "/etc/login.defs") or "")


def kept_of(action: Account) -> dict[str, list[str]]:
    """What a RESTORE gives back (`formats.belongings`). Raises ActionFailed."""
    _said(action)
    try:
        said = json.loads(action.content)
        return {str(file): [str(line) for line in lines] for file, lines in said.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise ActionFailed("not what the undo store holds", f"{action.op.value} {action.name}") from error


def captured(view: _Reader, action: Account, *, simulated: bool = False) -> Saved | None:
    """What goes with an account or a group, passwords among it, for the undo store alone. Raises HostError."""
    if action.op not in (AccountOp.USERDEL, AccountOp.GROUPDEL):
        return None
    accounts = accounts_of(_Lenient(view) if simulated else view)
    if action.op is AccountOp.USERDEL:
        return _saved(f"user:{action.name}", belongings(accounts, action.name))
    return _saved(f"group:{action.name}", group_belongings(accounts, action.name))


def _saved(name: str, lines: Mapping[str, Sequence[str]]) -> Saved | None:
    return Saved(name, FileType.OTHER, content=json.dumps(lines, sort_keys=True).encode("ascii")) if lines else None


def today() -> int:
    """Days since 1970, in UTC as useradd counts them."""
    return int(time.time()) // _SECONDS_A_DAY


def account_edits(view: _Reader, action: Account, *, simulated: bool = False) -> Iterator[tuple[str, bytes, bytes]]:
    """Path, old and new content of each account file that changes, in the order in which to write them. Raises ActionFailed, HostError.

    `simulated`: shadow and gshadow, which an ordinary user's plan cannot read, may be left out.
    """
    try:
        edits = list(_edits(_Lenient(view) if simulated else view, action))
    except AccountConflict as error:
        raise ActionFailed(f"{action.op.value} failed", str(error)) from error
    for path, old, new in edits:
        if new is not None and new != (old or ""):
            yield path, (old or "").encode(*_TEXT), new.encode(*_TEXT)


def _edits(view: _Reader, action: Account) -> Iterator[tuple[str, str | None, str | None]]:
    if action.op in (AccountOp.GROUPADD, AccountOp.GROUPDEL):
        groups, shadow = _text(view, "/etc/group"), _text(view, "/etc/gshadow")
        edited = _edit_groups(view, action, groups or "", shadow)
        yield from (("/etc/gshadow", shadow, edited[1]), ("/etc/group", groups, edited[0]))
        return
    before = accounts_of(view)
    after = _edit_users(before, action)
    for name in _FILES:
        yield f"/etc/{name}", getattr(before, name), getattr(after, name)


def _edit_users(accounts: Accounts, action: Account) -> Accounts:
    if action.op is AccountOp.USERDEL:
        return remove_user(accounts, action.name)
    if action.op is AccountOp.RESTORE:
        return give_back(accounts, action.name, kept_of(action))
    if action.op is AccountOp.USERADD:
        return add_user(accounts, action.name, wanted_of(action), today())
    if action.name in accounts.users:
        accounts = complete(accounts, action.name, today())
    return modify_user(accounts, action.name, wanted_of(action))


def _edit_groups(view: _Reader, action: Account, groups: str, shadow: str | None) -> tuple[str, str | None]:
    if action.op is AccountOp.GROUPDEL:
        return remove_group(groups, shadow, _text(view, "/etc/passwd") or "", action.name)
    return add_group(groups, shadow, action.name, gid_of(view, action, groups))


def _said(action: Account) -> dict[str, str]:
    said = dict(action.fields)
    unknown = sorted(said.keys() - _OPTIONS[action.op])
    if unknown:
        raise ActionFailed("unknown account option", f"{action.op.value} {action.name}: {', '.join(unknown)}")
    return said


def _number(action: Account, what: str, text: str | None) -> int | None:
    if text is not None and not (text.isascii() and text.isdecimal() and int(text) <= _MOST_ID):
        raise ActionFailed(f"not a {what}", f"{action.op.value} {action.name}: {text!r}")
    return None if text is None else int(text)


def _numbers(action: Account) -> frozenset[int]:
    """The numbers of `avoid`."""
    return frozenset(number for one in _names(_said(action).get(AVOID, "")) if (number := _number(action, "number", one)) is not None)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


def gid_of(view: _Reader, action: Account, groups: str) -> int:
    """The number that groupadd gives, of which `groups` is the text of /etc/group. Raises AccountConflict, ActionFailed."""
    asked, system = fields_of(action)
    if asked is not None:
        return asked
    parsed = parse_groups(groups)
    there = next((group.gid for group in parsed if group.name == action.name), None)
    if there is not None:
        return there
    return free_gid(parsed, parse_gid_range(_text(view, "/etc/login.defs") or ""), system=system, avoid=_numbers(action))


def _text(view: _Reader, path: str) -> str | None:
    try:
        return view.read(path).decode(*_TEXT)
    except FileNotFoundError:
        return None


class _Reader(Protocol):
    """As much of a HostView as is needed here."""

    def read(self, path: str) -> bytes:
        """As HostView.read."""


class _Lenient:
    """A view in which a secret file that may not be read is not there."""

    def __init__(self, view: _Reader) -> None:
        self._view = view

    def read(self, path: str) -> bytes:
        """As HostView.read; of what may not be read, as of what is missing."""
        try:
            return self._view.read(path)
        except Unreadable as hidden:
            raise FileNotFoundError(path) from hidden
