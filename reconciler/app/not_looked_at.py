"""The parts of a host that `import` does not look at, named so that nobody takes its silence for absence."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from reconciler.core.host import FileType, HostError, HostView
from reconciler.formats.accounts import account_files
from reconciler.kinds import discover, importable
from reconciler.kinds.shared import drop_ins, unit_files

_HOURS = tuple(f"/etc/cron.{name}" for name in ("hourly", "daily", "weekly", "monthly"))
_QUADLETS = "/etc/containers/systemd"
_CRONTABS = "/var/spool/cron/crontabs"
PLACES = ("/etc/sudoers.d", "/etc/cron.d", *_HOURS, _QUADLETS)
"""Directories in which the files of packages are not counted."""
_MOST_NAMES = 5
_LAST_GROUP = 60_000
_TOLD = {"groups", "timers", "files", "directories", "backups"}
"""The kinds that have no importer, and of which a line of its own is told."""
_NO_PART_OF_A_HOST = {"audit"}
"""A policy: nobody finds it on a host that has none from us."""


def not_looked_at(view: HostView, packaged: Collection[str]) -> Iterator[str]:
    """Yield a line for each subject of which the host has something: how many, and their first names."""
    for subject, look in _LOOKS:
        try:
            names = look(view, packaged)
        except (HostError, FileNotFoundError) as problem:
            yield f"{subject}: {problem}"
            continue
        if names:
            more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
            yield f"{subject}: {len(names)} ({', '.join(names[:_MOST_NAMES])}{more})"
    yield "files, directories and backups: nobody can tell from a host which of them should be declared"
    for name in discover():
        if name not in {*importable(), *_TOLD, *_NO_PART_OF_A_HOST}:
            yield f"{name}: import does not know this kind"


def _in(*directories: str) -> Callable[[HostView, Collection[str]], Sequence[str]]:
    def look(view: HostView, packaged: Collection[str]) -> Sequence[str]:
        paths = [f"{directory}/{name}" for directory in directories for name in view.names(directory)]
        return [
            path for path in paths if path not in packaged and not path.endswith(("/.placeholder", "/README"))
        ]

    return look


def _crontabs(view: HostView, _: Collection[str]) -> Sequence[str]:
    return view.names(_CRONTABS)


def _groups(view: HostView, _: Collection[str]) -> Sequence[str]:
    accounts = account_files.accounts(view)
    least = accounts.numbers.get("GID_MIN", 1000)
    return sorted(
        group.name
        for group in accounts.groups.values()
        if least <= group.gid <= _LAST_GROUP and group.name not in accounts.users
    )


def _links(view: HostView, *, masks: bool) -> Sequence[str]:
    names = []
    for name in view.names(unit_files.DIRECTORY):
        entry = view.entry(unit_files.path(name))
        if entry is None or entry.type is not FileType.LINK:
            continue
        inside = not entry.target.startswith("/") or entry.target.startswith(
            tuple(f"{directory}/" for directory in (*drop_ins.DIRECTORIES, "/lib"))
        )
        if (entry.target == "/dev/null") if masks else (entry.target != "/dev/null" and not inside):
            names.append(name)
    return names


def _drop_ins(view: HostView, packaged: Collection[str]) -> Sequence[str]:
    names = (
        f"{name}/{file}"
        for name in view.names(unit_files.DIRECTORY)
        if name.endswith(".d")
        for file in view.names(unit_files.path(name))
    )
    return [name for name in names if unit_files.path(name) not in packaged]


_LOOKS: Sequence[tuple[str, Callable[[HostView, Collection[str]], Sequence[str]]]] = (
    ("groups that are nobody's own", _groups),
    ("sudo rules in /etc/sudoers.d", _in("/etc/sudoers.d")),
    ("cron files in /etc/cron.d", _in("/etc/cron.d")),
    ("scripts of cron by the hour, day, week and month", _in(*_HOURS)),
    ("crontabs of users", _crontabs),
    ("drop-ins of units", _drop_ins),
    ("masked units", lambda view, _: _links(view, masks=True)),
    ("unit files that lie elsewhere and are linked", lambda view, _: _links(view, masks=False)),
    ("quadlets of podman", _in(_QUADLETS)),
)
