"""Sudo: who becomes whom by it, and whether the commands that it allows can be replaced."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.audit.facts import Facts
from reconciler.audit.mends import directory, file
from reconciler.audit.model import Fail, Finding, NotApplicable, NotKnown, Severity, Snippet
from reconciler.audit.registry import check
from reconciler.core.host import HostError
from reconciler.core.secrets.masking import masked
from reconciler.formats.audit.people.sudo import Setting, parse_defaults, parse_version, parse_visudo
from reconciler.formats.sudo import answers
from reconciler.formats.sudo.policy import Command, Policy, Rule
from reconciler.policy.access.ways import Rank

_SUDOERS, _DIRECTORY = "/etc/sudoers", "/etc/sudoers.d"
_EXPECTED = ("root", "%sudo", "%wheel", "%admin")
_WRITABLE = 0o022
_TERMINAL_SINCE = (1, 9, 14)
_WILDCARDS = "*?["
_SPECIAL = frozenset("*?[]\\\"',:=")


@check(
    "sudo-syntax",
    severity=Severity.HIGH,
    title="Sudo understands all of its files",
    rationale="Sudo passes over what it does not understand: a rule that you see may not hold.",
    remediation="visudo --check tells the line; edit it with visudo --file=FILE.",
    needs=("sudo", "visudo"),
)
def files_are_understood(facts: Facts) -> Iterator[Fail]:
    """Every file of which visudo says that something is wrong."""
    paths: set[str] = set()
    for problem in facts.parsed("visudo", parse_visudo):
        if problem.path not in paths:
            paths.add(problem.path)
            where = f"line {problem.line}: " if problem.line else ""
            yield Fail(problem.path, "parsed OK", f"{where}{problem.words}", problem.path)


@check(
    "sudo-files",
    severity=Severity.CRITICAL,
    title="Only root writes the rules of sudo",
    rationale="Whoever writes a rule is root; sudo passes over such a file, until somebody mends its mode.",
    remediation="chown root:root FILE; chmod 0440 FILE (0750 for the directory).",
)
def rules_are_roots(facts: Facts) -> Iterator[Finding]:
    """The main file, the directory, and each file in it."""
    for path in (_SUDOERS, _DIRECTORY, *(f"{_DIRECTORY}/{name}" for name in _names(facts))):
        try:
            entry = facts.entry(path)
        except HostError as problem:
            yield NotKnown(path, problem.detail or problem.summary)
            continue
        if entry is not None and entry.type != "link":
            mode = int(entry.mode, 8)
            if mode & _WRITABLE or entry.owner != "root":
                mend = directory(path, entry, mode & ~_WRITABLE)
                actual = f"{entry.mode} {entry.owner}"
                yield Fail(path, "root's, written by nobody else", actual, path, spec=mend)


@check(
    "sudo-ignored",
    severity=Severity.MEDIUM,
    title="Sudo reads every file in /etc/sudoers.d",
    rationale="A name with a dot or a `~` at its end is passed over: the rules in it look as if they held.",
    remediation="Rename the file, or remove it.",
)
def files_are_read(facts: Facts) -> Iterator[Fail]:
    """Every file whose name sudo passes over; packages leave some behind, and theirs count too."""
    for name in _names(facts):
        if "." in name or name.endswith("~"):
            path = f"{_DIRECTORY}/{name}"
            yield Fail(path, "a name without a dot", "sudo passes over it", path)


@check(
    "sudo-nopasswd",
    severity=Severity.MEDIUM,
    title="Sudo asks for a password unless the spec says otherwise",
    rationale="Whoever takes over the session or the key of such an account is root at once.",
    remediation="Take NOPASSWD out of the rule; in the spec leave `password: false` out of `sudo:`.",
    cis=("5.2.4",),
)
def sudo_asks_for_a_password(facts: Facts) -> Iterator[Fail]:
    """Every user or group of a rule with NOPASSWD that the spec does not declare."""
    for who, rule, command in _granted(facts):
        if command.asks is False and not _is_declared(facts, who, rule):
            values = ("a password is asked for", f"NOPASSWD: {_run(command)}")
            yield _rule(who, values, rule, _asking(facts, who))


@check(
    "sudo-all",
    severity=Severity.HIGH,
    title="Only root and the group sudo may run everything",
    rationale="Each further rule with ALL makes one more account root, beside those that everybody knows.",
    remediation="Name the commands in the rule, or declare the user's `sudo:` in the spec.",
)
def all_is_for_administrators(facts: Facts) -> Iterator[Fail]:
    """Every other user or group that may run anything as root."""
    policy = _policy(facts)
    for who, rule, command in _granted(facts):
        anything = command.run == "ALL" and answers.is_as_root(policy, command)
        if anything and who not in _EXPECTED and not _is_declared(facts, who, rule):
            yield _rule(who, ("certain commands", "ALL as root"), rule)


@check(
    "sudo-authenticate",
    severity=Severity.HIGH,
    title="The settings of sudo do not turn off the password",
    rationale="With !authenticate no rule asks for one, whatever it says itself.",
    remediation="Take `!authenticate` out of the Defaults in that file.",
    cis=("5.2.5",),
)
def authentication_is_on(facts: Facts) -> Iterator[Fail]:
    """Every line of Defaults with !authenticate."""
    for setting in _settings(facts, "authenticate"):
        if not setting.on:
            yield Fail(f"Defaults{setting.scope}", "authenticate", "!authenticate", setting.path)


@check(
    "sudo-target",
    severity=Severity.CRITICAL,
    title="Nobody but root can replace a command that sudo allows",
    rationale="Whoever writes the program, or a directory above it, has root run what they like.",
    remediation="Give the program and each directory above it to root: chown root:root, chmod g-w,o-w.",
)
def targets_are_roots(facts: Facts) -> Iterator[Finding]:
    """Every command of a rule or an alias that somebody else can write or replace."""
    for path, where in _targets(_policy(facts)).items():
        try:
            writers = facts.writers.of(path)
        except HostError as problem:
            yield NotKnown(path, problem.detail or problem.summary)
            continue
        if writers:
            yield Fail(path, "only root writes it", "; ".join(w.how for w in writers.values()), where or path)


@check(
    "sudo-shell",
    severity=Severity.HIGH,
    title="No command that sudo allows is a shell in disguise",
    rationale="An editor, a pager or an interpreter starts any program: a rule for one is one for all.",
    remediation="Allow a script of root's with fixed arguments, or sudoedit for a file; or say ALL openly.",
)
def commands_are_no_shells(facts: Facts) -> Iterator[Finding]:
    """Every account that becomes root by one command that it is allowed."""
    _policy(facts)
    for user in facts.users:
        if user.uid == 0 or user.name in facts.intent.sudo_users | facts.policy.sudo:
            continue
        ways = facts.becoming.of(user)
        if user.name in facts.becoming.unread:
            yield NotKnown(user.name, facts.becoming.unread[user.name])
        for way in ways:
            if way.rank == Rank.SUDO_PROGRAM and not way.likely:
                yield Fail(user.name, "certain commands, and no shell", way.by, way.path)
                break


@check(
    "sudo-terminal",
    severity=Severity.LOW,
    title="Sudo runs each command on a terminal of its own",
    rationale="A command that is left running on the user's terminal types into it after root has gone.",
    remediation="Write `Defaults use_pty` in a file of /etc/sudoers.d.",
    cis=("5.2.2",),
)
def commands_have_their_own_terminal(facts: Facts) -> Iterator[Fail]:
    """use_pty for everybody; since sudo 1.9.14 it is on where nothing turns it off."""
    settings = [setting for setting in _settings(facts, "use_pty") if not setting.scope]
    if settings and settings[-1].on:
        return
    if settings or facts.parsed("sudo-version", parse_version) < _TERMINAL_SINCE:
        actual = "!use_pty" if settings else "not set"
        path = settings[-1].path if settings else _SUDOERS
        yield Fail("use_pty", "use_pty", actual, path, spec=_defaults("use_pty", path))


@check(
    "sudo-log",
    severity=Severity.MEDIUM,
    title="Sudo leaves a trace of each command",
    rationale="Without one nobody can tell afterwards who became root, and for what.",
    remediation="Take `!syslog` out of the Defaults, or write `Defaults logfile=/var/log/sudo.log`.",
    cis=("5.2.3",),
)
def commands_are_logged(facts: Facts) -> Iterator[Fail]:
    """Neither the journal, which is what sudo uses unless told, nor a file of its own."""
    syslog = [setting for setting in _settings(facts, "syslog") if not setting.scope]
    files = [setting for setting in _settings(facts, "logfile") if not setting.scope]
    if syslog and not syslog[-1].on and not (files and files[-1].on):
        mend = _defaults("syslog=authpriv", syslog[-1].path)
        yield Fail("syslog", "syslog or a logfile", "!syslog", syslog[-1].path, spec=mend)


def _defaults(setting: str, last: str) -> Snippet | None:
    """A setting in a file that sudo reads after the one that has the last word now; none where it is not."""
    path = f"{_DIRECTORY}/zzz-audit-{setting.partition('=')[0].replace('_', '-')}"
    return file(path, f"Defaults {setting}\n", "0440") if last < path else None


def _policy(facts: Facts) -> Policy:
    """The rules in force. Raises NotApplicable without sudo."""
    policy = facts.doors.sudo.policy
    if policy is None:
        raise NotApplicable("there is no sudo that is setuid and root's, or no rules for it")
    return policy


def _names(facts: Facts) -> tuple[str, ...]:
    return tuple(name for name in facts.names(_DIRECTORY) if name != "README")


def _settings(facts: Facts, name: str) -> list[Setting]:
    return [item for item in facts.parsed("sudo-defaults", parse_defaults, absent="[]") if item.name == name]


def _granted(facts: Facts) -> Iterator[tuple[str, Rule, Command]]:
    """Each user or group of a rule with each command that it allows, once for each file."""
    policy = _policy(facts)
    for rule in policy.rules:
        for user in rule.users:
            for who in answers.alias(policy, "user", user) or (user,):
                if not who.startswith("!") and who != "root":
                    yield from ((who, rule, command) for command in rule.commands if not command.negated)


def _is_declared(facts: Facts, who: str, rule: Rule) -> bool:
    """Whether it is the rule that the spec has for a user, in the file of that user, or the policy allows the
    account sudo.
    """
    return who in facts.policy.sudo or (who in facts.intent.sudo_users and rule.path == f"{_DIRECTORY}/{who}")


def _rule(who: str, values: tuple[str, str], rule: Rule, mend: Snippet | None = None) -> Fail:
    expected, actual = values
    where = rule.path or _SUDOERS
    return Fail(f"{who} in {where}", expected, actual, where, spec=mend)


def _asking(facts: Facts, who: str) -> Snippet | None:
    """The rules of an account's own file as a spec says them, with a password; None where it cannot."""
    path, policy = f"{_DIRECTORY}/{who}", _policy(facts)
    rules = [rule for rule in policy.rules if rule.path == path]
    declared = [_as_declared(command) for rule in rules for command in rule.commands]
    if (
        not declared
        or None in declared
        or any(rule.users != (who,) or rule.hosts != ("ALL",) for rule in rules)
    ):
        return None
    return Snippet(("users", who, "sudo"), declared)


def _as_declared(command: Command) -> dict[str, Any] | None:
    """A command of a rule as a spec has it; None where a spec has no words for it."""
    is_more = command.negated or command.limited or command.sets or command.groups or command.digest
    runas = command.runas or ("root",)
    if is_more or command.chroot or command.cwd or len(runas) > 1 or not _is_exact(command.run):
        return None
    run = "ALL" if command.run == "ALL" else command.run.split()
    return {"run": run} | ({"as": runas[0]} if runas[0] != "root" else {})


def _is_exact(run: str) -> bool:
    """Whether it is ALL, or one command with its arguments, none of them a pattern or a secret.

    A command without arguments may be run with any, which no spec can say.
    """
    has_arguments = run.startswith("/") and " " in run
    return run == "ALL" or (has_arguments and not set(run) & _SPECIAL and masked(run) == run)


def _run(command: Command) -> str:
    """The command without its arguments, which may hold a secret."""
    return command.run.partition(" ")[0]


def _targets(policy: Policy) -> dict[str, str]:
    """The programs that rules and aliases name by their path, each with the file that names it."""
    targets = {
        _run(command): rule.path for rule in policy.rules for command in rule.commands if not command.negated
    }
    for (kind, _), members in policy.aliases.items():
        targets |= {member.partition(" ")[0]: "" for member in members if kind == "command"}
    return {
        path.rstrip("/"): file
        for path, file in targets.items()
        if path.startswith("/") and not any(char in path for char in _WILDCARDS)
    }
