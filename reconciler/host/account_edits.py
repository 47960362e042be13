"""Account actions where no system runs: the same result as groupadd and groupdel, as new text of the account files."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.actions import Account, AccountOp
from reconciler.core.host import ActionFailed, HostView, Unreadable
from reconciler.formats.accounts import AccountConflict, add_group, free_gid, parse_gid_range, parse_groups, remove_group

_TEXT = ("utf-8", "surrogateescape")
_YES = frozenset({"", "true", "yes"})
_MOST_GID = 2**32 - 2


def fields_of(action: Account) -> tuple[int | None, bool]:
    """The options of groupadd: `gid` (a number as text) and `system` (a flag: empty, `true` or `yes`). Raises ActionFailed."""
    said = dict(action.fields)
    unknown = sorted(said.keys() - {"gid", "system"})
    if unknown:
        raise ActionFailed("unknown account option", f"{action.op.value} {action.name}: {', '.join(unknown)}")
    gid = said.get("gid")
    if gid is not None and not (gid.isascii() and gid.isdecimal() and int(gid) <= _MOST_GID):
        raise ActionFailed("not a gid", f"{action.op.value} {action.name}: {gid!r}")
    return (None if gid is None else int(gid)), said.get("system", "no") in _YES


def account_edits(view: HostView, action: Account, *, simulated: bool = False) -> Iterator[tuple[str, bytes, bytes]]:
    """Path, old and new content of each account file that changes, in the order in which to write them. Raises ActionFailed, HostError.

    `simulated`: gshadow, which an ordinary user's plan cannot read, may be left out.
    """
    groups, shadow = _text(view, "/etc/group"), _text_if_readable(view, "/etc/gshadow") if simulated else _text(view, "/etc/gshadow")
    try:
        edited = _edit(view, action, groups or "", shadow)
    except AccountConflict as error:
        raise ActionFailed(f"{action.op.value} failed", str(error)) from error
    for path, old, new in (("/etc/group", groups, edited[0]), ("/etc/gshadow", shadow, edited[1])):
        if new is not None and new != (old or ""):
            yield path, (old or "").encode(*_TEXT), new.encode(*_TEXT)


def _edit(view: HostView, action: Account, groups: str, shadow: str | None) -> tuple[str, str | None]:
    if action.op is AccountOp.GROUPDEL:
        return remove_group(groups, shadow, _text(view, "/etc/passwd") or "", action.name)
    gid, system = fields_of(action)
    return add_group(groups, shadow, action.name, _gid(view, groups, action.name, gid, system=system))


def _gid(view: HostView, groups: str, name: str, asked: int | None, *, system: bool) -> int:
    if asked is not None:
        return asked
    parsed = parse_groups(groups)
    there = next((group.gid for group in parsed if group.name == name), None)
    return free_gid(parsed, parse_gid_range(_text(view, "/etc/login.defs") or ""), system=system) if there is None else there


def _text(view: HostView, path: str) -> str | None:
    try:
        return view.read(path).decode(*_TEXT)
    except FileNotFoundError:
        return None


def _text_if_readable(view: HostView, path: str) -> str | None:
    try:
        return _text(view, path)
    except Unreadable:
        return None
