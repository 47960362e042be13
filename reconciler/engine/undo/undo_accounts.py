"""Account commands that bring back what accounts were before a run.

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


def account_steps(steps: Collection[AccountStep], known: Accounting) -> Iterator[Step]:
    """Groups that were removed, then users, then the groups that go (`order` puts them last)."""
    users, groups = _by_name(steps, groups=False), _by_name(steps, groups=True)
    returning = [step for name, mine in groups.items() for step in _group_back(name, mine, known)]
    actions = (step.action for step in returning)
    back = {
        action.name for action in actions if isinstance(action, Account) and action.op is AccountOp.GROUPADD
    }
    changes = {
        name: list(_user(name, mine, replace(known, groups=known.groups | back)))
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
        step for name, mine in groups.items() for step in _group_gone(name, mine, known, leaving, moving)
    )


def _fields(step: Step) -> dict[str, str]:
    return dict(step.action.fields) if isinstance(step.action, Account) else {}


def _by_name(steps: Collection[AccountStep], *, groups: bool) -> dict[str, list[AccountStep]]:
    found: dict[str, list[AccountStep]] = {}
    for step in steps:
        if of_group(step.action.op, step.action.fields) is groups:
            found.setdefault(step.action.name, []).append(step)
    return found


def _addresses(steps: Collection[AccountStep]) -> tuple[Address, ...]:
    return tuple(dict.fromkeys(address for step in steps for address in step.addresses))


def _step(op: AccountOp, name: str, fields: Iterable[tuple[str, str]], addresses: Iterable[Address]) -> Step:
    return Step(Account(op, name, tuple(fields)), tuple(Cause(address) for address in addresses))


# ---------------------------------------------------------------------------------------------------- users


def _user(name: str, steps: list[AccountStep], known: Accounting) -> Iterator[Step]:
    before: Facts | None = known.before.get("users", {}).get(name)
    now, addresses = user_facts(known.now, name), _addresses(steps)
    if before is None:
        yield from _disabled(name, now, addresses, known)
    elif now is None:
        yield from _made_again(name, before, addresses, known)
        yield from _given_back("user", name, steps, known)
    else:
        yield from _given_back("user", name, steps, known)
        fields = list(_fields_back(name, before, now, _said(steps), addresses, known))
        if fields:
            yield _step(AccountOp.USERMOD, name, fields, addresses)


def _disabled(
    name: str, now: Facts | None, addresses: tuple[Address, ...], known: Accounting
) -> Iterator[Step]:
    if now is None:
        return
    known.keep(addresses, f"user {name} stays, disabled: what belongs to him is not deleted")
    if not now["locked"] or now["expires"] != DISABLED:
        yield _step(AccountOp.USERMOD, name, (("expiredate", str(DISABLED)), ("lock", "yes")), addresses)


def _made_again(
    name: str, before: Facts, addresses: tuple[Address, ...], known: Accounting
) -> Iterator[Step]:
    """With the same number, so that its files are its own again."""
    taken = next((user.name for user in known.now.users.values() if user.uid == before["uid"]), "")
    if taken:
        known.refuse(addresses, f"user {name} had uid {before['uid']}, which belongs to {taken} now")
        return
    group, groups = before["gid"], [one for one in before["groups"] if one in known.groups]
    if group not in known.groups and not group.isdecimal():
        yield _step(AccountOp.GROUPADD, group, (("gid", str(before["gid_number"])),), addresses)
    fields = [
        ("uid", str(before["uid"])),
        ("gid", group),
        ("comment", before["comment"]),
        ("home-dir", before["home"]),
    ]
    fields += [
        ("shell", before["shell"]),
        *([("system", "yes")] if known.now.is_system(before["uid"]) else []),
    ]
    fields += [("groups", ",".join(groups))] if groups else []
    fields += [("expiredate", str(before["expires"]))] if before["expires"] is not None else []
    yield _step(AccountOp.USERADD, name, ((key, value) for key, value in fields if value), addresses)


def _kept(steps: Collection[AccountStep], key: str) -> dict[str, list[str]]:
    """The lines that the undo store has of a deleted account, by file; nothing for
    one that was not deleted.
    """
    content = next(
        (saved.content for step in steps for saved in step.saved if saved.path == key and saved.content),
        b"{}",
    )
    found: dict[str, list[str]] = json.loads(content)
    return found


def _given_back(what: str, name: str, steps: Collection[AccountStep], known: Accounting) -> Iterator[Step]:
    """Yield the steps for what neither useradd nor groupadd can say.

    These are the password, aging, subordinate ids, and what gshadow had.
    """
    gone = AccountOp.USERDEL if what == "user" else AccountOp.GROUPDEL
    if not any(step.action.op is gone for step in steps):
        return
    addresses, kept = _addresses(steps), _kept(steps, f"{what}:{name}")
    if what == "user":
        kept |= (
            {"shadow": [_as_before(line, known.before["users"][name]) for line in kept.get("shadow", ())]}
            if kept
            else {}
        )
    if not kept:
        known.keep(
            addresses,
            f"{what} {name} comes back without a password: the version that deleted it did not keep it",
        )
        return
    for file in ("subuid", "subgid"):
        other = next(
            (who for line in kept.get(file, ()) if (who := overlapping(known.now, file, name, line))), ""
        )
        if other:
            known.keep(
                addresses, f"{name} gets other {file} numbers: some of the old ones belong to {other} now"
            )
            kept.pop(file)
    there = (known.now.users if what == "user" else known.now.groups).get(name)
    if there is not None:
        if give_back(known.now, name, kept) == known.now:
            return
        if not _untouched(known.now, name, kept) and not known.overwrites(addresses):
            known.refuse(addresses, f"{what} {name} was made anew since, with a password of its own")
            return
    content = json.dumps(kept, sort_keys=True).encode("ascii")
    yield Step(
        Account(AccountOp.RESTORE, name, ((what, ",".join(sorted(kept))),), content),
        tuple(Cause(one) for one in addresses),
    )


def _as_before(line: str, before: Facts) -> str:
    """The line in shadow without what disabled the account in the same run."""
    row = line.split(":")
    if not before["locked"] and row[1].startswith("!"):
        row[1] = row[1][1:]
    if len(row) > _EXPIRES:
        row[_EXPIRES] = "" if before["expires"] is None else str(before["expires"])
    return ":".join(row)


def _untouched(now: Accounts, name: str, kept: Mapping[str, Sequence[str]]) -> bool:
    """Whether the account has no other password than a new one has, or the one that it is to have: nobody has
    used it since.
    """
    there = [line.split(":")[1] for line in _lines(now.shadow, name)]
    had = [line.split(":")[1] for line in kept.get("shadow", ())]
    return all(password in (*had, NO_PASSWORD) for password in there)


def _lines(text: str | None, name: str) -> list[str]:
    return [line for line in (text or "").split("\n") if line.startswith(f"{name}:")]


def _said(steps: Collection[AccountStep]) -> dict[str, str]:
    """The fields that the run asked for; the last of several commands counts, lists of groups are put
    together.
    """
    said: dict[str, str] = {}
    for step in steps:
        for key, value in step.action.fields:
            said[key] = f"{said[key]},{value}" if key in ("append", "remove") and key in said else value
    return said


def _fields_back(
    name: str,
    before: Facts,
    now: Facts,
    said: Mapping[str, str],
    addresses: tuple[Address, ...],
    known: Accounting,
) -> Iterator[tuple[str, str]]:
    for option, fact in _OPTIONS:
        if (
            option in said
            and now[fact] != before[fact]
            and _may(name, option, now[fact] == said[option], addresses, known)
        ):
            yield option, before[fact]
    if "expiredate" in said and now["expires"] != before["expires"]:
        left = None if said["expiredate"] == "" else int(said["expiredate"])
        if _may(name, "expiry", now["expires"] == left, addresses, known):
            yield "expiredate", "" if before["expires"] is None else str(before["expires"])
    if "lock" in said and now["locked"] and not before["locked"]:
        if now["hidden"]:
            yield "unlock", "yes"
        else:
            known.keep(addresses, f"user {name} stays locked: it has no password to unlock")
    if "unlock" in said and before["locked"] and not now["locked"]:
        yield "lock", "yes"
    if "complete" in said:
        known.keep(
            addresses,
            f"user {name} stays complete: the run made the lines that were missing in {said['complete']}",
        )
    yield from _groups_back(before, now, said, known)


def _may(name: str, what: str, as_left: bool, addresses: tuple[Address, ...], known: Accounting) -> bool:
    if as_left or known.overwrites(addresses):
        return True
    known.refuse(addresses, f"the {what} of user {name} was changed since")
    return False


def _groups_back(
    before: Facts, now: Facts, said: Mapping[str, str], known: Accounting
) -> Iterator[tuple[str, str]]:
    joined, left = (
        set(said.get(key, said.get(other, "")).split(",")) - {""}
        for key, other in (("append", "groups"), ("remove", ""))
    )
    leave = sorted(group for group in joined if group in now["groups"] and group not in before["groups"])
    join = sorted(
        group
        for group in left
        if group in before["groups"] and group not in now["groups"] and group in known.now.groups
    )
    if join:
        yield "append", ",".join(join)
    if leave:
        yield "remove", ",".join(leave)


# ---------------------------------------------------------------------------------------------------- groups


def _group_back(name: str, steps: list[AccountStep], known: Accounting) -> Iterator[Step]:
    before: Facts | None = known.before.get("groups", {}).get(name)
    now, addresses = group_facts(known.now, name), _addresses(steps)
    if before is None:
        return
    if now is None:
        taken = known.now.group_names.get(before["gid"])
        if taken:
            known.refuse(addresses, f"group {name} had gid {before['gid']}, which belongs to {taken} now")
            return
        yield _step(AccountOp.GROUPADD, name, (("gid", str(before["gid"])),), addresses)
        for member in before["members"]:
            if member in known.now.users:
                yield _step(AccountOp.USERMOD, member, (("append", name),), addresses)
        yield from _given_back("group", name, steps, known)
    elif now["gid"] != before["gid"]:
        known.refuse(
            addresses, f"group {name} was made anew since, with gid {now['gid']} instead of {before['gid']}"
        )
    else:
        yield from _given_back("group", name, steps, known)


def _group_gone(
    name: str,
    steps: list[AccountStep],
    known: Accounting,
    leaving: Mapping[str, set[str]],
    moving: Collection[str],
) -> Iterator[Step]:
    """A group that the run made goes if nobody is in it then.

    `moving` get another primary group by the same rollback.
    """
    now, addresses = group_facts(known.now, name), _addresses(steps)
    if known.before.get("groups", {}).get(name) is not None:
        if now is not None and any(step.action.op is AccountOp.GROUPADD for step in steps):
            known.keep(
                addresses, f"group {name} stays complete: the run made the line that was missing in gshadow"
            )
        return
    if now is None:
        return
    members = [member for member in now["members"] if name not in leaving.get(member, ())]
    primary = [
        user.name for user in known.now.users.values() if user.gid == now["gid"] and user.name not in moving
    ]
    if members or primary:
        known.keep(addresses, f"group {name} stays: {', '.join(sorted({*members, *primary}))} belong to it")
        return
    yield _step(AccountOp.GROUPDEL, name, (), addresses)
