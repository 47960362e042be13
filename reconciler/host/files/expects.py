"""The state of a path as one word that can be compared: the words of `expects` in actions."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.core.actions import ABSENT
from reconciler.core.host import ActionFailed, Entry, FileType

DIRECTORY = "directory"
"""`expects` of a directory."""

OTHER = "other"
"""A FIFO, socket or device: never expected, never touched."""


def state_of(entry: Entry | None, digest: Callable[[], str]) -> str:
    """ABSENT, the digest of a file's content (which `digest` tells), `link:TARGET`, DIRECTORY or OTHER."""
    if entry is None:
        return ABSENT
    if entry.type is FileType.LINK:
        return f"link:{entry.target}"
    if entry.type is FileType.FILE:
        return digest()
    return DIRECTORY if entry.type is FileType.DIRECTORY else OTHER


def mismatch(path: str, expects: str, state: str) -> ActionFailed:
    """The error for an `expects` that no longer holds."""
    return ActionFailed(
        "changed since the plan was made",
        f"{path}: found {_words(state)}, expected {_words(expects)}; plan again",
    )


def not_replaceable(path: str) -> ActionFailed:
    """The error for a file or link that should take the place of a directory."""
    return ActionFailed("a directory is in the way", f"{path} is a directory; move it away first")


def missing_directory(path: str, directory: str, why: str = "does not exist") -> ActionFailed:
    """The error for a path whose directory is not there."""
    return ActionFailed("the directory is missing", f"{directory} {why}, so {path} cannot be made")


def _words(state: str) -> str:
    words = {ABSENT: "nothing", DIRECTORY: "a directory", OTHER: "a FIFO, socket or device"}
    if state.startswith("link:"):
        return f"a link to {state.removeprefix('link:')}"
    return words.get(state) or f"a file ({state[:19]})"
