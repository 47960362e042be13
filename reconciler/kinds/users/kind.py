"""users: a person's or a service's account with its home, environment, aliases and sudo rules, each a part of
its own.

An account is several lines in several files, and a useradd that is killed writes only some of them: what is
missing is observed and completed. Passwords are not handled: a new account has none that works. Nothing here
touches root.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import replace

from reconciler.core.address import Address
from reconciler.core.changes import Change, Document, Part, Verb
from reconciler.core.diagnostic import Source
from reconciler.core.host import HostView
from reconciler.core.kind import Kind, Requirement, RequirementType
from reconciler.core.spec import Declared
from reconciler.core.state import LedgerRow
from reconciler.formats.accounts.users import DISABLED
from reconciler.kinds.shared import ownership, requirements
from reconciler.kinds.shared.keys import observe as key_observe
from reconciler.kinds.shared.keys import parts as key_parts
from reconciler.kinds.shared.keys.model import keys_of
from reconciler.kinds.users import ORDER, checks, home_location, home_removal, root_files
from reconciler.kinds.users import paths as user_places
from reconciler.kinds.users.constants import MAIL, NEVER, SYSTEM_BELOW, TRACES, State, day
from reconciler.kinds.users.model import ExactGroups, ExactKeys, User, UserName, has_home, home_of, shell_of
from reconciler.kinds.users.observe import DIRECTORIES, ELSEWHERE, KEPT, KEYS, observe
from reconciler.kinds.users.steps import actions, group_of, supplementary, user_of, wants_removal

_NOBODY_IN = {"lingers": False, "sessions": False}
"""The fields that also hold for an account that nobody can use.

None of its processes waits for the next login, and nobody is logged in.
"""
_GONE = "no longer in the spec: disabled, data kept"


# ------------------------------------------------------------------------------------------ the desired parts


def expand(declared: Declared, running: bool) -> Iterator[Part]:
    """Yield the account, the home, its directories, the profile file and the sudo rules.

    An account that shall be absent has no parts.
    """
    user, name = user_of(declared), declared.address.name
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
        "group": group_of(user, name),
        "home": home_of(user, name),
        "system": user.system if user.uid is None else user.uid < SYSTEM_BELOW,
    }
    document |= {
        key: value for key in ("uid", "comment", "shell") if (value := getattr(user, key)) is not None
    }
    document |= _NOBODY_IN if user.state is State.DISABLED else {}
    document["expires"] = day(DISABLED) if user.state is State.DISABLED else user.expires or NEVER
    if isinstance(user.groups, ExactGroups):
        document["exact_groups"] = sorted(set(user.groups.exactly) - {group_of(user, name)})
    else:
        document["groups"] = dict.fromkeys(sorted(set(user.groups) - {group_of(user, name)}), True)
    return document


def _home_parts(declared: Declared, user: User, name: str) -> Iterator[Part]:
    home = Address("users", name, "home")
    document: Document = {"type": "directory", "owner": name, "group": group_of(user, name)}
    yield Part(home, document | ({"mode": user.home_mode} if user.home_mode else {}), declared)
    # Directories in between are made too: one in a home has no mode that anybody else depends on.
    directories = {
        "/".join(path.split("/")[:n]) for path in user.directories for n in range(1, path.count("/") + 2)
    }
    for path in sorted(directories):
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


def absent(declared: Declared, running: bool) -> Iterator[Address]:
    """The addresses of an account that shall be absent, whoever made them.

    These are the account and the traces that would wait for its name.
    """
    if user_of(declared).state is State.ABSENT:
        name = declared.address.name
        mail = (MAIL,) if home_removal.fate_of(declared) == "delete" else ()
        yield from (Address("users", name, part) for part in ("", ELSEWHERE, root_files.SUDO, *TRACES, *mail))


def remains(change: Change) -> Iterator[tuple[Address, Document]]:
    """The kept home of an account that went: a later `home: delete` has to know it."""
    if not change.address.part and change.verb is Verb.DELETE:
        name = change.address.name
        yield from (
            (Address("users", name, f"{KEPT}{path}"), document)
            for path, document in home_removal.remains(change, name)
        )


def retire(address: Address, row: LedgerRow, block: Declared | None) -> Part | None:
    """The part that stands for an account that left the spec: disabled, while its own parts go.

    A system account that was there before us is left alone. A home that was kept when its account went stays
    so until the spec says otherwise, or has the account again.
    """
    if address.part.startswith(KEPT):
        stays = block is None or (
            user_of(block).state is State.ABSENT and home_removal.fate_of(block) == "keep"
        )
        return (
            Part(address, {"kept": True}, block or _leaver(address, row, system=False), retired="kept")
            if stays
            else None
        )
    if address.part or block is not None:
        return None
    applied = row.document or row.pending or {}
    system = bool(applied.get("system"))
    left_alone = system and not row.created
    document: Document = {"system": system}
    if not left_alone:
        document |= {"state": str(State.DISABLED), "missing": [], "expires": day(DISABLED), **_NOBODY_IN}
    why = "no longer in the spec: a system account that was there before us" if left_alone else _GONE
    return Part(address, document, _leaver(address, row, system=system), retired=why)


def _leaver(address: Address, row: LedgerRow, *, system: bool) -> Declared:
    """A declaration in place of the block that the spec no longer has."""
    file, _, line = row.source.rpartition(":")
    source = Source(file or row.source, int(line) if line.isdecimal() else 1)
    return Declared(address.resource, User(state=State.DISABLED, system=system), source)


# --------------------------------------------------------------------------------------------- the relations


def reason_to_keep(view: HostView, address: Address, vanishing: AbstractSet[str]) -> str:
    """Why a part that left the spec stays: a home and its directories are data."""
    if key_observe.is_ours(address, KEYS):
        return key_parts.reason_to_keep(address)
    return (
        "data kept"
        if address.part == "home" or address.part.startswith(KEPT) or address.part.startswith(DIRECTORIES)
        else ""
    )


def paths(address: Address) -> Iterable[str]:
    """The paths that a part writes."""
    return key_parts.paths(address.name) if key_observe.is_ours(address, KEYS) else root_files.paths(address)


def identity(address: Address) -> Iterable[str]:
    """The key, or the path of a file that `files` could declare as well."""
    return key_parts.identity(address) if key_observe.is_ours(address, KEYS) else root_files.paths(address)


def references(declared: Declared) -> Iterator[Address]:
    """The account, which its parts come after; its groups, its shell, the directories above its home."""
    user, name = user_of(declared), declared.address.name
    yield Address("users", name)
    yield from (Address("groups", group) for group in (group_of(user, name), *supplementary(user)))
    yield Address("files", shell_of(user))
    if has_home(user, name):
        yield from ownership.above(home_of(user, name))


def requires(declared: Declared) -> Iterable[Requirement]:
    """The groups of the account, and the directory that its home is in."""
    user, name = user_of(declared), declared.address.name
    groups = (*([user.group] if user.group else []), *supplementary(user))
    yield from (Requirement(RequirementType.GROUP, group) for group in groups)
    if has_home(user, name) and user.state is State.PRESENT:
        yield from requirements.parent_requirement(home_of(user, name))


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
    tells_access=True,
    programs=(("useradd", "passwd"), ("usermod", "passwd")),
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
