"""The accounts of a host as sshd, PAM and sudo see them: who may log in at all, and whose password can be
used.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from reconciler.core.basics.frozen import frozen
from reconciler.formats.accounts.passwd import Group, User, parse_groups, parse_users
from reconciler.policy.symlinks import Followed

_NO_SHELLS = frozenset(
    ("nologin", "false", "true", "sync", "halt", "shutdown", "reboot", "git-shell", "rssh")
)
"""Names of shells in which nobody can work."""
_DEFAULT_SHELL = "/bin/sh"
_NOLOGIN = ("/etc/nologin", "/run/nologin")
"""Files that have pam_nologin(8) and sshd let in nobody but root."""
_WIDTH = 9
_ELSEWHERE = "x"
"""The mark in /etc/passwd for a hash that stands in /etc/shadow."""


@frozen
class Shadow:
    """A line of /etc/shadow (shadow(5)); None for a number that it leaves out."""

    locked: bool
    """The hash begins with `!`: sshd without PAM takes the account for locked."""
    usable: bool
    """Somebody can give the password."""
    empty: bool
    """There is no password at all: anybody is let in."""
    changed: int | None
    """The day of the last change of the password, counted since 1970."""
    most: int | None
    """Days after which the password must be changed."""
    expires: int | None
    """The day on which the account expires, counted since 1970."""


class People:
    """The accounts of one host. Raises HostError when the files cannot be read."""

    def __init__(self, files: Followed) -> None:
        self._files = files
        self._members: Mapping[str, tuple[str, ...]] | None = None

    @cached_property
    def users(self) -> Mapping[str, User]:
        """The accounts by name; the first line of a name counts."""
        return {user.name: user for user in reversed(parse_users(self._files.text("/etc/passwd") or ""))}

    @cached_property
    def _groups(self) -> tuple[Group, ...]:
        return parse_groups(self._files.text("/etc/group") or "")

    @cached_property
    def _shadows(self) -> Mapping[str, Shadow]:
        lines = (self._files.text("/etc/shadow") or "").split("\n")
        return {line.split(":", 1)[0]: _shadow(line) for line in reversed(lines) if ":" in line}

    @cached_property
    def _listed_shells(self) -> frozenset[str] | None:
        """The shells that pam_shells(8) accepts, if sshd asks it."""
        if not any(
            _asks(self._files.text(f"/etc/pam.d/{name}"), "pam_shells.so")
            for name in ("sshd", "common-account", "common-auth")
        ):
            return None
        return frozenset(line.strip() for line in (self._files.text("/etc/shells") or "").split("\n"))

    def uid(self, owner: str) -> int | None:
        """The number of an owner as an Entry has it."""
        if owner in self.users:
            return self.users[owner].uid
        return 0 if owner == "root" else int(owner) if owner.isascii() and owner.isdecimal() else None

    @cached_property
    def _groups_by_gid(self) -> Mapping[int, tuple[Group, ...]]:
        groups: dict[int, tuple[Group, ...]] = {}
        for group in self._groups:
            groups[group.gid] = (*groups.get(group.gid, ()), group)
        return groups

    @cached_property
    def _groups_by_member(self) -> Mapping[str, list[Group]]:
        """The groups that list an account, by its name: thousands may be asked about, and the file is read
        once.
        """
        groups: dict[str, list[Group]] = {}
        for group in self._groups:
            for name in group.members:
                groups.setdefault(name, []).append(group)
        return groups

    def _memberships(self, user: User) -> list[Group]:
        return self._groups_by_member.get(user.name, [])

    def groups_of(self, user: User) -> frozenset[str]:
        """All groups by name."""
        return frozenset(
            group.name for group in (*self._groups_by_gid.get(user.gid, ()), *self._memberships(user))
        )

    def gids_of(self, user: User) -> frozenset[int]:
        """All groups by number."""
        return frozenset((user.gid, *(group.gid for group in self._memberships(user))))

    def name(self, uid: int) -> str:
        """The name of an account by its number; the number where there is none."""
        return next((user.name for user in self.users.values() if user.uid == uid), str(uid))

    def members_of(self, group: str) -> tuple[str, ...]:
        """The members of a group, which an Entry has by name or number: those whose primary group it is among
        them; sorted, without uid 0.
        """
        if self._members is None:
            self._members = self._all_members()
        return self._members.get(group, ())

    def _all_members(self) -> Mapping[str, tuple[str, ...]]:
        primary: dict[int, list[str]] = {}
        for user in self.users.values():
            primary.setdefault(user.gid, []).append(user.name)
        ordinary = {name for name, user in self.users.items() if user.uid}
        named = {}
        for group in reversed(self._groups):
            named[group.name] = named[str(group.gid)] = tuple(
                sorted(ordinary.intersection((*primary.get(group.gid, ()), *group.members)))
            )
        return named

    def is_private(self, group: str, user: User) -> bool:
        """Whether a group has this one user and nobody else, as Debian's sshd counts."""
        line = next((line for line in self._groups if line.name == group), None)
        if line is None:
            return False
        primary = [other.uid for other in self.users.values() if other.gid == line.gid]
        if any(uid != user.uid for uid in primary) or any(name != user.name for name in line.members):
            return False
        return bool(primary or line.members)

    def password_works(self, name: str) -> bool:
        """Whether the account has a password that somebody can give: not a locked one."""
        shadow = self._shadows.get(name)
        return shadow is not None and shadow.usable

    def password_is_empty(self, name: str) -> bool:
        """Whether nobody has to know anything to be this account: su(1) asks for no password then."""
        stands, shadow = self._passwords.get(name), self._shadows.get(name)
        return stands == "" or (stands == _ELSEWHERE and shadow is not None and shadow.empty)

    @cached_property
    def _passwords(self) -> Mapping[str, str]:
        """The text that stands in /etc/passwd in place of a password, by account."""
        rows = (
            line.split(":", 2)
            for line in (self._files.text("/etc/passwd") or "").split("\n")
            if line.count(":") > 1
        )
        return {row[0]: row[1] for row in reversed(list(rows))}

    def why_closed(self, user: User, *, today: int) -> str:
        """Why PAM lets nobody use the account, root included, by su and sudo; empty if it does.

        `today` counts days since 1970.
        """
        return self._expired(user, pam=True, today=today)

    def ages_out(self, name: str) -> int | None:
        """The day, counted since 1970, after which PAM asks for another password before anything else; None:
        never.
        """
        shadow = self._shadows.get(name)
        if shadow is None or shadow.changed is None or shadow.most is None:
            return None
        return shadow.changed + shadow.most

    def expires(self, name: str) -> int | None:
        """The first day, counted since 1970, on which PAM takes the account for expired; None: never."""
        shadow = self._shadows.get(name)
        return None if shadow is None else shadow.expires

    def why_not(self, user: User, *, pam: bool, today: int) -> str:
        """Why nobody can log in to this account by any way; empty if somebody can.

        `today` counts days since 1970.
        """
        return (
            self._closed(user)
            or self.why_no_shell(user, pam=pam)
            or self._expired(user, pam=pam, today=today)
        )

    def _closed(self, user: User) -> str:
        closed = next((path for path in _NOLOGIN if user.uid and self._files.entry(path) is not None), "")
        return f"{closed} is there: only root may log in" if closed else ""

    def has_shell(self, user: User) -> bool:
        """Whether the name of the account's shell is one in which somebody can work."""
        return (user.shell or _DEFAULT_SHELL).rpartition("/")[2] not in _NO_SHELLS

    def why_no_shell(self, user: User, *, pam: bool) -> str:
        """Why nobody can work in the account's shell; empty if somebody can."""
        shell = user.shell or _DEFAULT_SHELL
        if not self.has_shell(user):
            return f"the shell is {shell}"
        entry = self._files.entry(shell) if shell.startswith("/") else None
        if entry is None or entry.type != "file" or not int(entry.mode, 8) & 0o111:
            return f"the shell {shell} is not there, or cannot be run"
        if pam and self._listed_shells is not None and shell not in self._listed_shells:
            return f"the shell {shell} is not in /etc/shells, and PAM asks for that"
        return ""

    def _expired(self, user: User, *, pam: bool, today: int) -> str:
        shadow = self._shadows.get(user.name)
        if shadow is None:
            return (
                "the account has no line in /etc/shadow"
                if self._files.entry("/etc/shadow") is not None
                else ""
            )
        if pam and (expired := self.why_expired(user.name, today=today)):
            return expired
        if not pam and shadow.expires is not None and today > shadow.expires:
            return f"the account expired on {as_date(shadow.expires)}"
        if not pam:
            return (
                "the password is locked, which sshd without PAM takes for a locked account"
                if shadow.locked
                else ""
            )
        return self.why_aged(user.name, today=today)

    def why_expired(self, name: str, *, today: int) -> str:
        """Why PAM lets nobody use the account, whatever it is asked for; empty if it does.

        `today` counts days since 1970.
        """
        day = self.expires(name)
        return f"the account expired on {as_date(day)}" if day is not None and today >= day else ""

    def why_aged(self, name: str, *, today: int) -> str:
        """Why a password has to be changed before anything else; empty if it has not.

        `today` counts days since 1970.
        """
        shadow = self._shadows.get(name)
        if shadow is not None and shadow.changed == 0:
            return "the password must be changed at the next login"
        last_day = self.ages_out(name)
        if last_day is not None and last_day < today:
            return "the password is too old and must be changed at the next login"
        return ""


def _shadow(line: str) -> Shadow:
    row = [*line.split(":"), *[""] * _WIDTH]
    password = row[1]
    return Shadow(
        password.startswith("!"),
        not password.startswith(("!", "*")) and password != _ELSEWHERE,
        not password,
        _number(row[2]),
        _number(row[4]),
        _number(row[7]),
    )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() else None


def as_date(days: int) -> str:
    """A day, counted since 1970, as people write it."""
    from datetime import UTC, datetime, timedelta

    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=min(days, 1_000_000))).strftime("%Y-%m-%d")


def _asks(text: str | None, module: str) -> bool:
    return any(module in line and not line.lstrip().startswith("#") for line in (text or "").split("\n"))
