"""By what an account of one host becomes root: its number, sudo, its groups, an empty password, another account that it can be.

Effective state only: of all rules of sudo the last one about a program decides, a password that nobody has is none, and an account that
PAM refuses becomes nothing. What root reads or runs is asked in `policy.root_reach`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from reconciler.core.values import frozen
from reconciler.formats import sudo_programs
from reconciler.formats.accounts import User
from reconciler.formats.shell_commands import SHELLS
from reconciler.formats.sudo_policy import Who
from reconciler.formats.sudo_programs import ALL, Overruled, Program
from reconciler.policy.people import People
from reconciler.policy.root_programs import name_of, root_by, shell_from
from reconciler.policy.sudo_root import SudoRoot
from reconciler.policy.ways import EVERYBODY, Rank, Way
from reconciler.policy.writers import Writers

ROOT_GROUPS = {
    "disk": "group disk, which writes every disk",
    "docker": "group docker, which starts containers as root",
    "incus-admin": "group incus-admin, which starts containers as root",
    "kmem": "group kmem, which reads the kernel's memory",
    "libvirt": "group libvirt, which starts machines with any disk",
    "lxd": "group lxd, which starts containers as root",
    "podman": "group podman, which starts containers as root",
}
"""Groups whose members need nothing else to be root, in words."""

_ROOT = Who("root", 0, frozenset({"root"}), frozenset({0}), "")
_SECONDS_A_DAY = 86_400
_MASKED = ("?",)
"""Arguments that a snapshot does not tell."""


@frozen
class _Step:
    """An account that somebody can be, and how he comes to be it."""

    account: str
    how: str
    rank: int


class BecomingRoot:
    """All ways to root on one host. `now` is in seconds since the epoch. Raises HostError for what cannot be read."""

    def __init__(self, people: People, sudo: SudoRoot, writers: Writers, now: int) -> None:
        self._people = people
        self._writers = writers
        self._sudo = sudo
        self._today = now // _SECONDS_A_DAY
        self._allowed: dict[tuple[str, str], list[Program]] = {}
        self.masked: dict[tuple[str, str], None] = {}
        """Accounts with the programs of which a snapshot does not tell the arguments that sudo allows, and that could be root with some."""
        self._behind: dict[str, tuple[tuple[Way, bool], ...]] = {}
        self._own: dict[str, tuple[tuple[Way, bool], ...]] = {}
        self._known: dict[tuple[str, bool], tuple[Way, ...]] = {}

    def of(self, user: User) -> tuple[Way, ...]:
        """The ways of an account, the most dangerous first; none of root himself."""
        return self._found(user, asking=True)

    def free(self, user: User) -> tuple[Way, ...]:
        """Those for which nobody has to know a password: they are open to whoever can be the account in any way."""
        return self._found(user, asking=False)

    def _found(self, user: User, *, asking: bool) -> tuple[Way, ...]:
        if (user.name, asking) not in self._known:
            ways = [way for way, asks in self._direct(user) if asking or not asks]
            self._known[user.name, asking] = _sorted((*ways, *self._by_others(user, asking=asking)))
        return self._known[user.name, asking]

    def _by_others(self, user: User, *, asking: bool) -> Iterator[Way]:
        """Through accounts that somebody can be, one after the other; a password is only known of the first."""
        seen, todo = {user.name}, [(step, "", Rank.UID) for step, asks in self._steps(user) if asking or not asks]
        for step, before, rank in todo:
            other = self._people.users.get(step.account)
            if other is None or other.name in seen:
                continue
            seen.add(other.name)
            how = f"{before}{step.how}: "
            best = next((way for way, asks in sorted(self._inside(other), key=lambda item: item[0].rank) if not asks), None)
            if best is not None or other.uid == 0:
                by, worst = (best.by, best.rank) if best is not None else ("its number is 0", Rank.UID)
                likely = best is not None and best.likely
                yield Way(user.name, f"{how}{by}", rank=max(worst, rank, step.rank), likely=likely)
            todo += [(further, how, max(rank, step.rank)) for further, asks in self._further(other) if not asks]

    def is_closed(self, user: User) -> bool:
        """Whether PAM lets nobody be this account: then it does nothing with what it owns."""
        return bool(self._people.why_closed(user, today=self._today))

    @cached_property
    def everybody(self) -> tuple[Way, ...]:
        """What is open to every account: one with an empty password that becomes root, a directory where sudo looks for programs."""
        found = list(self._by_search.get(EVERYBODY, ()))
        for user in self._people.users.values():
            if self.is_open(user):
                best = Way(user.name, "root") if user.uid == 0 else next(iter(self.free(user)), None)
                if best is not None:
                    words = f"su {user.name}, whose password is empty: {best.by}"
                    found.append(Way(EVERYBODY, words, rank=Rank.UID, likely=best.likely))
        return tuple(found)

    def is_open(self, user: User) -> bool:
        """Whether su(1) makes anybody this account without asking for a password."""
        return self._people.password_is_empty(user.name) and not self._people.why_not(user, pam=True, today=self._today)

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
            self._allowed[key] = [] if policy is None else sudo_programs.programs(policy, self._sudo.who(user), target)
        return self._allowed[key]

    # ------------------------------------------------------------------------------------------------ ways

    @cached_property
    def _by_search(self) -> Mapping[str, list[Way]]:
        """Who can put a program where sudo looks for what it is to run (secure_path), by account."""
        found: dict[str, list[Way]] = {}
        for path in self._sudo.search_path:
            for writer in self._writers.of(path).values():
                way = Way(writer.account, f"sudo looks for programs in {path}; {writer.how}", writer.place, Rank.WRITES)
                found.setdefault(writer.account, []).append(way)
        return found

    def _direct(self, user: User) -> tuple[tuple[Way, bool], ...]:
        """The ways of the account itself, and whether its password has to be known for them."""
        if user.name not in self._own:
            closed = self._people.why_closed(user, today=self._today)
            self._own[user.name] = () if closed else tuple(self._ways(user))
        return self._own[user.name]

    def _inside(self, user: User) -> tuple[tuple[Way, bool], ...]:
        """The ways of who is the account by sudo already, which asks PAM about the one who types it only.

        Then an account that has expired has its number and its groups left, and one with a password that is too old what needs none.
        """
        if not self.is_closed(user):
            return self._direct(user)
        if user.name not in self._behind:
            self._behind[user.name] = tuple(self._ways(user, sudo=not self._people.why_expired(user.name, today=self._today)))
        return self._behind[user.name]

    def _further(self, user: User) -> Iterator[tuple[_Step, bool]]:
        """The accounts that who is this one by sudo already can be in turn."""
        return iter(()) if self._people.why_expired(user.name, today=self._today) else self._steps(user, inside=True)

    def _ways(self, user: User, *, sudo: bool = True) -> Iterator[tuple[Way, bool]]:
        if user.uid == 0:
            if user.name != "root":
                yield Way(user.name, "its number is 0", rank=Rank.UID), False
            return
        if sudo:
            yield from self._by_sudo(user, _ROOT)
        yield from ((way, False) for way in self._by_search.get(user.name, ()))
        groups = self._people.groups_of(user)
        yield from ((Way(user.name, words, rank=Rank.GROUP), False) for group, words in ROOT_GROUPS.items() if group in groups)

    def _by_sudo(self, user: User, target: Who) -> Iterator[tuple[Way, bool]]:
        """The ways by sudo, and whether a password has to be known for them."""
        for program, asked, knows in self._usable(user, target):
            step = self._root_by(user, program)
            if step is None and program.arguments == _MASKED and shell_from(program.path):
                self.masked[user.name, program.path] = None
            if step is not None:
                rank = Rank.SUDO_PROGRAM if step else Rank.SUDO_ALL
                # Never the arguments: the rule may stand in a file whose content is a secret.
                path = "" if program.run == ALL else program.path
                yield Way(user.name, f"sudo: {program.path} {asked}{step}", path=path, rank=rank), knows

    def _root_by(self, user: User, program: Program) -> str | None:
        step = _shell(program)
        if step is not None or not program.path.startswith("/"):
            return step
        arguments = () if program.arguments == _MASKED else program.arguments
        written = root_by(program.path, arguments, user.name, self._writers) or self._sudo.shell_by(user, program)
        return f", {written}" if written else None

    def _steps(self, user: User, *, inside: bool = False) -> Iterator[tuple[_Step, bool]]:
        """The accounts that sudo lets somebody be, and whether only with a password. `inside`: PAM is asked no more."""
        policy = self._sudo.policy
        if policy is None or (not inside and self.is_closed(user)):
            return
        for name in dict.fromkeys(sudo_programs.targets(policy, self._sudo.who(user))):
            other = self._people.users.get(name)
            asked = [asks for _, asks in self._by_sudo(user, self._sudo.who(other))] if other is not None else []
            if asked:
                yield _Step(name, f"sudo as {name}", Rank.SUDO_PROGRAM), all(asked)

    def _usable(self, user: User, target: Who) -> Iterator[tuple[Program, str, bool]]:
        """What sudo lets an account run, as far as the password that it asks for is one that can be given: in words, and whether one is."""
        for program in self._programs(user, target) if not self._sudo.why_broken(user) else ():
            if not program.password:
                yield program, "without a password", False
            elif self._people.password_is_empty(program.password):
                yield program, "with a password that is empty", False
            elif self._people.password_works(program.password):
                yield program, f"with {'a password' if program.password == user.name else f'the password of {program.password}'}", True


def _sorted(ways: Iterable[Way]) -> tuple[Way, ...]:
    return tuple(sorted({way.by: way for way in ways}.values(), key=lambda way: (way.rank, way.by)))


def _shell(program: Program) -> str | None:
    """How a program becomes a shell, to be put behind its name: nothing of what is one. None: it does not."""
    if program.run == ALL or name_of(program.path) in SHELLS:
        return "" if program.run == ALL or shell_from(program.path, program.arguments) else None
    words = "" if program.arguments == _MASKED else shell_from(program.path, program.arguments)
    return f", {words}" if words else None
