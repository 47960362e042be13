"""The state of users on a host: accounts, homes, root's files about them, and traces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from reconciler.core.actions import remnant
from reconciler.core.address import Address
from reconciler.core.changes import Document, Observed
from reconciler.core.host import FileType, HostView, Unreadable, UnsafePath
from reconciler.formats.accounts import account_files
from reconciler.formats.accounts.nsswitch import TRANSIENT
from reconciler.formats.accounts.passwd import User
from reconciler.formats.accounts.users import DISABLED, Accounts, Shadow
from reconciler.kinds.shared import ownership
from reconciler.kinds.shared.keys import observe as key_observe
from reconciler.kinds.users.constants import LINGER, LINGERING, MAIL, SYSTEM_BELOW, TRACES, day
from reconciler.kinds.users.facts import AccountFacts, HomeFacts
from reconciler.kinds.users.homes import Homes

if TYPE_CHECKING:
    from reconciler.kinds.users.traces import Traces

DIRECTORIES = "directories:"
"""The prefix of the part of a directory below a home; its path follows."""
KEYS = "ssh_keys"
SKELETON = "/etc/skel"
ELSEWHERE = "directory_service"
"""The part of an account that shall be absent, and comes from a directory service or from systemd."""
KEPT = "kept:"
"""The prefix of the part of a home that was kept when its account went; its path follows."""
_LOGGED_IN = "/run/systemd/users"
"""One file for each account that logind knows as logged in or lingering, named by its uid."""


def observe(view: HostView, addresses: Sequence[Address]) -> Mapping[Address, Observed]:
    """One read of each account file for all; one look at each home and file."""
    try:
        accounts = account_files.accounts(view, account_files.PUBLIC)
    except (Unreadable, UnsafePath) as failed:
        return {address: ownership.unreadable(failed) for address in addresses}
    leaving = frozenset(address.name for address in addresses if address.part == LINGER)
    observer = _Observer(view, accounts, leaving)
    of_keys = {address: address.name for address in addresses if key_observe.is_ours(address, KEYS)}
    observed = {address: observer.observe(address) for address in addresses if address not in of_keys}
    return {**observed, **(key_observe.observe(view, of_keys) if of_keys else {})}


class _Observer:
    """Looks at the parts of users.

    The shadow files, which an ordinary user cannot read, are read for accounts only.
    """

    def __init__(self, view: HostView, accounts: Accounts, leaving: frozenset[str]) -> None:
        self._view = view
        self._accounts = accounts
        self._shadowed: Accounts | Unreadable | UnsafePath | None = None
        self._listed: dict[str, frozenset[str]] = {}
        self._leaving = leaving
        traces = dict.fromkeys((*TRACES, MAIL), self._trace)
        self._parts = {"": self._account, "home": self._home, ELSEWHERE: self._elsewhere, **traces}

    @cached_property
    def _homes(self) -> Homes:
        return Homes(self._accounts.users)

    def observe(self, address: Address) -> Observed:
        """One part."""
        try:
            if address.part in self._parts:
                return self._parts[address.part](address)
            if address.part.startswith(KEPT):
                return self._kept(address.name, address.part.removeprefix(KEPT))
            if address.part.startswith(DIRECTORIES):
                path = f"{self._home_path(address.name)}/{address.part.removeprefix(DIRECTORIES)}"
                return self._directory(path)
            from reconciler.kinds.users import root_files  # only where an account has such files

            return root_files.observe(self._view, address)
        except (Unreadable, UnsafePath) as failed:
            return ownership.unreadable(failed)

    def _account(self, address: Address) -> Observed:
        name = address.name
        user = self._accounts.users.get(name)
        if user is None:
            return Observed(None)
        accounts = self._with_shadow()
        shadow, groups = accounts.shadows.get(name), accounts.memberships.get(name, {})
        groups = {group: complete for group, complete in groups.items() if group != accounts.group_of(user)}
        document: Document = {
            "state": _state(shadow),
            "missing": list(accounts.missing(name)),
            "uid": user.uid,
            "group": accounts.group_of(user),
            "comment": user.comment,
            "home": user.home,
            "shell": user.shell,
            "system": user.uid < SYSTEM_BELOW,
            "expires": day(shadow.expires if shadow else None),
            "lingers": name in self._names(LINGERING),
            "sessions": self._has_sessions(user.uid),
            "groups": dict(sorted(groups.items())),
            "exact_groups": sorted(
                group if complete else f"{group} (incomplete)" for group, complete in groups.items()
            ),
        }
        hidden = shadow is not None and shadow.hidden
        facts = replace(self._about_home(user), hidden=hidden, own_group=name in accounts.groups)
        return Observed(document, facts)

    def _with_shadow(self) -> Accounts:
        """The accounts with the shadow files, which are read once. Raises Unreadable, UnsafePath."""
        if self._shadowed is None:
            try:
                self._shadowed = replace(
                    self._accounts,
                    shadow=account_files.text(self._view, "shadow"),
                    gshadow=account_files.text(self._view, "gshadow"),
                )
            except (Unreadable, UnsafePath) as failed:
                self._shadowed = failed
        if not isinstance(self._shadowed, Accounts):
            raise self._shadowed
        return self._shadowed

    def _elsewhere(self, address: Address) -> Observed:
        uid = None if address.name in self._accounts.users else self._view.named(address.name)
        return Observed(None if uid is None or uid in TRANSIENT else {"uid": uid})

    def _trace(self, address: Address) -> Observed:
        return self._traces.observe(address)

    @cached_property
    def _traces(self) -> Traces:
        from reconciler.kinds.users.traces import Traces  # only where an account goes

        return Traces(self._view, self._accounts.users)

    def _names(self, directory: str) -> frozenset[str]:
        """The names in a directory of the system, listed once for all accounts; none where it may not be
        looked at.
        """
        if directory not in self._listed:
            try:
                self._listed[directory] = frozenset(self._view.names(directory))
            except (Unreadable, UnsafePath):
                self._listed[directory] = frozenset()
        return self._listed[directory]

    def _has_sessions(self, uid: int) -> bool:
        """Whether logind knows the account as logged in.

        The record stays for some seconds after the last session, as `closing`.
        """
        if str(uid) not in self._names(_LOGGED_IN):
            return False
        try:
            lines = self._view.excerpt(f"{_LOGGED_IN}/{uid}")[0].decode("utf-8", "replace").splitlines()
        except (FileNotFoundError, Unreadable, UnsafePath):
            return False
        return not any(line in ("STATE=closing", "STATE=offline") for line in lines)

    def _about_home(self, user: User) -> AccountFacts:
        """The facts about its home that must be known before the account goes."""
        path = user.home
        if not path.startswith("/"):
            return AccountFacts(not_a_home=f"{path!r} is no absolute path")
        try:
            entry, half_removed = self._view.entry(path), self._view.entry(remnant(path))
        except (Unreadable, UnsafePath) as problem:
            return AccountFacts(not_a_home=str(problem))
        mail = self._traces.mail_of(user.name) if user.name in self._leaving else ("", "")
        others = tuple(self._homes.shared_with(path, user.name))
        facts = AccountFacts(remnant=half_removed is not None, others=others, mail=mail)
        if entry is None or entry.type is not FileType.DIRECTORY:
            return replace(facts, not_a_home="" if entry is None else f"{path} is a {entry.type}")
        return replace(facts, home_owner=entry.owner, home_mode=entry.mode)

    def _home_path(self, name: str) -> str:
        user = self._accounts.users.get(name)
        return user.home if user is not None else f"/home/{name}"

    def _home(self, address: Address) -> Observed:
        return home_at(self._view, self._home_path(address.name))

    def _kept(self, name: str, path: str) -> Observed:
        """A home without an account: it is as the spec wants it as long as anything is there."""
        entry = self._view.entry(path)
        if entry is None:
            return Observed(None)
        others = tuple(self._homes.shared_with(path, name))
        return Observed(
            {"kept": True}, AccountFacts(home_owner=entry.owner, home_mode=entry.mode, others=others)
        )

    def _directory(self, path: str) -> Observed:
        return directory_at(self._view, path)


def _state(shadow: Shadow | None) -> str:
    """The state of an account; a disabled one is expired and locked."""
    if shadow is None or shadow.expires != DISABLED:
        return "present"
    return "disabled" if shadow.locked else "expired, but not locked"


def home_at(view: HostView, path: str) -> Observed:
    """The state of a home by its path. Raises Unreadable, UnsafePath."""
    observed = directory_at(view, path)
    unfinished = False
    if (
        observed.document is not None
        and observed.document["type"] == "directory"
        and observed.document["owner"] == "root"
    ):
        closed = int(observed.document["mode"], 8) & 0o077 == 0
        unfinished = closed and set(view.names(path)) <= set(view.names(SKELETON))
    return replace(observed, private=HomeFacts(unfinished), at=path)


def directory_at(view: HostView, path: str) -> Observed:
    """The state of a directory by its path. Raises Unreadable, UnsafePath."""
    entry = view.entry(path)
    return Observed(None) if entry is None else Observed(ownership.path_document(entry))
