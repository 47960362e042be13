"""Files that a user names on the command line: saved plans, imported specs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.host.files.temporary_names import temporary_name
from reconciler.host.process.environment import is_root

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_SORTS = {stat.S_IFLNK: "link", stat.S_IFDIR: "directory", stat.S_IFSOCK: "socket"}
_MOST_LINKS = 40
"""The kernel follows as many before it says ELOOP."""
LIMIT = 64 * 1024 * 1024
"""Bytes of the largest document that is read."""


def save_private(path: str, content: bytes) -> str:
    """Write a file that only its owner can read, whole or not at all, in place of an older one.

    Returns the problem, empty if there was none.
    """
    try:
        with _place(path) as (directory, name):
            temporary = temporary_name("")
            descriptor = os.open(temporary, _NEW, 0o600, dir_fd=directory)
            try:
                with open(descriptor, "wb") as file:
                    os.fchmod(descriptor, 0o600)
                    file.write(content)
                    file.flush()
                    os.fsync(descriptor)
                os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
            except OSError:
                os.unlink(temporary, dir_fd=directory)
                raise
    except _NoPlace as problem:
        return f"{path}: {problem}"
    except OSError as problem:
        return f"{path}: {problem.strerror}"
    return ""


def no_place(path: str) -> str:
    """The problem that `save_private` would have with a path, before there is anything to write."""
    try:
        with _place(path):
            return ""
    except _NoPlace as problem:
        return f"{path}: {problem}"
    except OSError as problem:
        return f"{path}: {problem.strerror}"


class _NoPlace(Exception):
    """Why a file cannot be written there."""


@contextmanager
def _place(path: str) -> Iterator[tuple[int, str]]:
    """The open directory of a file to write, and its name in it. Raises _NoPlace, OSError."""
    above, name = os.path.split(path)
    if name in ("", ".", ".."):
        raise _NoPlace("this names a directory; name a file")
    directory = _opened(above, "/" if path.startswith("/") else ".")
    try:
        try:
            mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
        except FileNotFoundError:
            mode = stat.S_IFREG
        if not stat.S_ISREG(mode):
            sort = _SORTS.get(stat.S_IFMT(mode), "device or a pipe")
            raise _NoPlace(f"a {sort} is there; name another file")
        yield directory, name
    finally:
        os.close(directory)


def _opened(path: str, start: str) -> int:
    """A descriptor of a directory, step by step: as root no link counts that somebody else could have put
    there. Raises _NoPlace, OSError.
    """
    current = os.open(start, _DIRECTORY)
    parts, links = path.split("/")[::-1], 0
    try:
        while parts:
            part = parts.pop()
            if part in ("", "."):
                continue
            try:
                deeper = os.open(part, _DIRECTORY | os.O_NOFOLLOW, dir_fd=current)
            except FileNotFoundError:
                raise _NoPlace(f"the directory {part} is not there; make it first") from None
            except NotADirectoryError:
                links += 1
                target = _target(current, part, links)
                parts += target.split("/")[::-1]
                deeper = os.open("/" if target.startswith("/") else ".", _DIRECTORY, dir_fd=current)
            os.close(current)
            current = deeper
    except BaseException:
        os.close(current)
        raise
    return current


def _target(directory: int, name: str, links: int) -> str:
    """The target of a link. Raises _NoPlace for no link, for too many, and where it is not to be trusted."""
    link = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if not stat.S_ISLNK(link.st_mode):
        raise _NoPlace(f"{name} is no directory")
    above = os.fstat(directory)
    is_open = above.st_mode & 0o022 and not above.st_mode & stat.S_ISVTX
    if is_root() and (link.st_uid or above.st_uid or is_open):
        raise _NoPlace(f"{name} is a link that is not root's alone; name the directory that it leads to")
    if links > _MOST_LINKS:
        raise _NoPlace("there are too many links on the way")
    return os.readlink(name, dir_fd=directory)


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
