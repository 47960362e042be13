"""What stands for the files and settings that a process was started with, and for when they were written."""

from __future__ import annotations

from collections.abc import Collection

from reconciler.core.address import Address
from reconciler.core.changes import Document
from reconciler.core.config_files import config_files
from reconciler.core.digest import canonical, digest, keyed_digest
from reconciler.core.host import Entry, FileType, HostError, HostView
from reconciler.core.kind import Kind, Runs

SAME, OTHER = "same", "other"
"""In the place of a mark, where only the host can make one (a snapshot): what comparing it came to.

`other:` and a plain digest: it is another one now, and was that of what the ledger says we wrote.
"""

LARGEST = 1 << 20
"""Bytes of a file that is read to be compared; of a larger one size and time stand for the content."""

LARGEST_TREE = 16 << 20
"""Bytes of all files of one directory or pattern that are read; from there on as with a larger file."""

INVOCATIONS = "/run/systemd/units/invocation:"
"""systemd makes this link when it starts a process: its time is the start's."""
RELOADED = "/run/systemd/generator"
"""systemd makes this directory anew each time it reads its unit files."""


def settings_key(address: Address) -> str:
    """Under which name the settings of an address have their mark."""
    return f"={address}"


def settings_mark(kind: Kind, document: Document | None, key: bytes) -> str:
    """Stands for what of a unit file only a start puts into force."""
    return keyed_digest(canonical(kind.settings(document or {})), key)


def mark(view: HostView, path: str, key: bytes) -> str | None:
    """Stands for the content of what a path leads to: a file, all that is in a directory, what matches a pattern. None: not known.

    Keyed: in an environment file there may be a short secret. By which way a file is reached does not count.
    """
    try:
        found = config_files(view, path)
        if found.blind:
            return f"blind:{found.mark}"
        if not found.files and found.single:
            return "absent"
        budget, marks = LARGEST_TREE, {}
        for name, (real, entry) in sorted(found.files.items()):
            compares = entry.size <= (LARGEST if found.single else min(LARGEST, budget))
            budget -= entry.size if compares else 0
            marks[name] = content_mark(digest(view.read(real)), key) if compares else f"size:{entry.size}:{entry.mtime_ns}"
        return next(iter(marks.values())) if found.single else keyed_digest(canonical(marks), key)
    except (HostError, FileNotFoundError):
        return None


def content_mark(plain: str, key: bytes) -> str:
    """The mark of a single file, from the plain digest of its content."""
    return keyed_digest(plain.encode(), key)


def is_verdict(known: str) -> bool:
    """Whether a mark is from a snapshot, and says only what comparing it came to."""
    return known in (SAME, OTHER) or known.startswith(f"{OTHER}:")


def blind(view: HostView, path: str) -> str:
    """Why changes of what a path stands for are not seen; empty if they are."""
    try:
        return config_files(view, path).blind
    except HostError:
        return ""


def concerned(view: HostView, path: str, touched: Collection[str]) -> bool:
    """Whether a change at one of these paths changes what a path leads to."""
    try:
        return path in touched or config_files(view, path).concerns(touched)
    except HostError:
        return False


def moments(view: HostView, path: str) -> list[tuple[int, int]]:
    """When each thing that a path stands for was written, and when anything about it changed; of a directory only the latter."""
    try:
        entries = config_files(view, path).entries.values()
    except HostError:
        return []
    return [(0 if entry.type is FileType.DIRECTORY else entry.mtime_ns, changed_ns(entry)) for entry in entries]


def compared(known: str, now: str | None) -> bool | None:
    """Whether it is what it was; None: nobody can tell."""
    if is_verdict(known):
        return known == SAME
    return None if now is None else known == now


def stamps(view: HostView, runs: Runs) -> dict[str, int]:
    """When the files that define a unit were written, or moved there; 0 of what is not there."""
    found: dict[str, int] = {}
    for path in runs.defined:
        entry = entry_of(view, path)
        found[path] = changed_ns(entry) if entry is not None else 0
        if entry is not None and entry.type is FileType.DIRECTORY:
            below = (f"{path}/{name}" for name in view.names(path))
            found |= {at: changed_ns(inner) for at in below if (inner := entry_of(view, at)) is not None}
    return found


def changed_ns(entry: Entry) -> int:
    """When it was written, or anything else about it changed."""
    return max(entry.mtime_ns, entry.ctime_ns)


def entry_of(view: HostView, path: str) -> Entry | None:
    """Facts about a path, if they can be had."""
    try:
        return view.entry(path)
    except HostError:
        return None
