"""The commit that a work tree stands on, read from files: no process, no configuration of the repository."""

from __future__ import annotations

import os
import stat

from reconciler.core.basics.lazy_regex import Late

_MOST_BYTES = 64 * 1024
"""The most bytes of HEAD, of a ref or of a `.git` file."""
_MOST_PACKED_BYTES = 16 * 1024 * 1024
"""The most bytes of `packed-refs`."""
_ID = Late(r"[0-9a-f]{40}|[0-9a-f]{64}")
_DEPTH = 5
"""The most symbolic refs that may follow each other; Git's own limit."""


def commit_of(root: str) -> str:
    """The full id of HEAD (gitrepository-layout(5)).

    Empty when there is no repository or no commit yet, or when its refs are not in files.
    """
    try:
        git_directory = _git_directory(os.path.join(root, ".git"))
        common_directory = _common_directory(git_directory)
        value = _text(os.path.join(git_directory, "HEAD"), _MOST_BYTES).strip()
        for _ in range(_DEPTH):
            if not value.startswith("ref: "):
                break
            value = _ref(value.removeprefix("ref: ").strip(), git_directory, common_directory)
    except (OSError, ValueError):
        return ""
    return value if _ID.fullmatch(value) else ""


def _git_directory(path: str) -> str:
    """`.git` itself, or the directory that a `.git` file names (worktrees, submodules)."""
    if os.path.isdir(path):
        return path
    text = _text(path, _MOST_BYTES)
    if not text.startswith("gitdir: "):
        raise ValueError(path)
    return os.path.join(os.path.dirname(path), text.removeprefix("gitdir: ").strip())


def _common_directory(git_directory: str) -> str:
    """The directory with the refs that all work trees share."""
    try:
        return os.path.join(
            git_directory, _text(os.path.join(git_directory, "commondir"), _MOST_BYTES).strip()
        )
    except FileNotFoundError:
        return git_directory


def _ref(name: str, git_directory: str, common_directory: str) -> str:
    if not name.startswith("refs/") or any(part in ("", ".", "..") for part in name.split("/")):
        raise ValueError(name)
    for directory in (git_directory, common_directory):
        try:
            return _text(os.path.join(directory, name), _MOST_BYTES).strip()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            continue
    for line in _text(os.path.join(common_directory, "packed-refs"), _MOST_PACKED_BYTES).splitlines():
        value, _, ref = line.partition(" ")
        if ref == name:
            return value
    return ""


def _text(path: str, limit: int) -> str:
    """The text of a regular file of at most `limit` bytes. Raises OSError, ValueError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise IsADirectoryError(path)
        data = os.read(descriptor, limit + 1)
        if len(data) > limit:
            raise ValueError(path)
        return data.decode()
    finally:
        os.close(descriptor)
