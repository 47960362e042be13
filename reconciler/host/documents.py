"""Files that a user names on the command line: saved plans, imported specs."""

from __future__ import annotations

import os

LIMIT = 64 * 1024 * 1024
"""Bytes of the largest document that is read."""


def save_private(path: str, content: bytes) -> str:
    """Write a file that only its owner can read, replacing an older one.

    Returns the problem, empty if there was none.
    """
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        descriptor = os.open(
            temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.rename(temporary, path)
    except OSError as problem:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        return f"{path}: {problem.strerror}"
    return ""


def read_document(path: str) -> tuple[bytes, str]:
    """The content of a file and the problem with it, one of them empty."""
    try:
        with open(path, "rb") as file:
            content = file.read(LIMIT + 1)
    except OSError as problem:
        return b"", f"{path}: {problem.strerror}"
    return (b"", f"{path}: larger than {LIMIT} bytes") if len(content) > LIMIT else (content, "")


def save_new(path: str, content: bytes) -> str:
    """Write a file that is not there yet. Returns the problem, empty if there was none."""
    try:
        with open(
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644), "wb"
        ) as file:
            file.write(content)
    except FileExistsError:
        return f"{path} exists already; name a new file"
    except OSError as problem:
        return f"{path}: {problem.strerror}"
    return ""
