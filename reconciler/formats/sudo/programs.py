"""The programs that sudo lets somebody run as another account, program by program.

The last of all rules about a program decides (sudoers(5)). Sources: sudoers(5), "the last match is used", and
match.c of sudo 1.9.13; the tests compare with `sudo -n` on a booted host.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from reconciler.core.basics.frozen import frozen
from reconciler.formats.sudo import answers
from reconciler.formats.sudo.policy import Command, Policy, Rule, Who

ALL = "ALL"
"""The program of a rule that allows anything."""
_NO_ARGUMENTS = '""'
_MOST_ALIASES = 16


@frozen
class Program:
    """One program that somebody may run."""

    run: str
    """Path and arguments as the rule has them, or ALL."""
    password: str
    """The account whose password is asked for; empty: none is."""
    file: str
    """The file of the rule that names it first."""
    sets: bool | None = None
    """As in Command, and so are `cwd` and `digest`."""
    cwd: str = ""
    digest: bool = False

    @property
    def path(self) -> str:
        """The path of the program."""
        return self.run.partition(" ")[0]

    @property
    def text(self) -> str:
        """Path and arguments without the backslashes of sudoers."""
        return re.sub(r"\\(.)", r"\1", self.run)

    @property
    def arguments(self) -> tuple[str, ...] | None:
        """The arguments that are allowed; None where any are, () where none may be given."""
        rest = self.run.partition(" ")[2].strip()
        return (
            None
            if not rest
            else (
                () if rest == _NO_ARGUMENTS else tuple(re.sub(r"\\(.)", r"\1", word) for word in rest.split())
            )
        )


@frozen
class _Item:
    run: str
    negated: bool
    command: Command
    rule: Rule


@frozen
class Overruled:
    """A program that one rule allows and that a later one denies, or asks a password for where the first did
    not.
    """

    run: str
    path: str
    """The file of the first rule."""
    by: str
    """The file of the later rule."""
    denied: bool
    """Whether the later rule denies it."""


def programs(policy: Policy, who: Who, target: Who) -> list[Program]:
    """The programs that somebody may run as the target, each once, in the order of the rules."""
    items = list(_items(policy, who, target))
    programs_by_run: dict[str, Program] = {}
    for at, item in enumerate(items):
        last = _last(items, at)
        if not item.negated and not last.negated:
            programs_by_run.setdefault(
                item.run,
                _program(policy, who, item.run, last.command, item.rule),
            )
    return list(programs_by_run.values())


def _program(policy: Policy, who: Who, run: str, command: Command, rule: Rule) -> Program:
    return Program(
        run, answers.password(policy, who, command), rule.path, command.sets, command.cwd, command.digest
    )


def by_group(policy: Policy, who: Who) -> Iterator[tuple[str, Program]]:
    """The programs that somebody may run with a further group and not as root, each after its group; ALL
    is any group.
    """
    for rule, command in answers.commands_of(policy, who):
        if command.chroot or not command.groups or answers.is_as_root(policy, command):
            continue
        for run, negated in _plain(policy, command.run, command.negated, 0):
            for group in command.groups if not negated else ():
                for name in answers.alias(policy, "runas", group) or (group,):
                    yield name, _program(policy, who, run, command, rule)


def below(policy: Policy, who: Who, target: Who) -> Iterator[tuple[str, Program]]:
    """The programs that somebody may run as the target below another root (CHROOT), each after that
    directory.
    """
    for rule, command in answers.commands_of(policy, who):
        if command.chroot and not command.negated and answers.runs_as(policy, command, target):
            yield command.chroot, _program(policy, who, command.run, command, rule)


def overruled(policy: Policy, who: Who, target: Who) -> Iterator[Overruled]:
    """The programs that a later rule denies to the caller, or allows only with a password."""
    items = list(_items(policy, who, target))
    for at, item in enumerate(items[:-1]):
        last = _last(items, at)
        if last is item or item.negated:
            continue
        asked, now = (bool(answers.password(policy, who, entry.command)) for entry in (item, last))
        if last.negated or (now and not asked):
            yield Overruled(re.sub(r"\\(.)", r"\1", item.run), item.rule.path, last.rule.path, last.negated)


def targets(policy: Policy, who: Who) -> Iterator[str]:
    """The names of accounts other than root that rules about somebody name."""
    for _, command in answers.commands_of(policy, who):
        for item in command.runas:
            yield from _names(policy, item, 0)


def _names(policy: Policy, item: str, depth: int) -> Iterator[str]:
    members = answers.alias(policy, "runas", item)
    if members is not None and depth < _MOST_ALIASES:
        for member in members:
            yield from _names(policy, member, depth + 1)
    elif item not in (ALL, "root", "#0") and not item.startswith(("!", "%", "#", "+")):
        yield item


def _last(items: Sequence[_Item], at: int) -> _Item:
    """The last item that is about the program of the item at `at`."""
    return next(item for item in reversed(items[at:]) if _covers(item.run, items[at].run))


def _items(policy: Policy, who: Who, target: Who) -> Iterator[_Item]:
    """Every program that a rule about somebody and the target names, in order, without aliases."""
    for rule, command in answers.commands_of(policy, who):
        if not command.chroot and answers.runs_as(policy, command, target):
            for run, negated in _plain(policy, command.run, command.negated, 0):
                yield _Item(run, negated, command, rule)


def _plain(policy: Policy, run: str, negated: bool, depth: int) -> Iterator[tuple[str, bool]]:
    members = answers.alias(policy, "command", run)
    if members is None or depth >= _MOST_ALIASES:
        yield run, negated
        return
    for member in members:
        plain = member.lstrip("! \t")
        turned = member[: len(member) - len(plain)].count("!") % 2 == 1
        yield from _plain(policy, plain, negated != turned, depth + 1)


def _covers(item: str, run: str) -> bool:
    """Whether an item of a rule is about everything that another one, `run`, allows."""
    if item in (ALL, run):
        return True
    if run == ALL:
        return False
    (path, _, arguments), (own_path, _, own_arguments) = item.partition(" "), run.partition(" ")
    if not (
        path == own_path
        or (path.endswith("/") and own_path.rpartition("/")[0] + "/" == path)
        or answers.glob(path, own_path)
    ):
        return False
    if arguments.strip() in ("", "*"):
        return True
    return bool(own_arguments.strip()) and fnmatchcase(
        own_arguments.strip().removesuffix(_NO_ARGUMENTS), arguments.strip()
    )
