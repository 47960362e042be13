"""Who can log in to a host and who becomes root on it, by what: the answer for one host, as it is or as a
plan leaves it.

Pure: reads a view. An account is looked at when somebody asks for it, and once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError
from reconciler.formats.accounts.passwd import User
from reconciler.policy.access.becoming_root import BecomingRoot
from reconciler.policy.access.ssh.login import Verdict
from reconciler.policy.access.ssh.login_ways import SshWays
from reconciler.policy.access.ways import EVERYBODY, Hand, Way
from reconciler.policy.access.writers import Writers
from reconciler.policy.lockout.guard import Doors


@frozen
class AccountAccess:
    """The access of one account.

    `login` says by what it logs in, or why it does not; `root` are its ways to root, the worst first.
    `login_unread` and `root_unread` say what could not be read of it, or are empty: then `root` has the ways
    that are known all the same.
    """

    account: str
    login: Verdict
    root: tuple[Way, ...] = ()
    login_unread: str = ""
    root_unread: str = ""


_NOBODY = Verdict("there is no such account")
_UNREAD = Verdict("it is not known")
_Answer = TypeVar("_Answer")


class HostAccess:
    """The answer for one host.

    `further` are ways that other rules have found. The answer about an account says what could not be read.
    Raises HostError only where there is no answer about anybody (/etc/passwd).
    """

    def __init__(self, doors: Doors, now: int, further: Iterable[Way] = ()) -> None:
        self.people = doors.people
        self.now = now
        self.ssh = SshWays(doors.ssh, doors.people)
        self.sudo = doors.sudo
        self.becoming = BecomingRoot(doors.people, doors.sudo, Writers(doors.files, doors.people), now)
        self.has_sshd = doors.ssh.config is not None
        self.doors = doors
        self._further: dict[str, list[Way]] = {}
        for way in further:
            self._further.setdefault(way.account, []).append(way)
        self._answers: dict[str, AccountAccess] = {}
        self.hands: dict[str, Hand] = {}
        """Who has a hand in what another account than root runs or reads, by the words for it."""

    def add(self, ways: Iterable[Way]) -> None:
        """Add ways that other rules have found; answers that were given already are forgotten."""
        for way in ways:
            account_ways = self._further.setdefault(way.account, [])
            if all(way.by != other.by for other in account_ways):
                account_ways.append(way)
        self._answers.clear()

    def becomes_root(self, name: str) -> bool:
        """Whether an account of the host becomes root by itself, whatever root reads or runs."""
        user = self.people.users.get(name)
        return user is not None and (user.uid == 0 or any(not way.likely for way in self.becoming.of(user)))

    def names(self) -> Collection[str]:
        """All accounts of the host, and EVERYBODY first where anything is open to all."""
        everybody = [EVERYBODY] if self.of(EVERYBODY).root else []
        return [*everybody, *self.people.users]

    def of(self, name: str) -> AccountAccess:
        """The access of an account; a refusal to log in where there is no account of that name."""
        if name not in self._answers:
            self._answers[name] = self._of(name)
        return self._answers[name]

    def _of(self, name: str) -> AccountAccess:
        further = self._further.get(name, [])
        if name == EVERYBODY:
            ways = _by_danger((*self.becoming.everybody, *further))
            return AccountAccess(
                EVERYBODY,
                Verdict("no account of its own"),
                ways,
                root_unread=self.becoming.unread.get(EVERYBODY, ""),
            )
        user = self.people.users.get(name)
        if user is None:
            return AccountAccess(name, _NOBODY, _by_danger(further))
        closed, _ = _answer(lambda: self.becoming.is_closed(user), otherwise=False)
        login, unread = _answer(lambda: self._login(name), otherwise=_UNREAD)
        ways = _by_danger((*self.becoming.of(user), *(() if closed else further)))
        return AccountAccess(name, login, ways, unread, self.becoming.unread.get(name, ""))

    def keys(self, user: User) -> dict[str, str]:
        """Every key that sshd takes for the account, with its file; none where that cannot be read, as `of`
        says.
        """
        return _answer(lambda: self.ssh.keys(user), otherwise=dict[str, str]())[0]

    def why_no_key(self, user: User, fingerprint: str) -> str:
        """Why sshd does not take this key for the account; empty if it does, and where that cannot be read,
        as `of` says.
        """
        return _answer(lambda: self.ssh.why_not(user, fingerprint), otherwise="")[0]

    def words(self, user: User) -> list[str]:
        """Every way into the account, in words; none where that cannot be read, as `of` says."""
        return _answer(lambda: self.ssh.words(user), otherwise=list[str]())[0]

    def _login(self, name: str) -> Verdict:
        """Whether it logs in by a key, or else by a password; the reason against it is that of the key."""
        user = self.people.users[name]
        by_key = self.doors.ssh.verdict(user)
        if by_key.can:
            return by_key
        by_password = self.ssh.by_password(user)
        return by_password if by_password.can else by_key


def _answer(ask: Callable[[], _Answer], *, otherwise: _Answer) -> tuple[_Answer, str]:
    """An answer, or `otherwise` with what could not be read."""
    try:
        return ask(), ""
    except HostError as problem:
        return otherwise, str(problem)


def _by_danger(ways: Iterable[Way]) -> tuple[Way, ...]:
    return tuple(sorted(dict.fromkeys(ways), key=lambda way: (way.rank, way.by)))
