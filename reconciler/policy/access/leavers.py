"""Doors that somebody who leaves, or whose key is withdrawn, still has: another account with the key or with
the number, and units.

The host that the plan leaves behind is asked. `kinds.users.remainders` tells which files name a leaver, and
which are their own in /tmp.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Change, Part, Verb
from reconciler.core.diagnostic import Diagnostic, warning
from reconciler.core.host import HostView
from reconciler.core.plan import Plan
from reconciler.formats.accounts.passwd import User
from reconciler.policy.access.changes import Sides
from reconciler.policy.symlinks import Followed

_FINGERPRINT = "SHA256:"
_UNITS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
)
_USER = re.compile(r"(?m)^[ \t]*User[ \t]*=[ \t]*\"?([^\s\"]+)")
_RUNS = ("active", "activating", "reloading")


@frozen
class _Leaver:
    """An account that goes or is shut, as it was."""

    user: User
    change: Change


@frozen
class _LeavingKey:
    """A key that goes, or whose owner does."""

    owner: str
    change: Change
    leaves: bool


def doors_left(
    plan: Plan, sides: Sides, parts: Mapping[Address, Part], view: HostView
) -> Iterator[Diagnostic]:
    """Yield a warning for each door. Raises HostError for what cannot be read."""
    changes = [
        change
        for change in plan.changes
        if change.address not in plan.blocked and change.address not in plan.held
    ]
    leavers = [_Leaver(user, change) for change in changes if (user := _leaves(change, sides)) is not None]
    yield from _by_key(leavers, changes, sides, parts)
    for leaver in leavers:
        yield from _by_number(leaver, sides)
    yield from _by_unit(leavers, sides, view)


def _leaves(change: Change, sides: Sides) -> User | None:
    """The account as it was, if the change removes or disables it."""
    if change.address.kind != "users" or change.address.part:
        return None
    shut = change.touches("state") and (change.after or {}).get("state") != "present"
    return sides.before.people.users.get(change.address.name) if change.verb is Verb.DELETE or shut else None


def _warned(change: Change, summary: str, detail: str, rule: str) -> Diagnostic:
    source = change.declared.source if change.declared is not None else None
    return warning(summary, detail, address=change.address, source=source, rule=rule)


# ---------------------------------------------------------------------------------------------------- keys


def _by_key(
    leavers: Sequence[_Leaver], changes: Sequence[Change], sides: Sides, parts: Mapping[Address, Part]
) -> Iterator[Diagnostic]:
    """Yield the keys of leavers, and those withdrawn, that sshd takes for another account.

    A withdrawn key that the spec declares there is meant to stay.
    """
    leaving_keys: dict[str, _LeavingKey] = {}
    for change in changes:
        at = change.address.part.find(_FINGERPRINT)
        if change.verb is Verb.DELETE and at >= 0:
            leaving_keys[change.address.part[at:]] = _LeavingKey(change.address.name, change, leaves=False)
    for leaver in leavers:
        leaving_keys |= dict.fromkeys(
            sides.before.ssh.listed(leaver.user), _LeavingKey(leaver.user.name, leaver.change, leaves=True)
        )
    if not leaving_keys:
        return
    declared = {
        (address.name, address.part[at:]) for address in parts if (at := address.part.find(_FINGERPRINT)) >= 0
    }
    for user in sides.after.people.users.values():
        for fingerprint, path in sides.after.ssh.keys(user).items():
            key = leaving_keys.get(fingerprint)
            if key is None or key.owner == user.name:
                continue
            if key.leaves or (user.name, fingerprint) not in declared:
                root = ", who becomes root" if user.uid and sides.after.of(user.name).root else ""
                detail = (
                    f"{fingerprint} of {key.owner} still lets in as {user.name}{root}, from {path}. Take it"
                    " out of there as well."
                )
                yield _warned(key.change, "a key still lets in elsewhere", detail, "key-elsewhere")


# ---------------------------------------------------------------------------------------------------- numbers


def _by_number(leaver: _Leaver, sides: Sides) -> Iterator[Diagnostic]:
    """Yield other accounts of the same number: the kernel knows no difference."""
    name, uid = leaver.user.name, leaver.user.uid
    for other in sides.after.people.users.values():
        if other.uid == uid and other.name != name:
            detail = (
                f"{other.name} has the number {uid} too: whoever is {other.name} owns all that is {name}'s. "
            )
            detail += f"Lock it, or take it away: userdel {other.name}."
            yield _warned(
                leaver.change, "another account has the number of one that goes", detail, "same-number"
            )


# ---------------------------------------------------------------------------------------------------- units


def _by_unit(leavers: Sequence[_Leaver], sides: Sides, view: HostView) -> Iterator[Diagnostic]:
    """Yield units that run as a leaver after the plan: while one runs, the account cannot go."""
    if not leavers:
        return
    unit_users = _users_of_units(sides.after.doors.files)
    for leaver in leavers:
        name = leaver.user.name
        units = sorted(unit for unit, user in unit_users if user in (name, str(leaver.user.uid)))
        running = (
            [unit for unit, state in view.units(units).items() if state.active in _RUNS] if units else []
        )
        if running:
            consequence = (
                f"{name} cannot go while it runs, and the apply will fail"
                if leaver.change.verb is Verb.DELETE
                else "it goes on"
            )
            detail = (
                f"{', '.join(running)} runs as {name}: {consequence}. End it first: systemctl disable --now"
                f" {' '.join(running)}."
            )
            yield _warned(leaver.change, "a unit runs as an account that goes", detail, "runs-as-leaver")
        elif units:
            detail = (
                f"{', '.join(units)} {'names' if len(units) == 1 else 'name'} {name} as its user: whoever is"
                " called so next runs it."
            )
            yield _warned(leaver.change, "a unit names an account that goes", detail, "runs-as-leaver")


def _users_of_units(files: Followed) -> list[tuple[str, str]]:
    """Services and the accounts that their files and drop-ins name."""
    unit_users: list[tuple[str, str]] = []
    for directory in _UNITS:
        for name in files.names(directory):
            if name.endswith(".service"):
                unit_users += [
                    (name, user) for user in _USER.findall(files.text(f"{directory}/{name}") or "")
                ]
            elif name.endswith(".service.d"):
                texts = (
                    files.text(f"{directory}/{name}/{part}") or ""
                    for part in files.names(f"{directory}/{name}")
                )
                unit_users += [
                    (name.removesuffix(".d"), user) for text in texts for user in _USER.findall(text)
                ]
    return list(dict.fromkeys(unit_users))
