"""What a host says about users: each line of an account, each home and file by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconciler.core.actions import remnant
from reconciler.core.address import Address
from reconciler.core.changes import Document, Observed
from reconciler.core.host import FileType, HostView, Unreadable, UnsafePath
from reconciler.formats.accounts import User
from reconciler.formats.users import DISABLED, Accounts
from reconciler.kinds import access, keys, user_files
from reconciler.kinds.home_fate import others_in
from reconciler.kinds.user_words import SYSTEM_BELOW, day

DIRECTORIES = "directories:"
"""How the part of a directory below a home begins."""
KEYS = "ssh_keys"
SKELETON = "/etc/skel"


def observe(view: HostView, addresses: Sequence[Address]) -> Mapping[Address, Observed]:
    """One read of each account file for all; one look at each home and file."""
    try:
        accounts = _accounts(view)
    except (Unreadable, UnsafePath) as failed:
        return {address: access.unreadable(failed) for address in addresses}
    observer = _Observer(view, accounts)
    of_keys = {address: address.name for address in addresses if keys.is_ours(address, KEYS)}
    found = {address: observer.observe(address) for address in addresses if address not in of_keys}
    return {**found, **(keys.observe(view, of_keys) if of_keys else {})}


def _accounts(view: HostView) -> Accounts:
    optional = {name: _text(view, name) for name in ("subuid", "subgid")}
    return Accounts(_text(view, "passwd") or "", _text(view, "group") or "", **optional, login_defs=_text(view, "login.defs") or "")


def _text(view: HostView, name: str) -> str | None:
    try:
        return view.read(f"/etc/{name}").decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return None


class _Observer:
    """Looks at the parts of users. The shadow files, which an ordinary user cannot read, are read for accounts only."""

    def __init__(self, view: HostView, accounts: Accounts) -> None:
        self._view = view
        self._accounts = accounts
        self._whole: Accounts | Unreadable | UnsafePath | None = None

    def observe(self, address: Address) -> Observed:
        """One part."""
        try:
            if not address.part:
                return self._account(address.name)
            if address.part == "home":
                return self._home(address.name)
            if address.part.startswith(DIRECTORIES):
                path = f"{self._home_path(address.name)}/{address.part.removeprefix(DIRECTORIES)}"
                return self._directory(path)
            return user_files.observe(self._view, address)
        except (Unreadable, UnsafePath) as failed:
            return access.unreadable(failed)

    def _account(self, name: str) -> Observed:
        user = self._accounts.users.get(name)
        if user is None:
            return Observed(None)
        accounts = self._with_shadow()
        shadow, groups = accounts.shadows.get(name), accounts.memberships.get(name, {})
        groups = {group: whole for group, whole in groups.items() if group != accounts.group_of(user)}
        expired = shadow is not None and shadow.expires == DISABLED
        document: Document = {
            "state": "present" if shadow is None or not expired else "disabled" if shadow.locked else "expired, but not locked",
            "missing": list(accounts.missing(name)),
            "uid": user.uid,
            "group": accounts.group_of(user),
            "comment": user.comment,
            "home": user.home,
            "shell": user.shell,
            "system": user.uid < SYSTEM_BELOW,
            "expires": day(shadow.expires if shadow else None),
            "groups": dict(sorted(groups.items())),
            "exact_groups": sorted(group if whole else f"{group} (incomplete)" for group, whole in groups.items()),
        }
        return Observed(document, {"hidden": shadow is not None and shadow.hidden, **self._about_home(user)})

    def _with_shadow(self) -> Accounts:
        if self._whole is None:
            try:
                self._whole = replace(self._accounts, shadow=_text(self._view, "shadow"), gshadow=_text(self._view, "gshadow"))
            except (Unreadable, UnsafePath) as failed:
                self._whole = failed
        if not isinstance(self._whole, Accounts):
            raise self._whole
        return self._whole

    def _about_home(self, user: User) -> dict[str, Any]:
        """What has to be known before the account goes: who owns its home, if it is a directory, and who else lives there.

        `remnant`: a home that was being removed is still there in part. `not_a_home`: why what the account names is none.
        """
        path = user.home
        if not path.startswith("/"):
            return {"home": "", "not_a_home": f"{path!r} is no absolute path"}
        try:
            entry, rest = self._view.entry(path), self._view.entry(remnant(path))
        except (Unreadable, UnsafePath) as problem:
            return {"home": "", "not_a_home": str(problem)}
        found = {"remnant": rest is not None, "others": others_in(path, user.name, self._accounts.users)}
        if entry is None or entry.type is not FileType.DIRECTORY:
            return {**found, "home": "", "not_a_home": "" if entry is None else f"{path} is a {entry.type}"}
        return {**found, "home": entry.owner, "home_mode": entry.mode}

    def _home_path(self, name: str) -> str:
        user = self._accounts.users.get(name)
        return user.home if user is not None else f"/home/{name}"

    def _home(self, name: str) -> Observed:
        path = self._home_path(name)
        found = self._directory(path)
        unfinished = False
        if found.document is not None and found.document["type"] == "directory" and found.document["owner"] == "root":
            closed = int(found.document["mode"], 8) & 0o077 == 0
            unfinished = closed and set(self._view.names(path)) <= set(self._view.names(SKELETON))
        return replace(found, private={"unfinished": unfinished})

    def _directory(self, path: str) -> Observed:
        entry = self._view.entry(path)
        return Observed(None) if entry is None else Observed(access.path_document(entry))
