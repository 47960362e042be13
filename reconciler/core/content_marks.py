"""The marks that stand for the files and settings that a process was started with, and for when they were
written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from reconciler.core.address import Address
from reconciler.core.basics.digest import canonical, digest, keyed_digest
from reconciler.core.host import Entry, FileType, HostError, HostView

if TYPE_CHECKING:  # the plan of a settled host imports no model of a kind
    from reconciler.core.changes import Document
    from reconciler.core.kind import Kind, Runs
    from reconciler.core.paths.config_files import ConfigFiles

SAME, OTHER = "same", "other"
"""The result of a comparison, in the place of a mark that only the host can make (in a snapshot).

`other:` and a plain digest, or `other:absent`: the content is another one now, and was that.
"""

ABSENT, PLAIN = "absent", "sha256:"

LARGEST = 1 << 20
"""Bytes of the largest file that is read to be compared; for a larger one its size and time stand."""

LARGEST_TREE = 16 << 20
"""Bytes of all files of one directory or pattern that are read; from there on as with a larger file."""

INVOCATIONS = "/run/systemd/units/invocation:"
"""systemd makes this link when it starts a process: its time is the start's."""
RELOADED = "/run/systemd/generator"
"""systemd makes this directory anew each time it reads its unit files."""


def settings_key(address: Address) -> str:
    """The name under which the settings of an address have their mark."""
    return f"={address}"


def settings_mark(kind: Kind, document: Document | None, key: bytes) -> str:
    """The mark of the settings in a unit file that only a start puts into force."""
    return keyed_digest(canonical(kind.start_settings(document or {})), key)


def mark(view: HostView, path: str, key: bytes) -> str | None:
    """The mark of the content that a path leads to: of a file, of all that is in a directory, of what matches
    a pattern. None: not known.

    The links by which a file is reached do not count. The mark of a single file is its plain digest: see
    `to_remember`.
    """
    try:
        files = _config_files(view, path)
        if files.blind:
            return f"blind:{files.mark}"
        if not files.files and files.single:
            return ABSENT
        budget, marks = LARGEST_TREE, {}
        for name, (real, entry) in sorted(files.files.items()):
            compares = entry.size <= (LARGEST if files.single else min(LARGEST, budget))
            budget -= entry.size if compares else 0
            marks[name] = digest(view.read(real)) if compares else f"size:{entry.size}:{entry.mtime_ns}"
        if files.single:
            return next(iter(marks.values()))
        return keyed_digest(canonical({name: keyed(plain, key) for name, plain in marks.items()}), key)
    except (HostError, FileNotFoundError):
        return None


def keyed(content_mark: str, key: bytes) -> str:
    """The form of a mark that may be kept for any file: its digest is keyed, for an environment file may hold
    a short secret.
    """
    return keyed_digest(content_mark.encode(), key) if content_mark.startswith(PLAIN) else content_mark


def to_remember(view: HostView, path: str, content_mark: str, key: bytes, secret: Collection[str]) -> str:
    """The form of a mark that is written down: the digest of a file that everybody can read stays plain, and
    a snapshot may tell it.

    `secret` are paths of files that are `sensitive`.
    """
    if not content_mark.startswith(PLAIN):
        return content_mark
    try:
        real = next(iter(_config_files(view, path).files.values()))[0]
        may_stay_plain = (
            real not in secret and path not in secret and readable_by_all(lambda at: _mode(view, at), real)
        )
    except (HostError, StopIteration):
        may_stay_plain = False
    return content_mark if may_stay_plain else keyed(content_mark, key)


def _mode(view: HostView, path: str) -> str:
    entry = view.entry(path)
    return entry.mode if entry is not None else ""


def readable_by_all(mode: Callable[[str], str], path: str) -> bool:
    """Whether every account could read a file, by the modes of the file and of the directories above it."""
    bits = int(mode(path) or "0", 8) & 0o004
    while bits and path != "/":
        path = path.rpartition("/")[0] or "/"
        bits = int(mode(path) or "0", 8) & 0o001
    return bool(bits)


def is_verdict(remembered: str) -> bool:
    """Whether a mark is from a snapshot, and has only the result of a comparison."""
    return remembered in (SAME, OTHER) or remembered.startswith(f"{OTHER}:")


def blind(view: HostView, path: str) -> str:
    """Why changes of what a path stands for are not seen; empty if they are."""
    try:
        return _config_files(view, path).blind
    except HostError:
        return ""


def concerned(view: HostView, path: str, touched: Collection[str]) -> bool:
    """Whether a change at one of these paths changes what a path leads to."""
    try:
        return path in touched or _config_files(view, path).concerns(touched)
    except HostError:
        return False


def moments(view: HostView, path: str) -> list[tuple[int, int]]:
    """When each entry that a path stands for was written, and when anything about it changed; 0 stands for
    the former of a directory.
    """
    try:
        entries = _config_files(view, path).entries.values()
    except HostError:
        return []
    return [
        (0 if entry.type is FileType.DIRECTORY else entry.mtime_ns, changed_ns(entry)) for entry in entries
    ]


def compared(remembered: str, now: str | None, key: bytes) -> bool | None:
    """Whether the content is what it was, by the mark that was remembered, keyed or plain, and its mark now.

    None: nobody can tell.
    """
    if is_verdict(remembered):
        return remembered == SAME
    return None if now is None else remembered == now or keyed(remembered, key) == keyed(now, key)


def stamps(view: HostView, runs: Runs) -> dict[str, int]:
    """When the files that define a unit were written, or moved there; 0 for one that is not there."""
    times: dict[str, int] = {}
    for path in runs.defined:
        entry = entry_of(view, path)
        times[path] = changed_ns(entry) if entry is not None else 0
        if entry is not None and entry.type is FileType.DIRECTORY:
            below = (f"{path}/{name}" for name in view.names(path))
            times |= {at: changed_ns(inner) for at in below if (inner := entry_of(view, at)) is not None}
    return times


def changed_ns(entry: Entry) -> int:
    """When an entry was written, or anything else about it changed, in nanoseconds since the epoch."""
    return max(entry.mtime_ns, entry.ctime_ns)


def entry_of(view: HostView, path: str) -> Entry | None:
    """Facts about a path, if they can be had."""
    try:
        return view.entry(path)
    except HostError:
        return None


def _config_files(view: HostView, path: str) -> ConfigFiles:
    from reconciler.core.paths.config_files import config_files  # only where a process has files

    return config_files(view, path)
