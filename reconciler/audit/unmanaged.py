"""The things on a host that the spec could declare and nobody has: each with what would take it over.

Packages own what they brought: the files that dpkg knows, accounts of the system, and what `install` wrote.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from reconciler.audit.areas.network import public_listeners, socket_of
from reconciler.audit.facts import Facts
from reconciler.audit.keys import held
from reconciler.audit.model import NotApplicable, NotKnown
from reconciler.audit.persons import persons
from reconciler.core.answers import NotInstalled
from reconciler.core.basics.frozen import frozen
from reconciler.core.host import FileType, HostError
from reconciler.core.model.places import Use
from reconciler.formats.reconcile import UNITS
from reconciler.formats.sudo import answers
from reconciler.formats.sudo.policy import Command, Rule
from reconciler.kinds import discover
from reconciler.policy.paths import table

FORMAT_VERSION = "1.0"
_UNITS = "/etc/systemd/system"
_SUFFIXES = (
    *(".service", ".socket", ".path", ".mount", ".automount", ".target", ".slice", ".swap", ".timer"),
)
_OURS = frozenset(f"{name}{suffix}" for name in UNITS for suffix in (".service", ".timer"))
_CRON = tuple(f"/etc/cron.{name}" for name in ("d", "hourly", "daily", "weekly", "monthly", "yearly"))
_CRONTABS = "/var/spool/cron/crontabs"
_NO_JOBS = (".placeholder", "README")
_SUDOERS = "/etc/sudoers"
_OF_THE_PACKAGE = ("root", "%sudo", "%admin", "%wheel")
"""Whom the file of the package lets become everybody."""
_IMPORTED = ".service"
"""The units that `import` reads back."""


@frozen
class Unmanaged:
    """A thing that nobody declared."""

    object: str
    """The words for it, the same at each run."""
    take_over: str
    """The line of a spec, or the command, that takes it over."""
    path: str = ""
    """The file in which it stands."""
    detail: str = ""
    """More about it, in words."""


Look = Callable[[Facts], Iterable[Unmanaged | NotKnown]]


def unmanaged_data(facts: Facts, host: str, basis: Mapping[str, Any], now: str) -> dict[str, Any]:
    """The document: every section with its objects, and what could not be looked at."""
    objects: list[dict[str, str]] = []
    unknown: list[str] = []
    for section, look in SECTIONS.items():
        items, problems = _looked(facts, look)
        objects += [{"section": section, **_row(item)} for item in items]
        unknown += [f"{section}: {problem}" for problem in problems]
    return {
        "format_version": FORMAT_VERSION,
        "host": {"name": host},
        "basis": dict(basis),
        "time": now,
        "declared": facts.intent.spec is not None,
        "unmanaged": objects,
        "unknown": unknown,
    }


def ask_all(facts: Facts) -> None:
    """Look at everything, so that a recorder has what the document is made of."""
    for look in SECTIONS.values():
        _looked(facts, look)


def _row(item: Unmanaged) -> dict[str, str]:
    return {"object": item.object, "path": item.path, "detail": item.detail, "take_over": item.take_over}


def _looked(facts: Facts, look: Look) -> tuple[list[Unmanaged], list[str]]:
    """The objects of a section, and why some are not known."""
    objects: list[Unmanaged] = []
    problems: list[str] = []
    try:
        for item in look(facts):
            if isinstance(item, NotKnown):
                problems.append(f"{item.object}: {item.why}" if item.object else item.why)
            else:
                objects.append(item)
    except NotApplicable:  # no sudo, no sshd: nothing of it is there
        pass
    except NotInstalled as missing:
        problems.append(missing.detail)
    except FileNotFoundError as absent:
        problems.append(f"{absent.filename} is not there")
    except HostError as problem:
        problems.append(problem.detail or problem.summary)
    return objects, problems


def _users(facts: Facts) -> Iterator[Unmanaged]:
    for user in persons(facts):
        if user.name not in facts.intent.users and user.name not in facts.policy.users:
            detail = f"uid {user.uid}, {user.home}, {user.shell}"
            yield Unmanaged(user.name, "reconciler import users", "/etc/passwd", detail)


def _groups(facts: Facts) -> Iterator[Unmanaged]:
    for group in facts.groups:
        allowed = facts.policy.groups.get(group.name, frozenset())
        others = [
            member
            for member in group.members
            if member not in allowed and group.name not in _groups_of(facts, member)
        ]
        if others:
            lines = ", ".join(f"{name}: {{groups: [{group.name}]}}" for name in others)
            yield Unmanaged(group.name, f"users: {{{lines}}}", "/etc/group", ", ".join(others))


def _groups_of(facts: Facts, user: str) -> frozenset[str]:
    """The supplementary groups that the spec gives to an account."""
    groups = getattr(facts.intent.resources.get("users", {}).get(user), "groups", ())
    return frozenset(getattr(groups, "exactly", groups))


def _keys(facts: Facts) -> Iterator[Unmanaged | NotKnown]:
    for key in held(facts):
        if isinstance(key, NotKnown):
            yield key
        elif not key.declared:
            name = key.user.name
            how = "reconciler import ssh_keys" if key.user.uid else f"ssh_keys: {{{name}: [LINE OF THE KEY]}}"
            yield Unmanaged(key.object, how, key.path)


def _units(facts: Facts) -> Iterator[Unmanaged]:
    ours = _ours(facts)
    for name in facts.names(_UNITS):
        path = f"{_UNITS}/{name}"
        if name.endswith(".d"):
            for drop_in in facts.names(path):
                below = f"{path}/{drop_in}"
                if drop_in.endswith(".conf") and below not in ours:
                    yield Unmanaged(f"{name}/{drop_in}", _as_file(below), below, "a drop-in")
        elif name.endswith(_SUFFIXES) and not name.endswith(".timer") and _is_by_hand(facts, path, ours):
            is_imported = name.endswith(_IMPORTED) and "@" not in name
            how = "reconciler import services" if is_imported else _as_file(path)
            yield Unmanaged(name, how, path)


def _timers(facts: Facts) -> Iterator[Unmanaged]:
    ours = _ours(facts)
    for name in facts.names(_UNITS):
        path = f"{_UNITS}/{name}"
        if name.endswith(".timer") and _is_by_hand(facts, path, ours):
            yield Unmanaged(name, _as_timer(name.removesuffix(".timer")), path)


def _cron(facts: Facts) -> Iterator[Unmanaged | NotKnown]:
    ours = _ours(facts)
    for directory in _CRON:
        for name in facts.names(directory):
            path = f"{directory}/{name}"
            if name not in _NO_JOBS and path not in ours:
                yield Unmanaged(path, _as_timer(name), path)
    for name in facts.names(_CRONTABS):
        how = f"{_as_timer(f'{name}-job')}; then: crontab -r -u {name}"
        yield Unmanaged(f"crontab of {name}", how, f"{_CRONTABS}/{name}")


def _sudo(facts: Facts) -> Iterator[Unmanaged]:
    policy = facts.doors.sudo.policy
    if policy is None:
        return
    ours = _ours(facts)
    rows: dict[tuple[str, str], list[str]] = {}
    for rule in policy.rules:
        for user in rule.users:
            for who in answers.alias(policy, "user", user) or (user,):
                if not _is_known(facts, who, rule, ours):
                    runs = rows.setdefault((who, rule.path or _SUDOERS), [])
                    runs += map(_program, rule.commands)
    for (who, path), runs in rows.items():
        is_user = not who.startswith(("%", "#", "+", "!")) and who != "ALL"
        name = who if is_user else "EACH_USER"
        how = f"users: {{{name}: {{sudo: [...]}}}}"
        yield Unmanaged(f"{who} in {path}", how, path, ", ".join(dict.fromkeys(runs)))


def _is_known(facts: Facts, who: str, rule: Rule, ours: frozenset[str]) -> bool:
    if who in facts.policy.sudo or (rule.path and rule.path in ours):
        return True
    return rule.path in ("", _SUDOERS) and who in _OF_THE_PACKAGE


def _program(command: Command) -> str:
    """The command without its arguments, which may hold a secret."""
    return command.run.partition(" ")[0]


def _ports(facts: Facts) -> Iterator[Unmanaged]:
    if not facts.running:
        return
    sockets: set[str] = set()
    for listener in public_listeners(facts):
        port, socket = (listener.protocol, listener.port), socket_of(listener)
        if port in facts.intent.ports or port in facts.policy.ports or socket in sockets:
            continue
        sockets.add(socket)
        word = f"{port[1]}" if port[0] == "tcp" else f"{port[0]} {port[1]}"
        yield Unmanaged(socket, f"audit: {{allow: {{ports: [{word}]}}}}", detail=listener.process)


def _logrotate(facts: Facts) -> Iterator[Unmanaged]:
    ours = _ours(facts)
    for name in facts.names("/etc/logrotate.d"):
        path = f"/etc/logrotate.d/{name}"
        if path not in ours:
            yield Unmanaged(path, "reconciler import logrotate", path)


def _ours(facts: Facts) -> frozenset[str]:
    """The files that a package brought, and those that the spec stands for. Raises HostError."""
    packaged: list[str] = facts.parsed("packaged-files", json.loads)
    spec = facts.intent.spec
    declared = table(spec.resources, discover()) if spec is not None else ()
    return frozenset(packaged).union(
        place.path for _, places in declared for place in places if place.use is Use.MANAGES
    )


def _is_by_hand(facts: Facts, path: str, ours: frozenset[str]) -> bool:
    """Whether a unit is a file of its own: a link enables, masks or renames the unit of somebody else."""
    entry = facts.entry(path)
    is_file = entry is not None and entry.type is FileType.FILE
    return is_file and path not in ours and path.rpartition("/")[2] not in _OURS


def _as_file(path: str) -> str:
    return f"files: {{{path}: {{source: FILE}}}}"


def _as_timer(name: str) -> str:
    return f"timers: {{{name}: {{schedule: ..., exec_start: [...]}}}}"


SECTIONS: Mapping[str, Look] = {
    "users": _users,
    "groups": _groups,
    "keys": _keys,
    "units": _units,
    "timers": _timers,
    "cron": _cron,
    "sudo": _sudo,
    "ports": _ports,
    "logrotate": _logrotate,
}
"""The sections, in the order of the document."""
