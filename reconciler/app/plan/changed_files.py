"""The answer to the audit's pass over all files, of the files that a plan changes alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.core.host import Entry, FileType, HostError, HostView
from reconciler.formats.accounts import account_files
from reconciler.formats.file_scan import FileScan, ScannedEntry, scan_text

_OTHERS_WRITE, _STICKY, _SET_ID, _OTHERS_ENTER = 0o002, 0o1000, 0o6000, 0o001


def changed_files(view: HostView, paths: Iterable[str]) -> str:
    """The pass over these paths. Raises HostError."""
    users = {user.name: user.uid for user in account_files.users(view)}
    groups = {group.name: group.gid for group in account_files.groups(view)}
    seen: dict[str, list[ScannedEntry]] = {}
    for path in sorted(paths):
        try:
            entry = view.entry(path)
        except HostError:
            continue
        if entry is not None and (predicate := _predicate(entry)):
            numbers = _number(users, entry.owner), _number(groups, entry.group)
            scanned = ScannedEntry(path, str(entry.type), entry.mode, *numbers, open=_is_open(view, path))
            seen.setdefault(predicate, []).append(scanned)
    lists = {predicate: tuple(entries) for predicate, entries in seen.items()}
    return scan_text(FileScan(lists, {predicate: len(entries) for predicate, entries in lists.items()}))


def _predicate(entry: Entry) -> str:
    """The name of the list that the pass would put it in; empty for none."""
    mode = int(entry.mode, 8)
    if entry.type is FileType.DIRECTORY:
        return "open-directory" if mode & _OTHERS_WRITE and not mode & _STICKY else ""
    if entry.type is not FileType.FILE:
        return ""
    return "setuid" if mode & _SET_ID else "world-writable" if mode & _OTHERS_WRITE else ""


def _number(numbers: Mapping[str, int], name: str) -> int:
    return numbers.get(name, int(name) if name.isdecimal() else -1)


def _is_open(view: HostView, path: str) -> bool:
    """Whether others may enter every directory above."""
    parts = path.split("/")[1:-1]
    for depth in range(1, len(parts) + 1):
        entry = view.entry("/" + "/".join(parts[:depth]))
        if entry is not None and entry.type is FileType.DIRECTORY and not int(entry.mode, 8) & _OTHERS_ENTER:
            return False
    return True
