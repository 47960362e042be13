"""sudoers(5), as far as it decides whether somebody can become root: rules, aliases, Defaults about
passwords, included files.

Pure text: included files come through a function. `formats.sudo.user_rules` writes our rules, this module
reads anybody's. A line that cannot be read is left out, as sudo does since 1.9.3; the tests compare with
`sudo -l -U` on a booted host.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from reconciler.core.basics.frozen import frozen
from reconciler.core.basics.lazy_regex import Late
from reconciler.formats.sudo.sudoers_text import INCLUDE, cut, is_ignored, logical_lines, split

Include = Callable[[str], str | None]
"""The text of an included file; None for one that is not there or that sudo does not trust."""
Names = Callable[[str], Sequence[str]]
"""The names of the files in an included directory, sorted."""

_MOST_INCLUDES = 128
_ALIAS_KINDS = {
    "User_Alias": "user",
    "Runas_Alias": "runas",
    "Host_Alias": "host",
    "Cmnd_Alias": "command",
    "Cmd_Alias": "command",
}
ALIAS = Late(r"[A-Z][A-Z0-9_]*")
_DEFAULTS = Late(r"Defaults([@:!>]?)(.*)", re.DOTALL)
_TAG = Late(r"(NO)?(PASSWD|EXEC|SETENV|LOG_INPUT|LOG_OUTPUT|MAIL|FOLLOW|INTERCEPT):\s*")
_OPTION = Late(
    r"(ROLE|TYPE|APPARMOR_PROFILE|PRIVS|LIMITPRIVS|NOTBEFORE|NOTAFTER|TIMEOUT|CWD|CHROOT)\s*=\s*(\"[^\"]*\"|[^\s,]+)\s*"
)
_DIGEST = Late(r"sha(?:224|256|384|512)\s*:\s*[A-Za-z0-9+/=]+\s+")
OPEN = ("", "-", "-l", "--login", "*", "- root", "-l root", '""')
"""Arguments with which a shell is still an interactive one."""


@frozen
class Who:
    """The person who asks, the caller of sudo."""

    name: str
    uid: int
    groups: frozenset[str]
    """The names of the groups, the primary one among them."""
    gids: frozenset[int]
    """Their numbers."""
    host: str
    """The name of the host."""


@frozen
class Command:
    """One item of a rule."""

    run: str
    """A program with its arguments, an alias or ALL."""
    negated: bool
    """Whether a `!` stands before it: it is forbidden."""
    runas: tuple[str, ...]
    """The accounts to run it as."""
    asks: bool | None
    """Whether a tag says that a password is asked for (PASSWD, NOPASSWD); None: no tag does."""
    limited: bool
    """Whether it holds only for some time (NOTBEFORE, NOTAFTER)."""
    sets: bool | None = None
    """Whether a tag says that the caller may set any variable (SETENV, NOSETENV); None: no tag does."""
    groups: tuple[str, ...] = ()
    """The groups with which the caller may run it."""
    chroot: str = ""
    """The directory below which it runs (CHROOT)."""
    cwd: str = ""
    """The directory in which it runs (CWD)."""
    digest: bool = False
    """Whether it is run only as long as it has the digest in the rule."""


@frozen
class Rule:
    """One rule: the commands that users may run on hosts."""

    users: tuple[str, ...]
    hosts: tuple[str, ...]
    commands: tuple[Command, ...]
    text: str
    """The line for people, without secrets; empty if it could not be read to its end."""
    path: str = ""
    """The file that has it; empty where it is not known."""


@frozen
class Default:
    """One line of Defaults."""

    scope: str
    """The sign that says what the names are: `@` hosts, `:` users, `!` commands, `>` accounts to run as;
    empty: it holds for all.
    """
    names: tuple[str, ...]
    settings: tuple[str, ...]


@dataclass(slots=True)
class Policy:
    """All rules, Defaults and aliases that were read."""

    rules: list[Rule] = field(default_factory=list)
    defaults: list[Default] = field(default_factory=list)
    aliases: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    about: dict[Who, tuple[tuple[Rule, Command], ...]] = field(default_factory=dict)
    """A cache of `answers.commands_of`, which is asked for the same person many times."""
    includes: list[str] = field(default_factory=list)
    """The files and directories that are included."""
    by_name: dict[str, list[int]] = field(default_factory=dict)
    """The numbers of the rules that name this one user and nobody else; under the empty name those that may
    be about anybody.
    """


# ---------------------------------------------------------------------------------------------------- reading


def parse(text: str, host: str, include: Include, names: Names) -> Policy:
    """All rules of /etc/sudoers, with what it includes. `host` is the host's name, for %h in paths."""
    policy = Policy()
    _read(text, policy, _Reader(host, include, names, "/etc/sudoers"), 0)
    return policy


@frozen
class _Reader:
    host: str
    include: Include
    names: Names
    path: str


def _read(text: str, policy: Policy, reader: _Reader, depth: int) -> None:
    for line in logical_lines(text):
        match = INCLUDE.fullmatch(line)
        if match is None:
            _take(line, policy, reader.path)
        elif depth < _MOST_INCLUDES:
            policy.includes.append(match[2] or match[3])
            for path in _included(
                match[1], (match[2] or match[3]).replace("%h", reader.host.partition(".")[0]), reader
            ):
                content = reader.include(path)
                if content is not None:
                    _read(content, policy, replace(reader, path=path), depth + 1)


def _included(how: str, path: str, reader: _Reader) -> Iterator[str]:
    path = path if path.startswith("/") else f"/etc/{path}"
    if how == "include":
        yield path
        return
    yield from (f"{path.rstrip('/')}/{name}" for name in reader.names(path) if not is_ignored(name))


def unreadable(text: str) -> list[int]:
    """The numbers of the lines that cannot be read to their end as a rule, an alias, Defaults or an
    include; for a continued line the first number.
    """
    numbers, text_so_far, first = [], "", 0
    for number, raw in enumerate(text.split("\n"), 1):
        text_so_far, first = text_so_far + raw, first or number
        if raw.endswith("\\"):
            text_so_far = f"{text_so_far[:-1]} "
            continue
        if any(not _is_readable(line) for line in logical_lines(text_so_far)):
            numbers.append(first)
        text_so_far, first = "", 0
    return numbers


def _is_readable(line: str) -> bool:
    if INCLUDE.fullmatch(line):
        return True
    policy = Policy()
    _take(line, policy)
    return bool(policy.defaults or policy.aliases or any(rule.text for rule in policy.rules))


def _take(line: str, policy: Policy, path: str = "") -> None:
    defaults = _DEFAULTS.fullmatch(line)
    kind = _ALIAS_KINDS.get(line.split(None, 1)[0])
    if defaults is not None:
        policy.defaults.append(_default(defaults[1], defaults[2]))
    elif kind is not None:
        for part in split(line.split(None, 1)[1] if " " in line or "\t" in line else "", ":"):
            name, _, members = part.partition("=")
            if ALIAS.fullmatch(name.strip()) and members.strip():
                policy.aliases[kind, name.strip()] = tuple(split(members, ","))
    else:
        policy.rules += [replace(rule, path=path) for rule in _rules(line)]


def _default(scope: str, rest: str) -> Default:
    names, settings = "", rest
    if scope:
        pieces = rest.strip().split(None, 1)
        names, settings = pieces[0] if pieces else "", pieces[1] if len(pieces) > 1 else ""
    return Default(scope, tuple(split(names, ",")), tuple(split(settings, ",")))


def _rules(line: str) -> list[Rule]:
    """The rules of a line `users hosts = commands : hosts = commands`, up to the first part of another
    form.
    """
    head, equals, rest = cut(line, "=")
    users, hosts = _users_and_hosts(head)
    if not equals or not users or not hosts:
        return []
    read: list[tuple[tuple[str, ...], tuple[Command, ...]]] = []
    parts = split(rest, ":", tags=True)
    for number, part in enumerate(parts):
        command_list = part
        if number:
            head, equals, command_list = cut(part, "=")
            hosts = tuple(split(head, ","))
            if not equals or not hosts:
                break
        commands = _commands(command_list)
        if commands is None:
            break
        read.append((hosts, commands))
    shown = (
        _masked(line, [command.run for _, commands in read for command in commands])
        if len(read) == len(parts)
        else ""
    )
    return [
        Rule(users, hosts, tuple(item for item in commands if not item.limited), shown)
        for hosts, commands in read
    ]


def _users_and_hosts(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The two lists in front of `=`: blanks around commas belong to a list, other blanks part the two."""
    tight = re.sub(r"\s*,\s*", ",", text.strip())
    tight = re.sub(r"!\s+", "!", tight)
    match = re.fullmatch(r"((?:\"[^\"]*\"|\\.|[^\s\"\\])+)\s+(\S+)", tight)
    return (tuple(split(match[1], ",")), tuple(split(match[2], ","))) if match else ((), ())


def _commands(text: str) -> tuple[Command, ...] | None:
    """A list of commands, in which accounts and tags of one hold for the next ones too; None for another
    text.
    """
    runas: tuple[str, ...] = ("root",)
    asks: bool | None = None
    sets: bool | None = None
    groups: tuple[str, ...] = ()
    commands: list[Command] = []
    for item in split(text, ","):
        rest = item
        who = re.match(r"\(([^)]*)\)\s*", rest)
        if who:
            users, _, also = who[1].partition(":")
            # `(:group)` and `()` mean the caller's own account.
            runas, groups, rest = tuple(split(users, ",")), tuple(split(also, ",")), rest[who.end() :]
        limited, options, digests = False, {"CHROOT": "", "CWD": ""}, False
        while option := _OPTION.match(rest):
            limited = limited or option[1] in ("NOTBEFORE", "NOTAFTER")
            options[option[1]] = option[2].strip('"')
            rest = rest[option.end() :]
        while tag := _TAG.match(rest):
            asks = not tag[1] if tag[2] == "PASSWD" else asks
            sets = not tag[1] if tag[2] == "SETENV" else sets
            rest = rest[tag.end() :]
        negated = False
        while rest.startswith("!"):
            negated, rest = not negated, rest[1:].lstrip()
        while digest := _DIGEST.match(rest):
            rest, digests = rest[digest.end() :], True
        if not rest or not re.match(r"/|\^|sudoedit\b|list\b|[A-Z]", rest):
            return None
        commands.append(
            Command(
                rest, negated, runas, asks, limited, sets, groups, options["CHROOT"], options["CWD"], digests
            )
        )
    return tuple(commands)


def _masked(line: str, runs: Sequence[str]) -> str:
    """The line without the arguments of its commands, except those that leave a shell interactive (OPEN)."""
    for run in sorted(runs, key=len, reverse=True):
        path, _, arguments = run.partition(" ")
        if arguments.strip() not in OPEN:
            line = line.replace(run, f"{path} ?")
    return line


def without_secrets(text: str) -> str:
    """The decisive lines of a file of rules: without comments, arguments, other Defaults, and lines that
    cannot be read.
    """
    lines = []
    for line in logical_lines(text):
        match = _DEFAULTS.fullmatch(line)
        if match is None:
            lines += [line] if INCLUDE.fullmatch(line) else _decisive(line)
            continue
        default = _default(match[1], match[2])
        about = [
            item
            for item in default.settings
            if item.partition("=")[0].strip().lstrip("!").rstrip("+- \t") in _DECISIVE
        ]
        if about:
            lines.append(f"Defaults{default.scope}{','.join(default.names)} {','.join(about)}")
    return "".join(f"{line}\n" for line in lines)


def _decisive(line: str) -> list[str]:
    """A rule, or a line of aliases, without the arguments of commands; empty for any other line."""
    policy = Policy()
    _take(line, policy)
    commands = [
        member for (kind, _), members in policy.aliases.items() if kind == "command" for member in members
    ]
    if policy.aliases:
        return [_masked(line, commands)]
    return [rule.text for rule in policy.rules[:1] if rule.text]


LOGGING = ("log_input", "log_output", "log_stdin", "log_stdout", "log_stderr", "log_ttyin", "log_ttyout")
"""Flags with which sudo records a session, in `iolog_dir`."""
_DECISIVE = frozenset(
    (
        *(
            "secure_path",
            "env_keep",
            "setenv",
            "env_reset",
            "env_delete",
            "env_file",
            "group_plugin",
            "mailerpath",
            "lecture_file",
        ),
        *("authenticate", "exempt_group", "rootpw", "targetpw", "runaspw"),
        *(
            "runcwd",
            "runchroot",
            "iolog_dir",
            "logfile",
            "ignore_logfile_errors",
            "log_servers",
            "closefrom",
            "rlimit_as",
            *LOGGING,
        ),
    )
)
