"""The remainders of an account that goes: nothing here removes them.

Warnings name them, because whoever gets the name or the number next has them: lines of files that name the
account, files of its own where everybody may write or finds programs, and its group.
Sources: crontab(1), at(1), sshd_config(5), sudoers(5), cron(8), polkit(8), dbus-daemon(1), udev(7),
shm_overview(7), mq_overview(7).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from reconciler.core.changes import Change, Verb
from reconciler.core.diagnostic import Diagnostic, warning
from reconciler.core.host import HostView, Unreadable, UnsafePath
from reconciler.formats.accounts import account_files
from reconciler.kinds.users import root_files
from reconciler.kinds.users.home_removal import is_deleted

_FILES = (
    "/etc/cron.allow",
    "/etc/cron.deny",
    "/etc/at.allow",
    "/etc/at.deny",
    "/etc/crontab",
    "/etc/sudoers",
    "/etc/ssh/sshd_config",
)
_DIRECTORIES = (
    "/etc/sudoers.d",
    "/etc/ssh/sshd_config.d",
    "/etc/cron.d",
    "/etc/security/limits.d",
    "/etc/polkit-1/rules.d",
    "/etc/dbus-1/system.d",
    "/etc/udev/rules.d",
    "/etc/tmpfiles.d",
)
_SHARED = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue")  # noqa: S108  # looked at, never written
_LOCAL = ("/usr/local/bin", "/usr/local/sbin", "/opt")
"""Where a program of somebody's, set-user-id perhaps, is run by others."""
_COMMENT = re.compile(r"(?m)^[ \t]*(?:#(?!include)|//).*$")
_WORD = re.compile(r"[^\s\"'=,:;()<>!%]+")
_SHOWN = 5


def remainders(view: HostView, changes: Sequence[Change]) -> Iterator[Diagnostic]:
    """Yield a warning for each account that goes and leaves something behind, or whose home is deleted."""
    going = [change for change in changes if _goes(change)]
    if not going:
        return
    named = _named(view, {change.address.name for change in going})
    owned = _owned(view, {change.address.name for change in going})
    shared = _shared_groups(view)
    for change in going:
        yield from _deleted(change)
        name = change.address.name
        yield from _left_behind(change, named.get(name, []), owned.get(name, []), shared.get(name, ()))


def _goes(change: Change) -> bool:
    return change.address.kind == "users" and not change.address.part and change.verb is Verb.DELETE


def _deleted(change: Change) -> Iterator[Diagnostic]:
    """Warn first of data that is removed for ever."""
    home = (change.before or {}).get("home", "")
    if is_deleted(change, change.address.name):
        source = change.declared.source if change.declared is not None else None
        detail = (
            f"All that is in {home} is removed, and no rollback brings it back. `home: archive` keeps it."
        )
        yield warning(
            f"{home} is deleted with all that is in it",
            detail,
            address=change.address,
            source=source,
            rule="home-goes",
        )


def _shared_groups(view: HostView) -> Mapping[str, Sequence[str]]:
    """The members of each group: userdel leaves the own group of an account while others are in it."""
    try:
        return {group.name: group.members for group in account_files.groups(view)}
    except (FileNotFoundError, Unreadable, UnsafePath):
        return {}


def _left_behind(
    change: Change, named: Sequence[str], owned: Sequence[str], members: Sequence[str]
) -> Iterator[Diagnostic]:
    name, uid = change.address.name, (change.before or {}).get("uid")
    lines = []
    if named:
        verb = "names" if len(named) == 1 else "name"
        lines.append(f"{', '.join(_first(named))} {verb} {name}: whoever is called so next has that")
    if owned:
        lines.append(
            f"{', '.join(_first(owned))} {'belongs' if len(owned) == 1 else 'belong'} to uid {uid}: whoever"
            " gets that number next has it"
        )
    if others := [member for member in members if member != name]:
        verb = "is" if len(others) == 1 else "are"
        lines.append(f"the group {name} stays, {', '.join(_first(others))} {verb} in it")
    if lines:
        detail = (
            f"{'. '.join(lines)}. Nothing here takes it away; find / -xdev -uid {uid} lists what else carries"
            " the number."
        )
        source = change.declared.source if change.declared is not None else None
        yield warning(
            "something stays of an account that goes",
            detail,
            address=change.address,
            source=source,
            rule="left-behind",
        )


def _first(paths: Sequence[str]) -> list[str]:
    """The first few paths, and how many more there are."""
    more = len(paths) - _SHOWN
    return [*paths[:_SHOWN], *([f"{more} more"] if more > 0 else [])]


def _named(view: HostView, names: set[str]) -> Mapping[str, list[str]]:
    """The paths of the system's files that name an account, by the name of the account.

    Its own file in sudoers.d is left out: that goes with the account.
    """
    paths: dict[str, list[str]] = {}
    for path in (
        *_FILES,
        *(f"{directory}/{name}" for directory in _DIRECTORIES for name in _names(view, directory)),
    ):
        for name in sorted(names & {*_WORD.findall(_COMMENT.sub("", _text(view, path)))}):
            if path != f"{root_files.SUDOERS}/{name}":
                paths.setdefault(name, []).append(path)
    return paths


def _owned(view: HostView, names: set[str]) -> Mapping[str, list[str]]:
    """The paths in directories where everybody may write, or finds programs, by their owner."""
    paths: dict[str, list[str]] = {}
    for path in (
        f"{directory}/{name}" for directory in (*_SHARED, *_LOCAL) for name in _names(view, directory)
    ):
        try:
            entry = view.entry(path)
        except (Unreadable, UnsafePath):
            continue
        if entry is not None and entry.owner in names:
            paths.setdefault(entry.owner, []).append(path)
    return paths


def _names(view: HostView, directory: str) -> Sequence[str]:
    try:
        return view.names(directory)
    except (Unreadable, UnsafePath):
        return ()


def _text(view: HostView, path: str) -> str:
    try:
        return view.excerpt(path)[0].decode("utf-8", "replace")
    except (FileNotFoundError, Unreadable, UnsafePath):
        return ""
