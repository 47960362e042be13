"""The steps that make, change, disable and remove an account and its parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from posixpath import normpath

from reconciler.core.actions import Account, AccountOp, EndSessions, MakeDirectory, RemovePath, SetAccess
from reconciler.core.address import Address
from reconciler.core.changes import Change, Document, Verb
from reconciler.core.kind import Impossible
from reconciler.core.spec import Declared
from reconciler.core.steps import Cause, Step
from reconciler.formats.accounts.users import DISABLED
from reconciler.kinds.shared import file_part
from reconciler.kinds.shared.keys import observe as key_observe
from reconciler.kinds.shared.keys import parts as key_parts
from reconciler.kinds.users import home_removal, root_files, traces
from reconciler.kinds.users.constants import LINGER, MAIL, NEVER, SYSTEM_BELOW, TRACES, State, days
from reconciler.kinds.users.facts import AccountFacts, HomeFacts
from reconciler.kinds.users.model import ExactGroups, User, home_of, shell_of
from reconciler.kinds.users.observe import DIRECTORIES, ELSEWHERE, KEPT, KEYS, SKELETON

HOME_MODE = "0700"
DIRECTORY_MODE = "0750"


def user_of(declared: Declared) -> User:
    """The user that is declared."""
    assert isinstance(declared.resource, User)
    return declared.resource


def group_of(user: User, name: str) -> str:
    """The name of the user's primary group."""
    return user.group or name


def actions(change: Change) -> Iterator[Step]:
    """The steps for one part."""
    part = change.address.part
    deleted = change.verb is Verb.DELETE and not part.startswith(KEPT)
    if deleted and change.declared is not None and wants_removal(change.declared, change.address):
        return  # The account's own steps remove the home with all that is in it.
    if not part:
        yield from _remove_account(change) if change.verb is Verb.DELETE else _account_steps(change)
    elif part == ELSEWHERE:
        name = change.address.name
        why = f"a directory service or systemd has it (getent passwd {name})"
        raise Impossible(f"user {name} is not of this host: {why}. Take it away there")
    elif part == "home":
        yield from _home_steps(change)
    elif part in (*TRACES, MAIL):
        yield from traces.actions(change)
    elif part.startswith(KEPT):
        for action in home_removal.kept_steps(change, change.address.name, part.removeprefix(KEPT)):
            yield Step(action, (Cause(change.address),))
    elif part.startswith(DIRECTORIES):
        yield from _directory_steps(change)
    elif key_observe.is_ours(change.address, KEYS):
        home = home_of(user_of(change.part.declared), change.address.name) if change.part else ""
        yield from key_parts.actions(change, change.address.name, home)
    else:
        yield from root_files.actions(change)


def _account_steps(change: Change) -> Iterator[Step]:
    assert change.part is not None
    name, user, cause = change.address.name, user_of(change.part.declared), (Cause(change.address),)
    if change.verb is Verb.CREATE:
        yield Step(Account(AccountOp.USERADD, name, tuple(_new(user, name))), cause)
        return
    _refuse(change)
    fields = tuple(_changed(change))
    if (
        dict(fields).get("gid") == name
        and not user.group
        and not change.observed.facts(AccountFacts).own_group
    ):
        yield Step(Account(AccountOp.GROUPADD, name, (("system", "yes"),) if user.system else ()), cause)
    if fields:
        yield Step(Account(AccountOp.USERMOD, name, fields), cause)
    if change.touches("lingers"):
        yield Step(RemovePath(traces.path_of(LINGER, name), traces.EMPTY), cause)
    if (change.after or {}).get("state") == State.DISABLED and any(
        map(change.touches, ("state", "sessions", "lingers"))
    ):
        yield Step(EndSessions(name, services=False), cause)


def _new(user: User, name: str) -> Iterator[tuple[str, str]]:
    if user.uid is not None:
        yield "uid", str(user.uid)
    if user.group:
        yield "gid", user.group
    if user.comment:
        yield "comment", user.comment
    yield "home-dir", home_of(user, name)
    yield "shell", shell_of(user)
    if user.system:
        yield "system", "yes"
    groups = sorted(set(supplementary(user)) - {group_of(user, name)})
    if groups:
        yield "groups", ",".join(groups)
    if user.state is State.DISABLED:
        yield "expiredate", str(DISABLED)
    elif user.expires:
        yield "expiredate", str(days(user.expires))


def supplementary(user: User) -> Sequence[str]:
    """The groups beside the primary one."""
    return user.groups.exactly if isinstance(user.groups, ExactGroups) else user.groups


_FIXED = {
    "uid": "Files on disk carry the number, so it is not changed here: write the number it has",
    "home": (
        "Homes are not moved here yet: write the path it has, or move it by hand (usermod --home PATH"
        " --move-home)"
    ),
}


def _refuse(change: Change) -> None:
    name, before, after = change.address.name, change.before or {}, change.after or {}
    if before.get("uid") == 0:
        raise Impossible(f"user {name} has uid 0: it is root by another name, which is not managed here")
    if change.touches("system"):
        if before.get("system"):
            raise Impossible(
                f"user {name} has uid {before['uid']}, that of a system account; if it is meant: `system:"
                " true`"
            )
        raise Impossible(
            f"user {name} has uid {before.get('uid')}, that of a person; without `system: true` it can be"
            " managed"
        )
    for key, why in _FIXED.items():
        if change.touches(key):
            raise Impossible(
                f"user {name} has {key} {before.get(key)}, the spec says {after.get(key)}. {why}"
            )


def _changed(change: Change) -> Iterator[tuple[str, str]]:
    before, after = change.before or {}, change.after or {}
    if change.touches("missing"):
        yield "complete", ",".join(before.get("missing", []))
    for key, option in (("group", "gid"), ("comment", "comment"), ("shell", "shell")):
        # The group that is missing is the one that the account has by number.
        if change.touches(key) and not (
            key == "group" and "group" in before.get("missing", []) and after[key] == change.address.name
        ):
            yield option, after[key]
    if change.touches("state") or change.touches("expires"):
        yield from _login(change)
    joining, leaving = _memberships(change)
    if joining:
        yield "append", ",".join(joining)
    if leaving:
        yield "remove", ",".join(leaving)


def _login(change: Change) -> Iterator[tuple[str, str]]:
    after = change.after or {}
    if after["state"] == State.DISABLED:
        yield "expiredate", str(DISABLED)
        yield "lock", "yes"
        return
    yield "expiredate", "" if after["expires"] == NEVER else str(days(after["expires"]))
    if change.touches("state") and change.observed.facts(AccountFacts).hidden:
        yield "unlock", "yes"


def _memberships(change: Change) -> tuple[list[str], list[str]]:
    """The groups to join and to leave."""
    before, after = change.before or {}, change.after or {}
    current: dict[str, bool] = before.get("groups", {})
    if change.touches("exact_groups"):
        exact = set(after["exact_groups"])
        return sorted(group for group in exact if not current.get(group)), sorted(current.keys() - exact)
    items = [item for item in change.fields if item.path[0] == "groups"]
    joining = (item.path[1] for item in items if item.after)
    leaving = (item.path[1] for item in items if item.after is None)
    return sorted(joining), sorted(leaving)


def _remove_account(change: Change) -> Iterator[Step]:
    """Remove the account, after its home is kept, archived or deleted. Raises Impossible.

    A home that stays is closed: the account's number must open nothing.
    """
    name, before, cause = change.address.name, change.before or {}, (Cause(change.address),)
    if before.get("uid") == 0:
        raise Impossible(f"user {name} has uid 0: it is root by another name, which is not managed here")
    declared_system = (change.applied or {}).get("system") or (
        change.declared is not None and user_of(change.declared).system
    )
    if before.get("uid", 0) < SYSTEM_BELOW and not declared_system:
        raise Impossible(
            f"user {name} is a system account that was not declared as one; remove it by hand (userdel)"
        )
    for action in home_removal.steps(change, name):
        yield Step(action, cause)
    yield Step(Account(AccountOp.USERDEL, name), cause)


def _home_steps(change: Change) -> Iterator[Step]:
    assert change.part is not None
    document, before, cause = change.part.document, change.before, (Cause(change.address),)
    user, name = user_of(change.part.declared), change.address.name
    home, mode, owner, group = home_of(user, name), document.get("mode"), document["owner"], document["group"]
    if before is not None and before["type"] != "directory":
        raise _no_home(home, name, before)
    if before is None or change.observed.facts(HomeFacts).unfinished:
        skeleton = "" if user.system else SKELETON
        yield Step(MakeDirectory(home, mode or HOME_MODE, owner, group, skeleton=skeleton), cause)
    else:
        yield Step(SetAccess(home, mode or before["mode"], owner, group), cause)


def _no_home(home: str, name: str, before: Document) -> Impossible:
    if before["type"] != "link":
        return file_part.in_the_way(home, before["type"], "directory")
    target = before["target"]
    path = normpath(target if target.startswith("/") else f"{home.rpartition('/')[0]}/{target}")
    advice = f"write `home: {path}`; for an account that is there: usermod --home {path} {name}"
    return Impossible(f"{home} is a link to {path}, and nothing is made for a user through a link; {advice}")


def _directory_steps(change: Change) -> Iterator[Step]:
    assert change.part is not None
    user, name, cause = user_of(change.part.declared), change.address.name, (Cause(change.address),)
    path, before = f"{home_of(user, name)}/{change.address.part.removeprefix(DIRECTORIES)}", change.before
    if before is None:
        yield Step(MakeDirectory(path, DIRECTORY_MODE, name, group_of(user, name), as_user=name), cause)
    elif before["type"] != "directory":
        raise file_part.in_the_way(path, before["type"], "directory")
    else:
        yield Step(SetAccess(path, before["mode"], name, group_of(user, name), as_user=name), cause)


def wants_removal(declared: Declared, address: Address) -> bool:
    """Whether a part is in a home that is not kept, and so is removed with it."""
    inside = (
        address.part == "home"
        or address.part.startswith((DIRECTORIES, KEPT))
        or key_observe.is_ours(address, KEYS)
    )
    return inside and home_removal.fate_of(declared) != "keep"
