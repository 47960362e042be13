"""The ways by which an account of one host becomes root: its number, sudo, its groups, an empty password,
another account that it can be.

Only the effective state counts: the last rule of sudo about a program decides, a password that nobody has is
none, and an account that PAM refuses becomes nothing. `policy.root_reach.reach` asks what root reads or runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TypeVar

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError
from reconciler.formats.accounts.passwd import User
from reconciler.formats.sudo import programs as sudo_programs
from reconciler.formats.sudo.policy import Who
from reconciler.formats.sudo.programs import ALL, Overruled, Program
from reconciler.policy.access.group_powers import LIKELY_GROUPS, ROOT_GROUPS
from reconciler.policy.access.login_accounts import People
from reconciler.policy.access.sudo.root import SudoRoot
from reconciler.policy.access.sudo.settings import ways_by_settings
from reconciler.policy.access.ways import EVERYBODY, Rank, Way
from reconciler.policy.access.writers import Writers
from reconciler.policy.root_reach.arguments import Asker, Reason, by_program, people_by
from reconciler.policy.root_reach.programs import WITH_ANY, is_known, is_pattern, shell_from

_ROOT = Who("root", 0, frozenset({"root"}), frozenset({0}), "")
_SECONDS_A_DAY = 86_400
_Answer = TypeVar("_Answer")
_MASKED = ("?",)
"""The arguments of a rule in a snapshot, which does not have them."""
_UNKNOWN = ("...", "...")
"""Words that mean nothing to any program, in place of masked arguments."""


@frozen
class _Step:
    """An account that somebody can be, and how they come to be it."""

    account: str
    how: str
    rank: int
    likely: bool = False
    knows: bool = False
    """Whether the password of the account is known by then."""


class BecomingRoot:
    """All ways to root on one host, as far as they can be read. `now` is in seconds since the epoch."""

    def __init__(self, people: People, sudo: SudoRoot, writers: Writers, now: int) -> None:
        self._people = people
        self._writers = writers
        self._sudo = sudo
        self._today = now // _SECONDS_A_DAY
        self._allowed: dict[tuple[str, str], list[Program]] = {}
        self.masked: dict[tuple[str, str], None] = {}
        """Accounts and programs with which they could be root by some arguments, where a snapshot does not
        have those that sudo allows.
        """
        self.unread: dict[str, str] = {}
        """The reasons why something could not be read, by the account whose ways hang on it, or EVERYBODY."""
        self._behind: dict[str, tuple[tuple[Way, bool], ...]] = {}
        self._own: dict[str, tuple[tuple[Way, bool], ...]] = {}
        self._answers: dict[tuple[str, bool], tuple[Way, ...]] = {}

    def of(self, user: User) -> tuple[Way, ...]:
        """The ways of an account, the most dangerous first; none for root itself."""
        return self._sorted_ways(user, asking=True)

    def free(self, user: User) -> tuple[Way, ...]:
        """The ways that ask for no password: they are open to whoever can be the account by any means."""
        return self._sorted_ways(user, asking=False)

    def _sorted_ways(self, user: User, *, asking: bool) -> tuple[Way, ...]:
        if (user.name, asking) not in self._answers:
            ways = [way for way, asks in self._direct(user) if asking or not asks]
            others = self._readable(user.name, lambda: self._by_others(user, asking=asking))
            self._answers[user.name, asking] = _sorted((*ways, *others))
        return self._answers[user.name, asking]

    def _readable(self, account: str, ask: Callable[[], Iterable[_Answer]]) -> Iterator[_Answer]:
        """Yield as much of an answer as can be read; the rest is noted, and silences no other answer."""
        try:
            yield from ask()
        except HostError as problem:
            self.unread.setdefault(account, str(problem))

    def _by_others(self, user: User, *, asking: bool) -> Iterator[Way]:
        """Yield the ways through accounts that somebody can be, one after the other; only the password of the
        first can be known.
        """
        names = {user.name}
        todo = [(step, "", Rank.UID) for step, asks in self._steps(user) if asking or not asks]
        for step, before, rank in todo:
            other = self._people.users.get(step.account)
            if other is None or other.name in names:
                continue
            names.add(other.name)
            how = f"{before}{step.how}: "
            ways = (*self._inside(other), *self._with_password(other)) if step.knows else self._inside(other)
            best = next((way for way, asks in sorted(ways, key=lambda item: item[0].rank) if not asks), None)
            if best is not None or other.uid == 0:
                by, worst = (best.by, best.rank) if best is not None else ("its number is 0", Rank.UID)
                likely = step.likely or (best is not None and best.likely)
                yield Way(user.name, f"{how}{by}", rank=max(worst, rank, step.rank), likely=likely)
            todo += [
                (replace(further, likely=further.likely or step.likely), how, max(rank, step.rank))
                for further, asks in self._further(other)
                if not asks
            ]

    def _with_password(self, user: User) -> Iterator[tuple[Way, bool]]:
        """Yield the ways by sudo of somebody who has set the password of the account."""
        for program in (
            self._programs(user, _ROOT)
            if not self._sudo.why_broken(user) and not self.is_closed(user)
            else ()
        ):
            reason = self._root_by(user, program, None)
            if program.password == user.name and reason is not None:
                rank = Rank.LIKELY if reason.likely else Rank.SUDO_PROGRAM
                yield (
                    Way(
                        user.name, f"sudo: {program.path} with that password", rank=rank, likely=reason.likely
                    ),
                    False,
                )

    def latent(self, user: User) -> tuple[Way, ...]:
        """The ways that sudo allows and nobody can use, since the password that it asks for is none: as soon
        as there is one, the account is root.
        """
        if user.uid == 0 or self.is_closed(user) or self._sudo.why_broken(user):
            return ()
        ways: list[Way] = []
        for program in self._programs(user, _ROOT):
            owner = program.password
            if owner and not self._people.password_is_empty(owner) and not self._people.password_works(owner):
                reason = self._root_by(user, program, None)
                if reason is not None:
                    path = "" if program.run == ALL else program.path
                    words = (
                        f"as soon as {owner} has a password, by sudo:"
                        f" {program.path}{reason.why and f', {reason.why}'}"
                    )
                    ways.append(Way(user.name, words, path=path, likely=True))
        return _sorted(ways)[:1]

    def is_closed(self, user: User) -> bool:
        """Whether PAM lets nobody be this account: then it does nothing with what it owns."""
        return bool(self._people.why_closed(user, today=self._today))

    @cached_property
    def everybody(self) -> tuple[Way, ...]:
        """The ways that are open to every account: another one with an empty password that becomes root, and
        a path where sudo itself looks.
        """
        searched = self._readable(EVERYBODY, lambda: self._by_search.get(EVERYBODY, ()))
        return (*searched, *self._readable(EVERYBODY, self._opened))

    def _opened(self) -> Iterator[Way]:
        for user in self._people.users.values():
            if self.is_open(user):
                best = Way(user.name, "root") if user.uid == 0 else next(iter(self.free(user)), None)
                if best is not None:
                    words = f"su {user.name}, whose password is empty: {best.by}"
                    yield Way(EVERYBODY, words, rank=Rank.UID, likely=best.likely)

    def is_open(self, user: User) -> bool:
        """Whether su(1) makes anybody this account without asking for a password."""
        return self._people.password_is_empty(user.name) and not self._people.why_not(
            user, pam=True, today=self._today
        )

    def programs(self, user: User) -> list[Program]:
        """All that sudo lets an account run as root, whether or not it has the password that is asked for."""
        return self._programs(user, _ROOT)

    def overruled(self, user: User) -> list[Overruled]:
        """The rules about an account that a later rule takes back, or asks a password for."""
        policy = self._sudo.policy
        return [] if policy is None else list(sudo_programs.overruled(policy, self._sudo.who(user), _ROOT))

    def _programs(self, user: User, target: Who) -> list[Program]:
        key = user.name, target.name
        if key not in self._allowed:
            policy = self._sudo.policy
            self._allowed[key] = (
                [] if policy is None else sudo_programs.programs(policy, self._sudo.who(user), target)
            )
        return self._allowed[key]

    # ------------------------------------------------------------------------------------------------ ways

    @cached_property
    def _by_search(self) -> Mapping[str, list[Way]]:
        """The ways of those who can put something where sudo itself looks for programs, variables, plug-ins
        or rules, by account.
        """
        ways: dict[str, list[Way]] = {}
        for way in (
            ways_by_settings(self._sudo.policy, self._writers) if self._sudo.policy is not None else ()
        ):
            ways.setdefault(way.account, []).append(way)
        return ways

    def _direct(self, user: User) -> tuple[tuple[Way, bool], ...]:
        """The ways of the account itself, each with whether a password has to be known for it."""
        if user.name not in self._own:
            self._own[user.name] = tuple(
                self._readable(user.name, lambda: () if self.is_closed(user) else self._ways(user))
            )
        return self._own[user.name]

    def _inside(self, user: User) -> tuple[tuple[Way, bool], ...]:
        """The ways of somebody who is the account by sudo already, which asks PAM only about the one who
        types.

        An expired account then still has its number and its groups, and one whose password is too old what
        needs none.
        """
        if not self.is_closed(user):
            return self._direct(user)
        if user.name not in self._behind:
            self._behind[user.name] = tuple(
                self._ways(user, sudo=not self._people.why_expired(user.name, today=self._today))
            )
        return self._behind[user.name]

    def _further(self, user: User) -> Iterator[tuple[_Step, bool]]:
        """Yield the accounts that somebody who is this one by sudo already can be in turn."""
        return (
            iter(())
            if self._people.why_expired(user.name, today=self._today)
            else self._steps(user, inside=True)
        )

    def _ways(self, user: User, *, sudo: bool = True) -> Iterator[tuple[Way, bool]]:
        if user.uid == 0:
            if user.name != "root":
                yield Way(user.name, "its number is 0", rank=Rank.UID), False
            return
        if sudo:
            yield from self._readable(user.name, lambda: self._by_sudo(user, _ROOT))
            yield from self._readable(user.name, lambda: self._by_sudo_group(user))
        yield from (
            (way, False) for way in self._readable(user.name, lambda: self._by_search.get(user.name, ()))
        )
        groups = self._people.groups_of(user)
        yield from (
            (Way(user.name, words, rank=Rank.GROUP), False)
            for group, words in ROOT_GROUPS.items()
            if group in groups
        )
        likely = (words for group, words in LIKELY_GROUPS.items() if group in groups)
        yield from ((Way(user.name, words, rank=Rank.LIKELY, likely=True), False) for words in likely)

    def _by_sudo(self, user: User, target: Who) -> Iterator[tuple[Way, bool]]:
        """Yield the ways by sudo, each with whether a password has to be known for it."""
        other = self._people.users.get(target.name) if target.uid else None
        for program, password, knows in self._usable(user, target):
            reason = self._root_by(user, program, other)
            if reason is None and program.arguments == _MASKED and shell_from(program.path):
                self.masked[user.name, program.path] = None
            if reason is not None:
                rank = Rank.LIKELY if reason.likely else Rank.SUDO_PROGRAM if reason.why else Rank.SUDO_ALL
                # The words name paths and accounts among the arguments at most: the rule may stand in a file
                # whose content is a secret.
                path = "" if program.run == ALL else program.path
                words = f"sudo: {program.path} {password}{f', {reason.why}' if reason.why else ''}"
                yield Way(user.name, words, path=path, rank=rank, likely=reason.likely), knows

    def _by_sudo_group(self, user: User) -> Iterator[tuple[Way, bool]]:
        """Yield the ways by a group that sudo lends, and by a root directory that sudo changes to and the
        account can write.
        """
        policy, who = self._sudo.policy, self._sudo.who(user)
        if policy is None:
            return
        for group, program in sudo_programs.by_group(policy, who):
            group_name = "disk" if group == ALL else group
            words = ROOT_GROUPS.get(group_name) or LIKELY_GROUPS.get(group_name, "")
            reason = self._root_by(user, program, None) if words else None
            for _, password, knows in self._with_passwords([program], user) if reason is not None else ():
                by = f"sudo -g {group}: {program.path} {password}, {words}"
                likely = group_name not in ROOT_GROUPS or (reason is not None and reason.likely)
                yield Way(user.name, by, rank=Rank.LIKELY if likely else Rank.GROUP, likely=likely), knows
        for root, program in sudo_programs.below(policy, who, _ROOT):
            how = (
                "any directory may be its root"
                if root == "*"
                else self._writers.why(user.name, f"{root.rstrip('/')}/x")
            )
            for _, password, knows in self._with_passwords([program], user) if how else ():
                yield (
                    Way(
                        user.name,
                        f"sudo: {program.path} {password}, below {root}; {how}",
                        path=root,
                        rank=Rank.SUDO_PROGRAM,
                    ),
                    knows,
                )

    def _root_by(self, user: User, program: Program, target: User | None) -> Reason | None:
        """The reason why a program that sudo runs as the target, None for root, makes somebody that
        account.
        """
        if program.run == ALL:
            return Reason("")
        home = target.home if target is not None else ""
        directory = program.cwd if program.cwd.startswith("/") else ""
        asker = Asker(user.name, self._people.groups_of(user), home, self._writers, directory)
        path = program.path
        if path.startswith("/") and not is_pattern(path) and not is_known(path):
            path = self._writers.real(path)
        masked = program.arguments == _MASKED
        reason = by_program(path, _UNKNOWN if masked else program.arguments, asker, fixed=program.digest)
        if (reason is not None and not reason.likely) or not path.startswith("/"):
            return reason
        by_environment = self._sudo.shell_by(user, program)
        if by_environment or reason is None:
            return Reason(by_environment) if by_environment else None
        return None if reason.why == WITH_ANY and self._sudo.ignores_arguments(path) else reason

    def _steps(self, user: User, *, inside: bool = False) -> Iterator[tuple[_Step, bool]]:
        """Yield the accounts that sudo lets somebody be, each with whether only with a password.

        `inside`: they are the account already, and PAM is not asked again.
        """
        policy = self._sudo.policy
        if policy is None or (not inside and self.is_closed(user)):
            return
        for name in dict.fromkeys(sudo_programs.targets(policy, self._sudo.who(user))):
            other = self._people.users.get(name)
            ways = list(self._by_sudo(user, self._sudo.who(other))) if other is not None else []
            if ways:
                likely = all(way.likely for way, _ in ways)
                yield (
                    _Step(name, f"sudo as {name}", Rank.SUDO_PROGRAM, likely),
                    all(asks for way, asks in ways if likely or not way.likely),
                )
        for program, _, knows in self._usable(user, _ROOT):
            words = program.arguments if program.run != ALL and program.arguments != _MASKED else None
            for name, how, password_known in people_by((program.path, *words)) if words else ():
                yield (
                    _Step(name, f"sudo: {program.path} {how}", Rank.SUDO_PROGRAM, knows=password_known),
                    knows,
                )

    def _usable(self, user: User, target: Who) -> Iterator[tuple[Program, str, bool]]:
        """Yield the programs that sudo lets an account run with a password that can be given, or with none:
        the program, with which password, in words, and whether one has to be known.
        """
        return self._with_passwords(
            self._programs(user, target) if not self._sudo.why_broken(user) else (), user
        )

    def _with_passwords(self, programs: Iterable[Program], user: User) -> Iterator[tuple[Program, str, bool]]:
        for program in programs:
            if not program.password:
                yield program, "without a password", False
            elif self._people.password_is_empty(program.password):
                yield program, "with a password that is empty", False
            elif self._people.password_works(program.password):
                own = program.password == user.name
                yield program, "with a password" if own else f"with the password of {program.password}", True


def _sorted(ways: Iterable[Way]) -> tuple[Way, ...]:
    return tuple(sorted({way.by: way for way in ways}.values(), key=lambda way: (way.rank, way.by)))
