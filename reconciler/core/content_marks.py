"""The marks that stand for the files and settings that a process was started with, and for when they were
written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from reconciler.core.address import Address
from reconciler.core.basics.digest import canonical, digest, keyed_digest
from reconciler.core.changes import Document
from reconciler.core.config_files import config_files
from reconciler.core.host import Entry, FileType, HostError, HostView
from reconciler.core.kind import Kind, Runs

SAME, OTHER = "same", "other"
"""In the place of a mark, where only the host can make one (a snapshot): what comparing it came to.

`other:` and a plain digest, or `absent`: it is another one now, and was that.
"""

ABSENT, PLAIN = "absent", "sha256:"

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
    return keyed_digest(canonical(kind.start_settings(document or {})), key)


def mark(view: HostView, path: str, key: bytes) -> str | None:
    """Stands for the content of what a path leads to: a file, all that is in a directory, what matches a
    pattern.

    None: not known.

    By which way a file is reached does not count. The mark of a single file is its plain digest: see
    `to_remember`.
    """
    try:
        found = config_files(view, path)
        if found.blind:
            return f"blind:{found.mark}"
        if not found.files and found.single:
            return ABSENT
        budget, marks = LARGEST_TREE, {}
        for name, (real, entry) in sorted(found.files.items()):
            compares = entry.size <= (LARGEST if found.single else min(LARGEST, budget))
            budget -= entry.size if compares else 0
            marks[name] = digest(view.read(real)) if compares else f"size:{entry.size}:{entry.mtime_ns}"
        if found.single:
            return next(iter(marks.values()))
        return keyed_digest(canonical({name: keyed(plain, key) for name, plain in marks.items()}), key)
    except (HostError, FileNotFoundError):
        return None


def keyed(known: str, key: bytes) -> str:
    """A mark as it may be kept of any file: of content only a keyed digest, for in an environment file there
    may be a short secret.
    """
    return keyed_digest(known.encode(), key) if known.startswith(PLAIN) else known


def to_remember(view: HostView, path: str, known: str, key: bytes, secret: Collection[str]) -> str:
    """A mark as it is written down: the digest of a file that everybody can read stays plain, so that a
    snapshot may tell it.

    `secret` are paths of files that are `sensitive`.
    """
    if not known.startswith(PLAIN):
        return known
    try:
        real = next(iter(config_files(view, path).files.values()))[0]
        told = real not in secret and path not in secret and readable_by_all(lambda at: _mode(view, at), real)
    except (HostError, StopIteration):
        told = False
    return known if told else keyed(known, key)


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
    """When each thing that a path stands for was written, and when anything about it changed; of a directory
    only the latter.
    """
    try:
        entries = config_files(view, path).entries.values()
    except HostError:
        return []
    return [
        (0 if entry.type is FileType.DIRECTORY else entry.mtime_ns, changed_ns(entry)) for entry in entries
    ]


def compared(known: str, now: str | None, key: bytes) -> bool | None:
    """Whether it is what it was, by what was remembered, keyed or plain, and its mark now.

    None: nobody can tell.
    """
    if is_verdict(known):
        return known == SAME
    return None if now is None else known == now or keyed(known, key) == keyed(now, key)


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
