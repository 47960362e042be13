"""Account commands that bring accounts back to their state before a run.

An account that the run made is disabled: its data is not deleted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconciler.core.actions import Account, AccountOp
from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.host import PreImage
from reconciler.core.steps import Cause, Step
from reconciler.engine.undo.baseline import group_facts, of_group, user_facts
from reconciler.formats.accounts.belongings import give_back, overlapping
from reconciler.formats.accounts.users import DISABLED, NO_PASSWORD, Accounts

Facts = Mapping[str, Any]
Say = Callable[[Iterable[Address], str], None]
_EXPIRES = 7
"""The field of shadow(5)."""
_OPTIONS = (("gid", "gid"), ("comment", "comment"), ("shell", "shell"))


@frozen
class AccountStep:
    """An account command of the run that is undone. `saved` are the lines that went with the account."""

    action: Account
    addresses: tuple[Address, ...]
    saved: tuple[PreImage, ...]


@frozen
class Accounting:
    """The accounts before the run and now, and where to say what cannot be done.

    `groups` are there once groups are back.
    """

    before: Mapping[str, Any]
    now: Accounts
    overwrites: Callable[[Iterable[Address]], bool]
    refuse: Say
    keep: Say
    groups: frozenset[str]


def account_steps(steps: Collection[AccountStep], accounting: Accounting) -> Iterator[Step]:
    """Groups that come back, then users, then the groups that go (`ordering` puts them last)."""
    users, groups = _by_name(steps, groups=False), _by_name(steps, groups=True)
    returning = [step for name, mine in groups.items() for step in _group_back(name, mine, accounting)]
    actions = (step.action for step in returning)
    back = {
        action.name for action in actions if isinstance(action, Account) and action.op is AccountOp.GROUPADD
    }
    changes = {
        name: list(_user(name, mine, replace(accounting, groups=accounting.groups | back)))
        for name, mine in users.items()
    }
    leaving = {
        name: {group for step in mine for group in _fields(step).get("remove", "").split(",")}
        for name, mine in changes.items()
    }
    moving = frozenset(name for name, mine in changes.items() if any("gid" in _fields(step) for step in mine))
    yield from returning
    yield from (step for mine in changes.values() for step in mine)
    yield from (
        step for name, mine in groups.items() for step in _group_gone(name, mine, accounting, leaving, moving)
    )


def _fields(step: Step) -> dict[str, str]:
    return dict(step.action.fields) if isinstance(step.action, Account) else {}


def _by_name(steps: Collection[AccountStep], *, groups: bool) -> dict[str, list[AccountStep]]:
    by_name: dict[str, list[AccountStep]] = {}
    for step in steps:
        if of_group(step.action.op, step.action.fields) is groups:
            by_name.setdefault(step.action.name, []).append(step)
    return by_name


def _addresses(steps: Collection[AccountStep]) -> tuple[Address, ...]:
    return tuple(dict.fromkeys(address for step in steps for address in step.addresses))


def _step(op: AccountOp, name: str, fields: Iterable[tuple[str, str]], addresses: Iterable[Address]) -> Step:
    return Step(Account(op, name, tuple(fields)), tuple(Cause(address) for address in addresses))


# ---------------------------------------------------------------------------------------------------- users


def _user(name: str, steps: list[AccountStep], accounting: Accounting) -> Iterator[Step]:
    before: Facts | None = accounting.before.get("users", {}).get(name)
    now, addresses = user_facts(accounting.now, name), _addresses(steps)
    if before is None:
        yield from _disabled(name, now, addresses, accounting)
    elif now is None:
        yield from _made_again(name, before, addresses, accounting)
        yield from _given_back("user", name, steps, accounting)
    else:
        yield from _given_back("user", name, steps, accounting)
        fields = list(_fields_back(name, before, now, _said(steps), addresses, accounting))
        if fields:
            yield _step(AccountOp.USERMOD, name, fields, addresses)


def _disabled(
    name: str, now: Facts | None, addresses: tuple[Address, ...], accounting: Accounting
) -> Iterator[Step]:
    if now is None:
        return
    accounting.keep(addresses, f"user {name} stays, disabled: nothing that belongs to the account is deleted")
    if not now["locked"] or now["expires"] != DISABLED:
        yield _step(AccountOp.USERMOD, name, (("expiredate", str(DISABLED)), ("lock", "yes")), addresses)


def _made_again(
    name: str, before: Facts, addresses: tuple[Address, ...], accounting: Accounting
) -> Iterator[Step]:
    """An account with its old number, so that its files are its own again."""
    taken = next((user.name for user in accounting.now.users.values() if user.uid == before["uid"]), "")
    if taken:
        accounting.refuse(addresses, f"user {name} had uid {before['uid']}, which belongs to {taken} now")
        return
    group, groups = (
        before["gid"],
        [group_name for group_name in before["groups"] if group_name in accounting.groups],
    )
    if group not in accounting.groups and not group.isdecimal():
        yield _step(AccountOp.GROUPADD, group, (("gid", str(before["gid_number"])),), addresses)
    fields = [
        ("uid", str(before["uid"])),
        ("gid", group),
        ("comment", before["comment"]),
        ("home-dir", before["home"]),
    ]
    fields += [
        ("shell", before["shell"]),
        *([("system", "yes")] if accounting.now.is_system(before["uid"]) else []),
    ]
    fields += [("groups", ",".join(groups))] if groups else []
    fields += [("expiredate", str(before["expires"]))] if before["expires"] is not None else []
    yield _step(AccountOp.USERADD, name, ((key, value) for key, value in fields if value), addresses)


def _kept(steps: Collection[AccountStep], key: str) -> dict[str, list[str]]:
    """The lines that the undo store has of a deleted account, by file; none for an account that was not
    deleted.
    """
    content = next(
        (saved.content for step in steps for saved in step.saved if saved.path == key and saved.content),
        b"{}",
    )
    lines: dict[str, list[str]] = json.loads(content)
    return lines


def _given_back(
    what: str, name: str, steps: Collection[AccountStep], accounting: Accounting
) -> Iterator[Step]:
    """Yield the steps for what neither useradd nor groupadd can say.

    These are the password, aging, subordinate ids, and what gshadow had.
    """
    gone = AccountOp.USERDEL if what == "user" else AccountOp.GROUPDEL
    if not any(step.action.op is gone for step in steps):
        return
    addresses, lines = _addresses(steps), _kept(steps, f"{what}:{name}")
    if what == "user":
        lines |= (
            {
                "shadow": [
                    _as_before(line, accounting.before["users"][name]) for line in lines.get("shadow", ())
                ]
            }
            if lines
            else {}
        )
    if not lines:
        accounting.keep(
            addresses,
            f"{what} {name} comes back without a password: the version that deleted it did not keep it",
        )
        return
    for file in ("subuid", "subgid"):
        other = next(
            (who for line in lines.get(file, ()) if (who := overlapping(accounting.now, file, name, line))),
            "",
        )
        if other:
            accounting.keep(
                addresses, f"{name} gets other {file} numbers: some of the old ones belong to {other} now"
            )
            lines.pop(file)
    there = (accounting.now.users if what == "user" else accounting.now.groups).get(name)
    if there is not None:
        if give_back(accounting.now, name, lines) == accounting.now:
            return
        if not _untouched(accounting.now, name, lines) and not accounting.overwrites(addresses):
            accounting.refuse(addresses, f"{what} {name} was made anew since, with a password of its own")
            return
    content = json.dumps(lines, sort_keys=True).encode("ascii")
    yield Step(
        Account(AccountOp.RESTORE, name, ((what, ",".join(sorted(lines))),), content),
        tuple(Cause(address) for address in addresses),
    )


def _as_before(line: str, before: Facts) -> str:
    """The line in shadow without what disabled the account in the same run."""
    row = line.split(":")
    if not before["locked"] and row[1].startswith("!"):
        row[1] = row[1][1:]
    if len(row) > _EXPIRES:
        row[_EXPIRES] = "" if before["expires"] is None else str(before["expires"])
    return ":".join(row)


def _untouched(now: Accounts, name: str, lines: Mapping[str, Sequence[str]]) -> bool:
    """Whether nobody has used the account since: its password is the one of a new account, or the one that it
    is to have.
    """
    there = [line.split(":")[1] for line in _lines(now.shadow, name)]
    had = [line.split(":")[1] for line in lines.get("shadow", ())]
    return all(password in (*had, NO_PASSWORD) for password in there)


def _lines(text: str | None, name: str) -> list[str]:
    return [line for line in (text or "").split("\n") if line.startswith(f"{name}:")]


def _said(steps: Collection[AccountStep]) -> dict[str, str]:
    """The fields that the run asked for: the last of several commands counts, lists of groups are joined."""
    fields: dict[str, str] = {}
    for step in steps:
        for key, value in step.action.fields:
            fields[key] = f"{fields[key]},{value}" if key in ("append", "remove") and key in fields else value
    return fields


def _fields_back(
    name: str,
    before: Facts,
    now: Facts,
    fields: Mapping[str, str],
    addresses: tuple[Address, ...],
    accounting: Accounting,
) -> Iterator[tuple[str, str]]:
    for option, fact in _OPTIONS:
        if (
            option in fields
            and now[fact] != before[fact]
            and _may(name, option, now[fact] == fields[option], addresses, accounting)
        ):
            yield option, before[fact]
    if "expiredate" in fields and now["expires"] != before["expires"]:
        expiry = None if fields["expiredate"] == "" else int(fields["expiredate"])
        if _may(name, "expiry", now["expires"] == expiry, addresses, accounting):
            yield "expiredate", "" if before["expires"] is None else str(before["expires"])
    if "lock" in fields and now["locked"] and not before["locked"]:
        if now["hidden"]:
            yield "unlock", "yes"
        else:
            accounting.keep(addresses, f"user {name} stays locked: it has no password to unlock")
    if "unlock" in fields and before["locked"] and not now["locked"]:
        yield "lock", "yes"
    if "complete" in fields:
        accounting.keep(
            addresses,
            f"user {name} stays complete: the run made the lines that were missing in {fields['complete']}",
        )
    yield from _groups_back(before, now, fields, accounting)


def _may(name: str, what: str, as_left: bool, addresses: tuple[Address, ...], accounting: Accounting) -> bool:
    if as_left or accounting.overwrites(addresses):
        return True
    accounting.refuse(addresses, f"the {what} of user {name} was changed since")
    return False


def _groups_back(
    before: Facts, now: Facts, fields: Mapping[str, str], accounting: Accounting
) -> Iterator[tuple[str, str]]:
    joined, leaving = (
        set(fields.get(key, fields.get(other, "")).split(",")) - {""}
        for key, other in (("append", "groups"), ("remove", ""))
    )
    leave = sorted(group for group in joined if group in now["groups"] and group not in before["groups"])
    join = sorted(
        group
        for group in leaving
        if group in before["groups"] and group not in now["groups"] and group in accounting.now.groups
    )
    if join:
        yield "append", ",".join(join)
    if leave:
        yield "remove", ",".join(leave)


# ---------------------------------------------------------------------------------------------------- groups


def _group_back(name: str, steps: list[AccountStep], accounting: Accounting) -> Iterator[Step]:
    before: Facts | None = accounting.before.get("groups", {}).get(name)
    now, addresses = group_facts(accounting.now, name), _addresses(steps)
    if before is None:
        return
    if now is None:
        taken = accounting.now.group_names.get(before["gid"])
        if taken:
            accounting.refuse(
                addresses, f"group {name} had gid {before['gid']}, which belongs to {taken} now"
            )
            return
        yield _step(AccountOp.GROUPADD, name, (("gid", str(before["gid"])),), addresses)
        for member in before["members"]:
            if member in accounting.now.users:
                yield _step(AccountOp.USERMOD, member, (("append", name),), addresses)
        yield from _given_back("group", name, steps, accounting)
    elif now["gid"] != before["gid"]:
        accounting.refuse(
            addresses, f"group {name} was made anew since, with gid {now['gid']} instead of {before['gid']}"
        )
    else:
        yield from _given_back("group", name, steps, accounting)


def _group_gone(
    name: str,
    steps: list[AccountStep],
    accounting: Accounting,
    leaving: Mapping[str, set[str]],
    moving: Collection[str],
) -> Iterator[Step]:
    """A group that the run made goes if it has no member then. `moving` are the users that get another
    primary group by the same rollback.
    """
    now, addresses = group_facts(accounting.now, name), _addresses(steps)
    if accounting.before.get("groups", {}).get(name) is not None:
        if now is not None and any(step.action.op is AccountOp.GROUPADD for step in steps):
            accounting.keep(
                addresses, f"group {name} stays complete: the run made the line that was missing in gshadow"
            )
        return
    if now is None:
        return
    members = [member for member in now["members"] if name not in leaving.get(member, ())]
    primary = [
        user.name
        for user in accounting.now.users.values()
        if user.gid == now["gid"] and user.name not in moving
    ]
    if members or primary:
        accounting.keep(
            addresses, f"group {name} stays: {', '.join(sorted({*members, *primary}))} belong to it"
        )
        return
    yield _step(AccountOp.GROUPDEL, name, (), addresses)
