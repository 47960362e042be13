"""Numbers of accounts: whose primary group a group is, and a number that one account would take over from another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.core.changes import Change, Verb
from reconciler.core.diagnostic import Diagnostic, Severity
from reconciler.core.host import HostView, Unreadable, UnsafePath
from reconciler.formats import accounts

_ADVICE = {
    "users": "usermod --login {new} --home {home} --move-home {old}",
    "groups": "groupmod --new-name {new} {old}",
}


def _text(view: HostView, path: str) -> str:
    try:
        return view.read(path).decode("utf-8", "surrogateescape")
    except (FileNotFoundError, Unreadable, UnsafePath):
        return ""


def members(view: HostView, group: str) -> list[str]:
    """The accounts whose primary group it is."""
    gids = {one.gid for one in accounts.parse_groups(_text(view, "/etc/group")) if one.name == group}
    return sorted(user.name for user in accounts.parse_users(_text(view, "/etc/passwd")) if user.gid in gids) if gids else []


def taken_over(view: HostView, kind: str, field: str, changes: Sequence[Change]) -> Iterator[Diagnostic]:
    """A new account with the number of one that leaves in the same plan: most likely it is a new name for it.

    The old one would be disabled or deleted, and the new one could not be made: its number is taken. Nothing is done of either.
    """
    going = {_number(change, field): change for change in changes if change.address.kind == kind and _leaves(change)}
    for change in changes if going else ():
        wanted = change.part.document.get(field) if change.part and change.verb is Verb.CREATE and change.address.kind == kind else None
        leaver = None if wanted is None else going.get(wanted)
        if leaver is None or change.part is None:
            continue
        old, new = leaver.address.name, change.address.name
        advice = _rename(kind, old, new, change, leaver)
        detail = (
            f"{change.address} takes {field} {wanted}, which {leaver.address} has, and {leaver.address} goes in the same plan. "
            f"If {old} is called {new} from now on, rename it by hand and apply again with --adopt: {advice}. "
            f"If they are two, write another {field}."
        )
        where = change.part.declared.source
        yield Diagnostic(Severity.ERROR, "one number for two accounts", detail, change.address, where, rule="taken-over", refusal=True)


def _number(change: Change, field: str) -> object:
    return (change.before or {}).get(field)


def _leaves(change: Change) -> bool:
    retired = change.part is not None and bool(change.part.retired)
    return not change.address.part and change.before is not None and (change.verb is Verb.DELETE or retired)


def _rename(kind: str, old: str, new: str, change: Change, leaver: Change) -> str:
    home = change.part.document.get("home", f"/home/{new}") if change.part else ""
    command = _ADVICE[kind].format(old=old, new=new, home=home)
    own_group = kind == "users" and (leaver.before or {}).get("group") == old
    return f"{_ADVICE['groups'].format(old=old, new=new)}; {command}" if own_group else command
