"""The answers of the rules of sudoers(5) about one person.

They tell the commands and the accounts to run them as, the password that is asked for, and the Defaults in
force. The tests compare with `sudo -l -U` and `sudo -n` on a booted host.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from reconciler.core.basics.frozen import frozen
from reconciler.core.basics.lazy_regex import Late
from reconciler.formats.sudo.policy import ALIAS, OPEN, Command, Default, Policy, Rule, Who

_PLAIN_USER = Late(r"(?!ALL$)[A-Za-z0-9_][A-Za-z0-9_.-]*")
"""A user in a rule that is a plain name."""
_SHELLS = ("/bin/sh", "/bin/bash", "/usr/bin/sh", "/usr/bin/bash", "/bin/su", "/usr/bin/su")
_ANYTHING = ""
"""Stands for a command that no rule names: only ALL allows it."""


@frozen
class Grant:
    """Whether sudo lets somebody become root."""

    allowed: bool
    password: str = ""
    """The account whose password it asks for; empty: it asks for none."""
    rule: str = ""
    """The line of the rule, for people."""


def become_root(policy: Policy, who: Who) -> Grant:
    """Whether somebody may run a shell, or anything, as root, and with which password."""
    grants = [
        grant for command in (_ANYTHING, *_SHELLS) if (grant := _grant(policy, who, command)) is not None
    ]
    # A grant that asks for no password is the better one.
    return min(grants, key=lambda grant: bool(grant.password), default=Grant(allowed=False))


def _grant(policy: Policy, who: Who, command: str) -> Grant | None:
    """The grant of the last rule that is about the command; None if it is not allowed."""
    last: tuple[Rule, Command] | None = None
    for rule, command_item in commands_of(policy, who):
        if (
            not command_item.chroot
            and _decided(command_item.runas, lambda item: _is_root(policy, item))
            and _covers(policy, command_item.run, command)
        ):
            last = (rule, command_item)
    if last is None or last[1].negated:
        return None
    return Grant(allowed=True, password=password(policy, who, last[1]), rule=last[0].text)


def commands_of(policy: Policy, who: Who) -> Sequence[tuple[Rule, Command]]:
    """Every item of every rule that is about somebody on this host, in order."""
    if who not in policy.about:
        policy.about[who] = tuple(
            (rule, command)
            for rule in _rules_about(policy, who)
            if _decided(rule.users, lambda item: _is_user(policy, who, item))
            and _decided(rule.hosts, lambda item: _is_host(policy, who, item))
            for command in rule.commands
        )
    return policy.about[who]


def runs_as(policy: Policy, command: Command, target: Who) -> bool:
    """Whether an item of a rule is about running as the target."""
    return _decided(command.runas, lambda item: _is_target(policy, item, target))


def is_as_root(policy: Policy, command: Command) -> bool:
    """Whether an item of a rule is about running as root."""
    return _decided(command.runas, lambda item: _is_root(policy, item))


def _is_target(policy: Policy, item: str, target: Who) -> bool:
    members = alias(policy, "runas", item)
    if members is not None:
        return _decided(members, lambda member: member != item and _is_target(policy, member, target))
    plain = _plain(item)
    return plain in ("ALL", target.name, f"#{target.uid}") or (
        plain.startswith("%") and plain[1:] in target.groups
    )


def _rules_about(policy: Policy, who: Who) -> Iterator[Rule]:
    """The rules that may be about somebody; an index by name spares the rules of thousands of others."""
    if not policy.by_name:
        for number, rule in enumerate(policy.rules):
            plain = (
                len(rule.users) == 1
                and _PLAIN_USER.fullmatch(rule.users[0])
                and alias(policy, "user", rule.users[0]) is None
            )
            policy.by_name.setdefault(rule.users[0] if plain else "", []).append(number)
    named = policy.by_name.get(who.name, ()) if who.name else ()
    return (policy.rules[number] for number in sorted((*policy.by_name.get("", ()), *named)))


def _decided(items: Sequence[str], matches: Callable[[str], bool]) -> bool:
    """Whether a list, in which items may have a `!`, is about something: the last item that matches
    decides.
    """
    for item in reversed(items):
        plain = item.lstrip("! \t")
        if matches(plain):
            return item[: len(item) - len(plain)].count("!") % 2 == 0
    return False


def alias(policy: Policy, kind: str, item: str) -> tuple[str, ...] | None:
    """The members of an alias of a kind (user, runas, host, command); None for an item that is no alias."""
    return policy.aliases.get((kind, item)) if ALIAS.fullmatch(item) else None


def _plain(item: str) -> str:
    """A name without its quotes and backslashes (`"domain users"`)."""
    return re.sub(r"\\(.)", r"\1", item.strip('"'))


def _is_user(policy: Policy, who: Who, item: str) -> bool:
    members = alias(policy, "user", item)
    if members is not None:
        return _decided(members, lambda member: member != item and _is_user(policy, who, member))
    plain = _plain(item)
    if plain.startswith("%#"):
        return plain[2:] in {str(gid) for gid in who.gids}
    if plain.startswith("%"):
        return plain[1:] in who.groups
    return plain in ("ALL", who.name, f"#{who.uid}")


def _is_host(policy: Policy, who: Who, item: str) -> bool:
    members = alias(policy, "host", item)
    if members is not None:
        return _decided(members, lambda member: member != item and _is_host(policy, who, member))
    short = who.host.partition(".")[0]
    return item == "ALL" or any(fnmatchcase(name.lower(), item.lower()) for name in (who.host, short) if name)


def _is_root(policy: Policy, item: str) -> bool:
    members = alias(policy, "runas", item)
    if members is not None:
        return _decided(members, lambda member: member != item and _is_root(policy, member))
    return item in ("ALL", "root", "#0")


def _covers(policy: Policy, item: str, command: str) -> bool:
    members = alias(policy, "command", item)
    if members is not None:
        return _decided(members, lambda member: member != item and _covers(policy, member, command))
    if item == "ALL" or not command:
        return item == "ALL"
    # Arguments narrow a command: a shell with arguments is no shell to work in, but for those of an
    # interactive one (OPEN).
    path, _, arguments = item.partition(" ")
    if arguments.strip() not in OPEN:
        return False
    return (
        path == command
        or (path.endswith("/") and command.rpartition("/")[0] + "/" == path)
        or glob(path, command)
    )


def glob(pattern: str, path: str) -> bool:
    """Whether a path matches a pattern whose wildcards do not cross a `/`."""
    return pattern.count("/") == path.count("/") and all(
        map(fnmatchcase, path.split("/"), pattern.split("/"))
    )


def password(policy: Policy, who: Who, command: Command) -> str:
    """The account whose password is asked for; empty if none is."""
    settings = {"authenticate": True, **settings_for(policy, who)}
    asks = command.asks if command.asks is not None else bool(settings["authenticate"])
    exempt = settings.get("exempt_group")
    if not asks or who.uid == 0 or (isinstance(exempt, str) and exempt in who.groups):
        return ""
    return (
        "root" if any(settings.get(name) is True for name in ("rootpw", "targetpw", "runaspw")) else who.name
    )


def settings_for(policy: Policy, who: Who) -> dict[str, str | bool]:
    """The Defaults in force for somebody who becomes root on this host: the text of a value, or whether a
    flag is on.
    """
    settings: dict[str, str | bool] = {}
    for default in in_force(policy, who):
        settings |= _settings(default.settings)
    return settings


def in_force(policy: Policy, who: Who, run: str = "") -> Iterator[Default]:
    """The Defaults about somebody who becomes root on this host with the program `run`, in the order in which
    sudo applies them.
    """
    for scopes in (("", ":", "@"), (">",), ("!",)):
        yield from (
            default
            for default in policy.defaults
            if default.scope in scopes and _applies(policy, who, default, run)
        )


def _applies(policy: Policy, who: Who, default: Default, run: str) -> bool:
    tests: Mapping[str, Callable[[str], bool]] = {
        ":": lambda item: _is_user(policy, who, item),
        "@": lambda item: _is_host(policy, who, item),
        ">": lambda item: _is_root(policy, item),
        "!": lambda item: bool(run) and _covers(policy, item, run),
    }
    return not default.scope or (default.scope in tests and _decided(default.names, tests[default.scope]))


def settings_of(default: Default) -> Iterator[tuple[str, str, str]]:
    """Each setting of a line of Defaults: its name, its sign (`+` or `-` in front of `=`, `!` in front of a
    name, or none), its value.
    """
    for item in default.settings:
        name, equals, value = item.partition("=")
        plain = name.strip()
        if equals:
            yield (
                plain.rstrip("+- \t"),
                plain[-1:] if plain[-1:] in ("+", "-") else "",
                value.strip().strip('"'),
            )
        else:
            yield plain.lstrip("! \t"), "!" if plain.startswith("!") else "", ""


def _settings(items: Sequence[str]) -> dict[str, str | bool]:
    values: dict[str, str | bool] = {}
    for item in items:
        name, equals, value = item.partition("=")
        plain = name.strip().lstrip("!")
        values[plain] = value.strip().strip('"') if equals else not name.strip().startswith("!")
    return values
