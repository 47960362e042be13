"""By what an account of one host becomes root: its number, sudo, its groups, an empty password, another account that it can be.

Effective state only: of all rules of sudo the last one about a program decides, a password that nobody has is none, and an account that
PAM refuses becomes nothing. What root reads or runs is asked in `policy.root_reach`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
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
        self._known: dict[str, tuple[Way, ...]] = {}

    def of(self, user: User) -> tuple[Way, ...]:
        """The ways of an account, the most dangerous first; none of root himself."""
        if user.name not in self._known:
            self._known[user.name] = ()  # two accounts that can be each other come to an end
            found = {} if self._people.why_closed(user, today=self._today) else {way.by: way for way in self._ways(user)}
            self._known[user.name] = tuple(sorted(found.values(), key=lambda way: (way.rank, way.by)))
        return self._known[user.name]

    @cached_property
    def everybody(self) -> tuple[Way, ...]:
        """What is open to every account: one with an empty password that becomes root."""
        found = []
        for user in self._people.users.values():
            if self.is_open(user):
                best = "root" if user.uid == 0 else next((way.by for way in self.of(user)), "")
                if best:
                    found.append(Way(EVERYBODY, f"su {user.name}, whose password is empty: {best}", rank=Rank.UID))
        return tuple(found)

    def is_open(self, user: User) -> bool:
        """Whether su(1) makes anybody this account without asking for a password."""
        return self._people.password_is_empty(user.name) and not self._people.why_not(user, pam=True, today=self._today)

    def programs(self, user: User) -> list[Program]:
        """All that sudo lets an account run as root, whether or not it has the password that is asked for."""
        policy = self._sudo.policy
        return [] if policy is None else sudo_programs.programs(policy, self._sudo.who(user), _ROOT)

    def overruled(self, user: User) -> list[Overruled]:
        """The rules about an account that a later rule takes back, or asks a password for."""
        policy = self._sudo.policy
        return [] if policy is None else list(sudo_programs.overruled(policy, self._sudo.who(user), _ROOT))

    # ------------------------------------------------------------------------------------------------ ways

    def _ways(self, user: User) -> Iterator[Way]:
        if user.uid == 0:
            if user.name != "root":
                yield Way(user.name, "its number is 0", rank=Rank.UID)
            return
        yield from self._by_sudo(user)
        groups = self._people.groups_of(user)
        yield from (Way(user.name, words, rank=Rank.GROUP) for group, words in ROOT_GROUPS.items() if group in groups)
        for step in self._steps(user):
            other = self._people.users.get(step.account)
            best = next(iter(self.of(other)), None) if other is not None and other.name != user.name else None
            if best is not None:
                yield replace(best, account=user.name, by=f"{step.how}: {best.by}", rank=max(best.rank, step.rank))

    def _by_sudo(self, user: User) -> Iterator[Way]:
        for program, asked in self._usable(user, _ROOT):
            step = self._root_by(user, program)
            if step is not None:
                rank = Rank.SUDO_PROGRAM if step else Rank.SUDO_ALL
                # Never the arguments: the rule may stand in a file whose content is a secret.
                yield Way(user.name, f"sudo: {program.path} {asked}{step}", path="" if program.run == ALL else program.path, rank=rank)

    def _root_by(self, user: User, program: Program) -> str | None:
        step = _shell(program)
        if step is not None or not program.path.startswith("/"):
            return step
        arguments = () if program.arguments == _MASKED else program.arguments
        written = root_by(program.path, arguments, user.name, self._writers)
        return f", {written}" if written else None

    def _steps(self, user: User) -> Iterator[_Step]:
        """The accounts that sudo lets somebody be."""
        policy = self._sudo.policy
        if policy is None:
            return
        for name in dict.fromkeys(sudo_programs.targets(policy, self._sudo.who(user))):
            other = self._people.users.get(name)
            if other is not None and any(_shell(program) is not None for program, _ in self._usable(user, self._sudo.who(other))):
                yield _Step(name, f"sudo as {name}", Rank.SUDO_PROGRAM)

    def _usable(self, user: User, target: Who) -> Iterable[tuple[Program, str]]:
        """What sudo lets an account run, as far as the password that it asks for is one that can be given, and in words what is asked."""
        policy = self._sudo.policy
        if policy is None:
            return
        for program in sudo_programs.programs(policy, self._sudo.who(user), target):
            asked = self._asked(user, program.password)
            if asked:
                yield program, asked

    def _asked(self, user: User, asks: str) -> str:
        if not asks:
            return "without a password"
        if self._people.password_is_empty(asks):
            return "with a password that is empty"
        whose = "a password" if asks == user.name else f"the password of {asks}"
        return f"with {whose}" if self._people.password_works(asks) else ""


def _shell(program: Program) -> str | None:
    """How a program becomes a shell, to be put behind its name: nothing of what is one. None: it does not."""
    if program.run == ALL or name_of(program.path) in SHELLS:
        return "" if program.run == ALL or shell_from(program.path, program.arguments) else None
    words = "" if program.arguments == _MASKED else shell_from(program.path, program.arguments)
    return f", {words}" if words else None
