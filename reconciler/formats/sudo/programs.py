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
    """One program that somebody may run. `run` is path and arguments as the rule has them, or ALL.

    `password` is the account whose password is asked for; empty: none is. `file` is that of the rule that
    names it first.
    """

    run: str
    password: str
    file: str
    sets: bool | None = None
    """The rule's setting for variables (SETENV)."""
    cwd: str = ""
    digest: bool = False
    """As of a Command."""

    @property
    def path(self) -> str:
        """The program."""
        return self.run.partition(" ")[0]

    @property
    def text(self) -> str:
        """Path and arguments without the backslashes of sudoers."""
        return re.sub(r"\\(.)", r"\1", self.run)

    @property
    def arguments(self) -> tuple[str, ...] | None:
        """The arguments that are allowed, none of them where any are; () where none may be given."""
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

    `path` is the file of the first rule, `by` that of the later one.
    """

    run: str
    path: str
    by: str
    denied: bool


def programs(policy: Policy, who: Who, target: Who) -> list[Program]:
    """All that somebody may run as the target, each once, in the order of the rules."""
    items = list(_items(policy, who, target))
    found: dict[str, Program] = {}
    for at, item in enumerate(items):
        last = _last(items, at)
        if not item.negated and not last.negated:
            found.setdefault(
                item.run,
                _program(policy, who, item.run, last.command, item.rule),
            )
    return list(found.values())


def _program(policy: Policy, who: Who, run: str, command: Command, rule: Rule) -> Program:
    return Program(
        run, answers.password(policy, who, command), rule.path, command.sets, command.cwd, command.digest
    )


def by_group(policy: Policy, who: Who) -> Iterator[tuple[str, Program]]:
    """All that somebody may run with a further group as somebody who is not root, by
    group; ALL is any group.
    """
    for rule, command in answers.commands_of(policy, who):
        if command.chroot or not command.groups or answers.is_as_root(policy, command):
            continue
        for run, negated in _plain(policy, command.run, command.negated, 0):
            for group in command.groups if not negated else ():
                for name in answers.alias(policy, "runas", group) or (group,):
                    yield name, _program(policy, who, run, command, rule)


def below(policy: Policy, who: Who, target: Who) -> Iterator[tuple[str, Program]]:
    """All that somebody may run as the target below another root (CHROOT), by that directory."""
    for rule, command in answers.commands_of(policy, who):
        if command.chroot and not command.negated and answers.runs_as(policy, command, target):
            yield command.chroot, _program(policy, who, command.run, command, rule)


def overruled(policy: Policy, who: Who, target: Who) -> Iterator[Overruled]:
    """Yield the programs that a later rule makes worse for the one who asks: denied,
    or only with a password.
    """
    items = list(_items(policy, who, target))
    for at, item in enumerate(items[:-1]):
        last = _last(items, at)
        if last is item or item.negated:
            continue
        asked, now = (bool(answers.password(policy, who, one.command)) for one in (item, last))
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
    """The last item that is about the program of the one at `at`."""
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
    """Whether an item of a rule is about all that another one allows."""
    if item in (ALL, run):
        return True
    if run == ALL:
        return False
    (path, _, said), (own_path, _, own) = item.partition(" "), run.partition(" ")
    if not (
        path == own_path
        or (path.endswith("/") and own_path.rpartition("/")[0] + "/" == path)
        or answers.glob(path, own_path)
    ):
        return False
    if said.strip() in ("", "*"):
        return True
    return bool(own.strip()) and fnmatchcase(own.strip().removesuffix(_NO_ARGUMENTS), said.strip())
