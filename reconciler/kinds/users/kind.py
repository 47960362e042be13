"""users: a person's or a service's account with its home, environment, aliases and sudo rules, each a part of
its own.

An account is several lines in several files, and a useradd that is killed writes only some of them: what is
missing is observed and completed. Passwords are not handled: a new account has none that works. Nothing here
touches root.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from posixpath import normpath

from reconciler.core.actions import (
    Account,
    AccountOp,
    Cause,
    EndSessions,
    MakeDirectory,
    RemovePath,
    SetAccess,
    Step,
)
from reconciler.core.address import Address
from reconciler.core.changes import Change, Document, Part, Verb
from reconciler.core.diagnostic import Source
from reconciler.core.host import HostView
from reconciler.core.kind import Impossible, Kind, Requirement, RequirementType
from reconciler.core.spec import Declared
from reconciler.core.state import LedgerRow
from reconciler.formats.accounts.users import DISABLED
from reconciler.kinds.shared import key_parts, ownership
from reconciler.kinds.shared.key_model import keys_of
from reconciler.kinds.users import ORDER, checks, home_location, home_removal, root_files, traces
from reconciler.kinds.users import paths as user_places
from reconciler.kinds.users.constants import NEVER, SYSTEM_BELOW, State, day, days
from reconciler.kinds.users.model import ExactGroups, ExactKeys, User, UserName, has_home, home_of, shell_of
from reconciler.kinds.users.observe import DIRECTORIES, ELSEWHERE, KEPT, KEYS, SKELETON, observe

HOME_MODE = "0700"
DIRECTORY_MODE = "0750"
_NOBODY_IN = {"lingers": False, "sessions": False}
"""The fields that also hold for an account that nobody can use.

None of its processes waits for the next login, and nobody is logged in.
"""
_GONE = "no longer in the spec: disabled, data kept"


def _user(declared: Declared) -> User:
    assert isinstance(declared.resource, User)
    return declared.resource


def _group(user: User, name: str) -> str:
    return user.group or name


# --------------------------------------------------------------------------------------------- what is wanted


def expand(declared: Declared, running: bool) -> Iterator[Part]:
    """Yield the account, the home, its directories, the profile file and the sudo rules.

    Nothing is wanted of an account that shall be absent.
    """
    user, name = _user(declared), declared.address.name
    if user.state is State.ABSENT:
        return
    yield Part(declared.address, _account_document(user, name), declared)
    if has_home(user, name):
        yield from _home_parts(declared, user, name)
    yield from root_files.parts(declared, user)
    if user.ssh_keys is not None and user.state is State.PRESENT:
        yield from _key_parts(declared, user)


def _account_document(user: User, name: str) -> Document:
    document: Document = {
        "state": str(user.state),
        "missing": [],
        "group": _group(user, name),
        "home": home_of(user, name),
        "system": user.system if user.uid is None else user.uid < SYSTEM_BELOW,
    }
    document |= {
        key: value for key in ("uid", "comment", "shell") if (value := getattr(user, key)) is not None
    }
    document |= _NOBODY_IN if user.state is State.DISABLED else {}
    document["expires"] = day(DISABLED) if user.state is State.DISABLED else user.expires or NEVER
    if isinstance(user.groups, ExactGroups):
        document["exact_groups"] = sorted(set(user.groups.exactly) - {_group(user, name)})
    else:
        document["groups"] = dict.fromkeys(sorted(set(user.groups) - {_group(user, name)}), True)
    return document


def _home_parts(declared: Declared, user: User, name: str) -> Iterator[Part]:
    home = Address("users", name, "home")
    document: Document = {"type": "directory", "owner": name, "group": _group(user, name)}
    yield Part(home, document | ({"mode": user.home_mode} if user.home_mode else {}), declared)
    # What is in between is made too: a directory in a home has no mode that anybody else depends on.
    wanted = {
        "/".join(path.split("/")[:n]) for path in user.directories for n in range(1, path.count("/") + 2)
    }
    for path in sorted(wanted):
        above = path.rpartition("/")[0]
        needs = (home, Address("users", name, f"{DIRECTORIES}{above}")) if above else (home,)
        yield Part(
            Address("users", name, f"{DIRECTORIES}{path}"),
            {"type": "directory", "owner": name},
            declared,
            needs=needs,
        )


def _key_parts(declared: Declared, user: User) -> Iterator[Part]:
    exact, name = isinstance(user.ssh_keys, ExactKeys), declared.address.name
    listed = user.ssh_keys.exactly if isinstance(user.ssh_keys, ExactKeys) else user.ssh_keys
    home, main = Address("users", name, "home"), Address("users", name, KEYS)
    for part in key_parts.parts(declared, name, keys_of(listed), exactly=exact, prefix=KEYS):
        yield replace(part, needs=(home,) if part.address == main else (home, main))


def absent(declared: Declared) -> Iterator[Address]:
    """The addresses that shall not be there for an account that shall be absent, whoever made them.

    These are the account, and what would wait for its name.
    """
    if _user(declared).state is State.ABSENT:
        name = declared.address.name
        mail = (traces.MAIL,) if home_removal.fate_of(declared) == "delete" else ()
        yield from (
            Address("users", name, part) for part in ("", ELSEWHERE, root_files.SUDO, *traces.TRACES, *mail)
        )


def remains(change: Change) -> Iterator[tuple[Address, Document]]:
    """The home of an account that went, where it is kept: a later `home: delete` has to know it."""
    if not change.address.part and change.verb is Verb.DELETE:
        name = change.address.name
        yield from (
            (Address("users", name, f"{KEPT}{path}"), document)
            for path, document in home_removal.remains(change, name)
        )


def retire(address: Address, row: LedgerRow, block: Declared | None) -> Part | None:
    """An account that left the spec is disabled; its parts go as parts do.

    A system account that was there before us is left alone.

    A home that was kept when its account went stays so until the spec says otherwise, or has the account
    again.
    """
    if address.part.startswith(KEPT):
        stays = block is None or (
            _user(block).state is State.ABSENT and home_removal.fate_of(block) == "keep"
        )
        return (
            Part(address, {"kept": True}, block or _leaver(address, row, system=False), retired="kept")
            if stays
            else None
        )
    if address.part or block is not None:
        return None
    said = row.document or row.pending or {}
    system = bool(said.get("system"))
    kept = system and not row.created
    document: Document = {"system": system}
    if not kept:
        document |= {"state": str(State.DISABLED), "missing": [], "expires": day(DISABLED), **_NOBODY_IN}
    why = "no longer in the spec: a system account that was there before us" if kept else _GONE
    return Part(address, document, _leaver(address, row, system=system), retired=why)


def _leaver(address: Address, row: LedgerRow, *, system: bool) -> Declared:
    """The user that stands for a block that the spec no longer has."""
    file, _, line = row.source.rpartition(":")
    source = Source(file or row.source, int(line) if line.isdecimal() else 1)
    return Declared(address.resource, User(state=State.DISABLED, system=system), source)


# ----------------------------------------------------------------------------------------- what is to be done


def actions(change: Change) -> Iterator[Step]:
    """The steps for one part."""
    part = change.address.part
    with_home = change.verb is Verb.DELETE and not part.startswith(KEPT)
    if with_home and change.declared is not None and wants_removal(change.declared, change.address):
        return  # with the home, which the account has a step for
    if not part:
        yield from _remove_account(change) if change.verb is Verb.DELETE else _account_steps(change)
    elif part == ELSEWHERE:
        name = change.address.name
        why = f"a directory service or systemd has it (getent passwd {name})"
        raise Impossible(f"user {name} is not of this host: {why}. Take it away there")
    elif part == "home":
        yield from _home_steps(change)
    elif part in (*traces.TRACES, traces.MAIL):
        yield from traces.actions(change)
    elif part.startswith(KEPT):
        for action in home_removal.kept_steps(change, change.address.name, part.removeprefix(KEPT)):
            yield Step(action, (Cause(change.address),))
    elif part.startswith(DIRECTORIES):
        yield from _directory_steps(change)
    elif key_parts.is_ours(change.address, KEYS):
        home = home_of(_user(change.part.declared), change.address.name) if change.part else ""
        yield from key_parts.actions(change, change.address.name, home)
    else:
        yield from root_files.actions(change)


def _account_steps(change: Change) -> Iterator[Step]:
    assert change.part is not None
    name, user, cause = change.address.name, _user(change.part.declared), (Cause(change.address),)
    if change.verb is Verb.CREATE:
        yield Step(Account(AccountOp.USERADD, name, tuple(_new(user, name))), cause)
        return
    _refuse(change)
    fields = tuple(_changed(change))
    if dict(fields).get("gid") == name and not user.group and not change.observed.private.get("own_group"):
        yield Step(Account(AccountOp.GROUPADD, name, (("system", "yes"),) if user.system else ()), cause)
    if fields:
        yield Step(Account(AccountOp.USERMOD, name, fields), cause)
    if change.touches("lingers"):
        yield Step(RemovePath(traces.path_of(traces.LINGER, name), traces.EMPTY), cause)
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
    groups = sorted(set(_supplementary(user)) - {_group(user, name)})
    if groups:
        yield "groups", ",".join(groups)
    if user.state is State.DISABLED:
        yield "expiredate", str(DISABLED)
    elif user.expires:
        yield "expiredate", str(days(user.expires))


def _supplementary(user: User) -> Sequence[str]:
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
    joined, left = _memberships(change)
    if joined:
        yield "append", ",".join(joined)
    if left:
        yield "remove", ",".join(left)


def _login(change: Change) -> Iterator[tuple[str, str]]:
    after = change.after or {}
    if after["state"] == State.DISABLED:
        yield "expiredate", str(DISABLED)
        yield "lock", "yes"
        return
    yield "expiredate", "" if after["expires"] == NEVER else str(days(after["expires"]))
    if change.touches("state") and change.observed.private.get("hidden"):
        yield "unlock", "yes"


def _memberships(change: Change) -> tuple[list[str], list[str]]:
    """The groups to join and to leave."""
    before, after = change.before or {}, change.after or {}
    there: dict[str, bool] = before.get("groups", {})
    if change.touches("exact_groups"):
        wanted = set(after["exact_groups"])
        return sorted(group for group in wanted if not there.get(group)), sorted(there.keys() - wanted)
    items = [item for item in change.fields if item.path[0] == "groups"]
    return sorted(item.path[1] for item in items if item.after), sorted(
        item.path[1] for item in items if item.after is None
    )


def _remove_account(change: Change) -> Iterator[Step]:
    """The account goes, after what becomes of its home.

    One that stays is closed: its number must open nothing.
    """
    name, before, cause = change.address.name, change.before or {}, (Cause(change.address),)
    if before.get("uid") == 0:
        raise Impossible(f"user {name} has uid 0: it is root by another name, which is not managed here")
    meant = (change.applied or {}).get("system") or (
        change.declared is not None and _user(change.declared).system
    )
    if before.get("uid", 0) < SYSTEM_BELOW and not meant:
        raise Impossible(
            f"user {name} is a system account that was not declared as one; remove it by hand (userdel)"
        )
    for action in home_removal.steps(change, name):
        yield Step(action, cause)
    yield Step(Account(AccountOp.USERDEL, name), cause)


def _home_steps(change: Change) -> Iterator[Step]:
    assert change.part is not None
    document, before, cause = change.part.document, change.before, (Cause(change.address),)
    user, name = _user(change.part.declared), change.address.name
    home, mode, owner, group = home_of(user, name), document.get("mode"), document["owner"], document["group"]
    if before is not None and before["type"] != "directory":
        raise Impossible(_no_home(home, name, before))
    if before is None or change.observed.private.get("unfinished"):
        skeleton = "" if user.system else SKELETON
        yield Step(MakeDirectory(home, mode or HOME_MODE, owner, group, skeleton=skeleton), cause)
    else:
        yield Step(SetAccess(home, mode or before["mode"], owner, group), cause)


def _no_home(home: str, name: str, there: Document) -> str:
    if there["type"] != "link":
        return f"{home} is a {there['type']}, not a directory; move it away by hand, nothing here deletes it"
    path = normpath(
        f"{home.rpartition('/')[0]}/{there['target']}"
        if not there["target"].startswith("/")
        else there["target"]
    )
    advice = f"write `home: {path}`; for an account that is there: usermod --home {path} {name}"
    return f"{home} is a link to {path}, and nothing is made for a user through a link; {advice}"


def _directory_steps(change: Change) -> Iterator[Step]:
    assert change.part is not None
    user, name, cause = _user(change.part.declared), change.address.name, (Cause(change.address),)
    path, before = f"{home_of(user, name)}/{change.address.part.removeprefix(DIRECTORIES)}", change.before
    if before is None:
        yield Step(MakeDirectory(path, DIRECTORY_MODE, name, _group(user, name), as_user=name), cause)
    elif before["type"] != "directory":
        raise Impossible(
            f"{path} is a {before['type']}, not a directory; move it away by hand, nothing here deletes it"
        )
    else:
        yield Step(SetAccess(path, before["mode"], name, _group(user, name), as_user=name), cause)


# ---------------------------------------------------------------------------------------------- what it takes


def reason_to_keep(view: HostView, address: Address, vanishing: AbstractSet[str]) -> str:
    """Data stays."""
    if key_parts.is_ours(address, KEYS):
        return key_parts.reason_to_keep(address)
    return (
        "data kept"
        if address.part == "home" or address.part.startswith(KEPT) or address.part.startswith(DIRECTORIES)
        else ""
    )


def wants_removal(declared: Declared, address: Address) -> bool:
    """Whether a part is in a home and goes with it: it does if the home is not kept."""
    inside = (
        address.part == "home"
        or address.part.startswith((DIRECTORIES, KEPT))
        or key_parts.is_ours(address, KEYS)
    )
    return inside and home_removal.fate_of(declared) != "keep"


def paths(address: Address) -> Iterable[str]:
    """The paths that are written for a part."""
    return key_parts.paths(address.name) if key_parts.is_ours(address, KEYS) else root_files.paths(address)


def identity(address: Address) -> Iterable[str]:
    """A key, or a file that could be declared as one."""
    return key_parts.identity(address) if key_parts.is_ours(address, KEYS) else root_files.paths(address)


def references(declared: Declared) -> Iterator[Address]:
    """The account comes before its parts; its groups, its shell and the directories above its home come
    before it.
    """
    user, name = _user(declared), declared.address.name
    yield Address("users", name)
    yield from (Address("groups", group) for group in (_group(user, name), *_supplementary(user)))
    yield Address("files", shell_of(user))
    if has_home(user, name):
        yield from ownership.above(home_of(user, name))


def requires(declared: Declared) -> Iterable[Requirement]:
    """Its groups, and the directory that its home is in."""
    user, name = _user(declared), declared.address.name
    groups = (*([user.group] if user.group else []), *_supplementary(user))
    yield from (Requirement(RequirementType.GROUP, group) for group in groups)
    if has_home(user, name) and user.state is State.PRESENT:
        yield from ownership.parent_requirement(home_of(user, name))


KIND = Kind(
    name="users",
    model=User,
    name_type=UserName,
    expand=expand,
    observe=observe,
    locate=home_location.locate,
    actions=actions,
    ownership_keys=("content",),
    order=ORDER,
    whole=False,
    reason_to_keep=reason_to_keep,
    paths=paths,
    places=user_places.places,
    identity=identity,
    references=references,
    requires=requires,
    check=checks.check,
    retire=retire,
    absent=absent,
    remains=remains,
    wants_removal=wants_removal,
    grants_access=lambda address: address.part == root_files.SUDO,
)
