"""The readers of a spec's files in a directory and on standard input."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.core.spec_source import SourceError
from reconciler.host.spec_source import git_head

MAX_BYTES = 32 * 1024 * 1024
"""The most bytes that one file of a spec may have."""

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_MESSAGES = {
    errno.ENOENT: "{name} does not exist; check the path",
    errno.ENOTDIR: "{name} does not exist: a part of its path is not a directory",
    errno.EACCES: (
        "{name} cannot be read: permission denied. Check its mode, or run as a user who may read it"
    ),
    errno.ELOOP: "{name} is a symbolic link; a spec reads regular files only. Name the file itself",
    errno.ENXIO: "{name} is not a regular file",
    errno.ENAMETOOLONG: "{name} is too long for a file name",
}


class DirectoryReader:
    """Reads a spec and the files that it names from a directory tree.

    The root is `root`, or the nearest directory above the spec that has a `.git`, or the spec's own
    directory. Nothing outside the root is read, not through a link either; a file that is itself a link, a
    FIFO or a device is refused. `commit` is that of HEAD. The files may differ from it: `contents` has the
    bytes of each file that was read. Raises SourceError when the spec is not below `root`.
    """

    def __init__(self, spec_path: str | os.PathLike[str], root: str | os.PathLike[str] | None = None) -> None:
        path = os.fspath(spec_path)
        self._here = _working_directory()
        self._absolute = os.path.isabs(path)
        folder, base = os.path.split(os.path.abspath(path))
        folder = os.path.realpath(folder)
        self._root = os.path.realpath(root) if root is not None else _work_tree(folder) or folder
        if not base or not _inside(folder, self._root):
            raise SourceError(f"{path} is not below {self._root}")
        self.entry = os.path.relpath(os.path.join(folder, base), self._root)
        self.root = self._root
        self.commit = git_head.commit_of(self._root)
        self.contents: dict[str, bytes] = {}

    def read(self, name: str) -> bytes:
        """The bytes of one file. Raises SourceError."""
        shown = self.display(name)
        folder, base = os.path.split(name)
        try:
            real = os.path.realpath(os.path.join(self._root, folder))
            if not _inside(real, self._root):
                raise SourceError(
                    f"{shown} leads outside {self._root} through a link; keep the files of a spec in one tree"
                )
            below = os.path.relpath(real, self._root)
            with _directory(self._root, below) as parent:
                content = _content(parent, base, shown)
            # By the name that Git has for it: a directory on the way may be a link.
            return self.contents.setdefault(os.path.normpath(os.path.join(below, base)), content)
        except OSError as exc:
            message = _MESSAGES.get(exc.errno or 0, "{name} cannot be read: {why}")
            raise SourceError(message.format(name=shown, why=os.strerror(exc.errno or 0))) from exc
        except ValueError as exc:
            raise SourceError(f"{shown!r} is not a file name") from exc

    def display(self, name: str) -> str:
        """The path for messages: relative to the working directory if the spec was named so, or is below."""
        path = os.path.join(self._root, name)
        relative = os.path.relpath(path, self._here)
        return path if self._absolute and relative.startswith("..") else relative


def _working_directory() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:  # it was removed under us
        return "/"


def _work_tree(folder: str) -> str | None:
    """The nearest directory, from `folder` upwards, that has a `.git`."""
    while not os.path.lexists(os.path.join(folder, ".git")):
        if folder == os.path.dirname(folder):
            return None
        folder = os.path.dirname(folder)
    return folder


def _inside(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


@contextmanager
def _directory(root: str, below: str) -> Iterator[int]:
    """A descriptor of a directory below the root.

    `below` is resolved already: a component that is a link now came in between, and is refused.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    current = os.open(root, flags)
    try:
        for part in below.split("/"):
            deeper = os.open(part, flags | os.O_NOFOLLOW, dir_fd=current)
            os.close(current)
            current = deeper
        yield current
    finally:
        os.close(current)


def _content(parent: int, name: str, shown: str) -> bytes:
    """The bytes of a regular file, at most MAX_BYTES. Raises OSError, SourceError."""
    descriptor = os.open(name, _OPEN, dir_fd=parent)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise SourceError(f"{shown} is not a regular file")
        return b"".join(_chunks(descriptor, shown))
    finally:
        os.close(descriptor)


def _chunks(descriptor: int, shown: str) -> Iterator[bytes]:
    total = 0
    while chunk := os.read(descriptor, 1 << 20):
        total += len(chunk)
        if total > MAX_BYTES:
            raise SourceError(f"{shown} has more than {MAX_BYTES >> 20} MiB; a file of a spec may not")
        yield chunk


class StdinReader:
    """A spec that came on standard input: one file, which can name no others."""

    entry = "<stdin>"
    commit = ""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, name: str) -> bytes:
        """The bytes that were given. Raises SourceError for every other name."""
        if name != self.entry:
            raise SourceError(
                f"{name} cannot be read: a spec on standard input names no other files. Give the path of the"
                " spec instead of `-`"
            )
        if len(self._data) > MAX_BYTES:
            raise SourceError(f"the spec on standard input has more than {MAX_BYTES >> 20} MiB")
        return self._data

    def display(self, name: str) -> str:
        """The name as it is."""
        return name
