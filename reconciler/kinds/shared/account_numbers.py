"""Members of groups that go, and numbers that one account would take over from another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from reconciler.core.changes import Change, Verb
from reconciler.core.diagnostic import Diagnostic, Severity, warning
from reconciler.core.host import HostView
from reconciler.formats.accounts import account_files
from reconciler.formats.accounts import passwd as accounts

_ADVICE = {
    "users": "usermod --login {new} --home {home} --move-home {old}",
    "groups": "groupmod --new-name {new} {old}",
}


def members(view: HostView, group: str) -> list[str]:
    """The names of the accounts whose primary group it is."""
    return _primary(_text(view, "passwd"), _text(view, "group")).get(group, [])


def _text(view: HostView, name: str) -> str:
    return account_files.known_text(view, name) or ""


@lru_cache(maxsize=2)
def _primary(passwd: str, group: str) -> Mapping[str, list[str]]:
    """The names of the accounts by their primary group. Cached: it is needed for each group that goes."""
    names = {row.gid: row.name for row in reversed(accounts.parse_groups(group))}
    users_by_group: dict[str, list[str]] = {}
    for user in sorted(accounts.parse_users(passwd), key=lambda user: user.name):
        if user.gid in names:
            users_by_group.setdefault(names[user.gid], []).append(user.name)
    return users_by_group


def losing(view: HostView, changes: Sequence[Change]) -> Iterator[Diagnostic]:
    """Warn of the members of a group that goes, whoever put them there: they lose its rights."""
    going = [
        change.address for change in changes if change.address.kind == "groups" and change.verb is Verb.DELETE
    ]
    if not going:
        return
    members_of = {group.name: group.members for group in accounts.parse_groups(_text(view, "group"))}
    for address in going:
        if names := members_of.get(address.name):
            detail = (
                f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} in {address.name}, and no longer"
                " after the apply."
            )
            yield warning("a group with members goes", detail, address=address, rule="group-members")


def taken_over(view: HostView, kind: str, field: str, changes: Sequence[Change]) -> Iterator[Diagnostic]:
    """Refuse a new account with the number of one that leaves in the same plan: most likely it is a renaming.

    The old one would be disabled or deleted, and the new one could not be made, as its number is taken.
    """
    going = {
        _number(change, field): change
        for change in changes
        if change.address.kind == kind and _leaves(change)
    }
    for change in changes if going else ():
        if change.part is None or change.verb is not Verb.CREATE or change.address.kind != kind:
            continue
        number = change.part.document.get(field)
        leaver = None if number is None else going.get(number)
        if leaver is None:
            continue
        old, new = leaver.address.name, change.address.name
        advice = _rename(kind, old, new, change, leaver)
        detail = (
            f"{change.address} takes {field} {number}, which {leaver.address} has, and {leaver.address} goes"
            f" in the same plan. If {old} is called {new} from now on, rename it by hand and apply again with"
            f" --adopt: {advice}. If they are two, write another {field}."
        )
        yield Diagnostic(
            Severity.ERROR,
            "one number for two accounts",
            detail,
            change.address,
            change.part.declared.source,
            rule="taken-over",
            refusal=True,
        )


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
