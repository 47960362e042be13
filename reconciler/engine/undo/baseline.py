"""The state of units and accounts before a run, for `rollback`: they leave no file to keep."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from reconciler.core.actions import Account, AccountOp, Unit
from reconciler.core.address import Address
from reconciler.core.host import HostView, UnitState
from reconciler.core.plan import UnitEffect
from reconciler.core.steps import Step
from reconciler.formats.accounts import account_files
from reconciler.formats.accounts.users import Accounts

GROUP_OPS = (AccountOp.GROUPADD, AccountOp.GROUPDEL)


Reads = Callable[[str, Iterable[Address]], Collection[str] | None]
"""The paths that are configuration of a unit, on behalf of these parts; None where that is not known."""


def state_of(
    view: HostView, steps: Sequence[Step], effects: Sequence[UnitEffect], reads: Reads
) -> dict[str, Any]:
    """`units`, `users` and `groups` by name: what the steps are about, and what systemd takes along with
    them.

    A password is told only as locked or not.
    """
    accounts = [step.action for step in steps if isinstance(step.action, Account)]
    users, groups = (
        [account.name for account in accounts if of_group(account.op, account.fields) is which]
        for which in (False, True)
    )
    accounts_now = account_files.known_accounts(view) if accounts else Accounts()
    state: dict[str, Any] = {
        "units": _units(view, steps, effects, reads) if view.running else {},
        "users": {name: user_facts(accounts_now, name) for name in users},
        "groups": {name: group_facts(accounts_now, name) for name in groups},
    }
    return {name: facts for name, facts in state.items() if facts}


def of_group(op: str, fields: Collection[Any]) -> bool:
    """Whether an account action is about a group. `fields` are its fields, or their names."""
    return op in GROUP_OPS or (
        op == AccountOp.RESTORE
        and "group" in {entry[0] if isinstance(entry, tuple) else entry for entry in fields}
    )


def user_facts(accounts: Accounts, name: str) -> dict[str, Any] | None:
    """The fields of an account that a command may change; None when there is none."""
    user, shadow = accounts.users.get(name), accounts.shadows.get(name)
    if user is None:
        return None
    return {
        "uid": user.uid,
        "gid": accounts.group_of(user),
        "gid_number": user.gid,
        "comment": user.comment,
        "home": user.home,
        "shell": user.shell,
        "expires": shadow.expires if shadow else None,
        "locked": shadow.locked if shadow else False,
        "hidden": shadow.hidden if shadow else False,
        "groups": sorted(group for group, whole in accounts.memberships.get(name, {}).items() if whole),
    }


def group_facts(accounts: Accounts, name: str) -> dict[str, Any] | None:
    """The number and the members of a group; None when there is none."""
    group = accounts.groups.get(name)
    return None if group is None else {"gid": group.gid, "members": sorted(group.members)}


def _units(
    view: HostView, steps: Sequence[Step], effects: Sequence[UnitEffect], reads: Reads
) -> dict[str, Any]:
    """Each unit that a step names or takes along: its state, its addresses, and its configuration files."""
    why: dict[str, set[Address]] = {}
    for effect in effects:
        why.setdefault(effect.taken.unit, set()).add(effect.address)
    for step in steps:
        if isinstance(step.action, Unit):
            for cause in step.causes:
                if cause.unit:
                    why.setdefault(cause.unit, set()).add(cause.address)
    states = view.units(sorted(why)) if why else {}
    return {
        unit: {**_standing(states[unit], addresses), **_files(reads(unit, addresses))}
        for unit, addresses in why.items()
    }


def _standing(state: UnitState, addresses: Iterable[Address]) -> dict[str, Any]:
    return {"active": state.active, "invocation": state.invocation, "for": sorted(map(str, addresses))}


def _files(paths: Collection[str] | None) -> dict[str, list[str]]:
    return {} if paths is None else {"reads": sorted(paths)}
