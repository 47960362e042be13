"""Who can log in to a host and who becomes root on it, by what: the answer for one host, asked before a plan and of what it leaves behind.

Pure: reads a view. An account is asked when somebody wants to know, and once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from reconciler.core.values import frozen
from reconciler.policy.becoming_root import BecomingRoot
from reconciler.policy.lockout import Doors
from reconciler.policy.ssh_login import Verdict
from reconciler.policy.ssh_ways import SshWays
from reconciler.policy.ways import EVERYBODY, Way
from reconciler.policy.writers import Writers


@frozen
class AccountAccess:
    """What one account can do. `login` says by what it logs in, or why it does not; `root` are its ways to root, the worst first."""

    account: str
    login: Verdict
    root: tuple[Way, ...] = ()


_NOBODY = Verdict("there is no such account")


class HostAccess:
    """The answer for one host. `further` are ways that other rules have found. Raises HostError for what cannot be read."""

    def __init__(self, doors: Doors, now: int, further: Iterable[Way] = ()) -> None:
        self.people = doors.people
        self.ssh = SshWays(doors.ssh, doors.people)
        self.sudo = doors.sudo
        self.becoming = BecomingRoot(doors.people, doors.sudo, Writers(doors.files, doors.people), now)
        self.has_sshd = doors.ssh.config is not None
        self.doors = doors
        self._further: dict[str, list[Way]] = {}
        for way in further:
            self._further.setdefault(way.account, []).append(way)
        self._known: dict[str, AccountAccess] = {}

    def add(self, ways: Iterable[Way]) -> None:
        """Ways that other rules have found, before anybody has asked."""
        for way in ways:
            known = self._further.setdefault(way.account, [])
            if all(way.by != other.by for other in known):
                known.append(way)
        self._known.clear()

    def becomes_root(self, name: str) -> bool:
        """Whether an account of the host becomes root by itself, whatever root reads or runs."""
        user = self.people.users.get(name)
        return user is not None and (user.uid == 0 or any(not way.likely for way in self.becoming.of(user)))

    def names(self) -> Collection[str]:
        """All accounts of the host, and EVERYBODY first where anything is open to all."""
        everybody = [EVERYBODY] if self.of(EVERYBODY).root else []
        return [*everybody, *self.people.users]

    def of(self, name: str) -> AccountAccess:
        """What an account can do; nothing, if there is none of that name."""
        if name not in self._known:
            self._known[name] = self._of(name)
        return self._known[name]

    def _of(self, name: str) -> AccountAccess:
        further = self._further.get(name, [])
        if name == EVERYBODY:
            return AccountAccess(EVERYBODY, Verdict("no account of its own"), _by_danger((*self.becoming.everybody, *further)))
        user = self.people.users.get(name)
        if user is None:
            return AccountAccess(name, _NOBODY, _by_danger(further))
        reach = () if self.becoming.is_closed(user) else further
        return AccountAccess(name, self._login(name), _by_danger((*self.becoming.of(user), *reach)))

    def _login(self, name: str) -> Verdict:
        """By a key, or else by a password; why not is said of the key."""
        user = self.people.users[name]
        by_key = self.doors.ssh.verdict(user)
        if by_key.can:
            return by_key
        by_password = self.ssh.by_password(user)
        return by_password if by_password.can else by_key


def _by_danger(ways: Iterable[Way]) -> tuple[Way, ...]:
    return tuple(sorted(dict.fromkeys(ways), key=lambda way: (way.rank, way.by)))
