"""The commit that a work tree stands on, by reading files: no process, no configuration of the repository is
looked at.
"""

from __future__ import annotations

import os
import stat

from reconciler.core.basics.lazy_regex import Late

_SMALL = 64 * 1024
_PACKED = 16 * 1024 * 1024
_ID = Late(r"[0-9a-f]{40}|[0-9a-f]{64}")
_DEPTH = 5
"""As many symbolic refs may follow each other; Git's own limit."""


def commit_of(root: str) -> str:
    """The full id of HEAD; empty when there is no repository, no commit yet, or refs are not in files
    (gitrepository-layout(5)).
    """
    try:
        folder = _git_directory(os.path.join(root, ".git"))
        common = _common_directory(folder)
        value = _text(os.path.join(folder, "HEAD"), _SMALL).strip()
        for _ in range(_DEPTH):
            if not value.startswith("ref: "):
                break
            value = _ref(value.removeprefix("ref: ").strip(), folder, common)
    except (OSError, ValueError):
        return ""
    return value if _ID.fullmatch(value) else ""


def _git_directory(path: str) -> str:
    """`.git` itself, or the directory that a `.git` file names (worktrees, submodules)."""
    if os.path.isdir(path):
        return path
    text = _text(path, _SMALL)
    if not text.startswith("gitdir: "):
        raise ValueError(path)
    return os.path.join(os.path.dirname(path), text.removeprefix("gitdir: ").strip())


def _common_directory(folder: str) -> str:
    """Where the refs are that all work trees share."""
    try:
        return os.path.join(folder, _text(os.path.join(folder, "commondir"), _SMALL).strip())
    except FileNotFoundError:
        return folder


def _ref(name: str, folder: str, common: str) -> str:
    if not name.startswith("refs/") or any(part in ("", ".", "..") for part in name.split("/")):
        raise ValueError(name)
    for place in (folder, common):
        try:
            return _text(os.path.join(place, name), _SMALL).strip()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            continue
    for line in _text(os.path.join(common, "packed-refs"), _PACKED).splitlines():
        value, _, found = line.partition(" ")
        if found == name:
            return value
    return ""


def _text(path: str, limit: int) -> str:
    """A small regular file. Raises OSError, ValueError."""
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
