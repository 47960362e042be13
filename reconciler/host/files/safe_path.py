"""Reaching a path beneath a root directory without ever walking through a symbolic link.

Every other module of this package names a file by a directory's descriptor and the last name, which it gets
here. The directories on the way may be anybody's, and a local user can swap them at any moment: so a path is
never opened by its full name.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from reconciler.core.host import HostError, Unreadable, UnsafePath

if TYPE_CHECKING:
    from reconciler.host.files.sync_batch import Unsynced

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_REGULAR = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_PLAIN = re.compile(r"/|(?:/(?!\.{1,2}(?:/|\Z))[^/\x00-\x1f\x7f-\x9f]+)+")
_PIECE = 1 << 20
_CACHED = 256
"""Descriptors of directories that are kept open."""
HOMES = "/home"
"""The only path that may be a link on the way: many hosts have their homes on another disk."""
_MOST_LINKS = 40
"""The kernel follows as many links before it says ELOOP."""


def check_plain(path: str) -> None:
    """Raise UnsafePath unless the path is absolute, without `.`, `..`, `//`, a `/` at the end and control
    characters.
    """
    if not _PLAIN.fullmatch(path):
        raise UnsafePath(
            "not a plain absolute path", f"{path!r}: no '.', '..', '//' and no control characters"
        )


def unreadable(path: str, error: OSError) -> Unreadable:
    """The error for a path that the kernel does not let us read."""
    hint = " (run as root)" if isinstance(error, PermissionError) and os.geteuid() != 0 else ""
    return Unreadable("cannot be read", f"{path}: {error.strerror}{hint}")


class SafeRoot:
    """A directory tree in which paths are absolute and links on the way are never followed.

    HOMES is the exception, where it is root's link and only root can change where it leads.

    Descriptors of the directories on the way are kept (256 at most, plus those of one walk): reading many
    files costs one step each. They go stale when a directory is renamed: call `forget` before and after every
    change. Not for several threads. With `unsynced` set, changed names become durable with its `sync` only.
    """

    def __init__(self, root: str) -> None:
        self.unsynced: Unsynced | None = None
        self._top: int | None = None
        self._descriptors: dict[str, int] = {}
        self.root = root.rstrip("/")

    def __enter__(self) -> Self:
        return self

    def __del__(self) -> None:
        # A caller that forgets to close it must not run out of descriptors.
        self.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back every descriptor; the object can be used again afterwards."""
        self.forget()
        if self._top is not None:
            os.close(self._top)
            self._top = None

    def forget(self) -> None:
        """Drop the cached directories: the next access walks afresh."""
        for fd in self._descriptors.values():
            os.close(fd)
        self._descriptors.clear()

    def parent(self, path: str) -> tuple[int, str]:
        """The descriptor (O_PATH) of the directory that contains `path`, and the last name; for `/` the root
        itself and `.`.

        The descriptor stays ours. Raises FileNotFoundError naming the component that is missing or no
        directory, UnsafePath, Unreadable.
        """
        check_plain(path)
        head, _, name = path.rpartition("/")
        fd = self._descriptors.get(head)
        return (self._walk(head) if fd is None else fd), name or "."

    def stat(self, path: str) -> os.stat_result | None:
        """The status of a path by lstat(2); None when nothing is there.

        Raises UnsafePath, Unreadable.
        """
        try:
            directory, name = self.parent(path)
            return os.stat(name, dir_fd=directory, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise unreadable(path, error) from error

    def read(self, path: str) -> bytes:
        """A regular file's bytes.

        Raises FileNotFoundError, UnsafePath (a link, FIFO, device or directory), Unreadable.
        """
        directory, name = self.parent(path)
        try:
            return read_at(directory, name, path)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise unreadable(path, error) from error

    def names(self, path: str) -> list[str]:
        """Sorted names in a directory; empty when it does not exist. Raises UnsafePath, Unreadable."""
        try:
            directory, name = self.parent(path)
            fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        except FileNotFoundError:
            return []
        except NotADirectoryError:
            return self._names_of_no_directory(path)
        except OSError as error:
            raise unreadable(path, error) from error
        try:
            return sorted(os.listdir(fd))
        except OSError as error:
            raise unreadable(path, error) from error
        finally:
            os.close(fd)

    def _names_of_no_directory(self, path: str) -> list[str]:
        """No names. Raises UnsafePath when the path is a link."""
        status = self.stat(path)
        if status is not None and stat.S_ISLNK(status.st_mode):
            raise self._through_link(path, path)
        return []

    def _walk(self, head: str) -> int:
        """The descriptor of the directory `head` (empty: the root), walked to from the nearest one kept."""
        while len(self._descriptors) > _CACHED:
            os.close(self._descriptors.pop(next(iter(self._descriptors))))
        at = head
        while at and at not in self._descriptors:
            at = at.rpartition("/")[0]
        fd = self._descriptors[at] if at else self._open_top()
        for component in head[len(at) + 1 :].split("/") if head != at else ():
            at = f"{at}/{component}"
            fd = self._descriptors[at] = self._step(fd, component, at, head)
        return fd

    def _open_top(self) -> int:
        if self._top is None:
            try:
                self._top = os.open(self.root or "/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError as error:
                raise HostError(
                    "the root directory cannot be opened", f"{self.root or '/'}: {error.strerror}"
                ) from error
        return self._top

    def _step(self, directory: int, component: str, at: str, head: str) -> int:
        try:
            return os.open(component, _DIRECTORY, dir_fd=directory)
        except FileNotFoundError as error:
            raise FileNotFoundError(error.errno, "does not exist", at) from error
        except NotADirectoryError as error:
            status = os.stat(component, dir_fd=directory, follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                fd = self._open_linked_homes(directory, status, at)
                if fd is not None:
                    return fd
                raise self._through_link(at, head) from error
            raise FileNotFoundError(error.errno, "is not a directory", at) from error
        except OSError as error:
            raise unreadable(at, error) from error

    def _open_linked_homes(self, directory: int, link: os.stat_result, at: str) -> int | None:
        """A descriptor of the directory that HOMES leads to, if only root decides where that is.

        None when the link or a directory on the way is not root's alone.
        """
        if at != HOMES or not _owned_by_root(link) or not _only_root_writes(os.fstat(directory)):
            return None
        target = f"/{os.readlink(HOMES[1:], dir_fd=directory).lstrip('/')}"
        if not _PLAIN.fullmatch(target) or target == "/":
            return None
        path = ""
        for name in target[1:].split("/"):
            path = f"{path}/{name}"
            try:
                fd = self._descriptors[path] if path in self._descriptors else self._walk(path)
            except (FileNotFoundError, UnsafePath):
                return None
            if not _only_root_writes(os.fstat(fd)):
                return None
        return os.dup(fd)

    def _through_link(self, link: str, path: str) -> UnsafePath:
        return through_link(link, path, self._readlink)

    def _readlink(self, path: str) -> str | None:
        try:
            return os.readlink(f"{self.root}{path}")
        except OSError:
            return None


def _owned_by_root(status: os.stat_result) -> bool:
    """Whether it is root's, or ours: an ordinary user's tree is their own."""
    return status.st_uid in (0, os.geteuid())


def _only_root_writes(status: os.stat_result) -> bool:
    """Whether this is a directory in which nobody but root can replace a name."""
    shared = status.st_mode & (stat.S_IWOTH | (0 if status.st_gid in (0, os.getegid()) else stat.S_IWGRP))
    return stat.S_ISDIR(status.st_mode) and _owned_by_root(status) and not shared


def through_link(link: str, path: str, readlink: Callable[[str], str | None]) -> UnsafePath:
    """The error for a `path` with a `link` on the way.

    `readlink` gives the target of a link, None for any other path.
    """
    real = _resolve(path, readlink)
    advice = f"write {real} instead of {path}" if real else "it leads nowhere"
    error = UnsafePath("the path leads through a symbolic link", f"{link} is a link; {advice}")
    error.instead = real
    return error


def _resolve(path: str, readlink: Callable[[str], str | None]) -> str:
    """The path without links inside the root, empty when it leads nowhere.

    For messages only: it may be another one a moment later.
    """
    done, todo, links = "", path.split("/")[::-1], 0
    while todo:
        component = todo.pop()
        if component in ("", "."):
            continue
        if component == "..":
            done = done.rpartition("/")[0]
            continue
        target = readlink(f"{done}/{component}")
        if target is None:
            done = f"{done}/{component}"
            continue
        links += 1
        if links > _MOST_LINKS:
            return ""
        done = "" if target.startswith("/") else done
        todo.extend(target.split("/")[::-1])
    return done or "/"


def read_at(directory: int, name: str, path: str) -> bytes:
    """The bytes of the regular file `name` in a directory.

    Raises UnsafePath for anything else, OSError as the kernel says.

    The name is looked at first, since opening a device or FIFO can have effects; the opened file must be the
    same one.
    """
    for _ in range(8):
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            raise UnsafePath("not a regular file", f"{path} is {kind_of(status.st_mode)}")
        try:
            fd = os.open(name, _REGULAR, dir_fd=directory)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOENT, errno.ENXIO):
                continue
            raise
        try:
            opened = os.fstat(fd)
            if (opened.st_dev, opened.st_ino) == (status.st_dev, status.st_ino):
                return _read_all(fd, opened.st_size)
        finally:
            os.close(fd)
    return _gone_or_changing(directory, name, path)


def _gone_or_changing(directory: int, name: str, path: str) -> bytes:
    """Raises FileNotFoundError when the name is gone, otherwise UnsafePath."""
    os.stat(name, dir_fd=directory, follow_symlinks=False)
    raise UnsafePath("changes while it is read", f"{path} was replaced again and again; stop what writes it")


def _read_all(fd: int, size: int) -> bytes:
    """The whole content. A short read ends a regular file, but files below /proc and /sys have no size.

    Those below /proc/sys are read in one go: a second read finds their end, whatever the first asked for.
    """
    first = os.read(fd, size + 1 if size else _PIECE)
    if len(first) == size and size:
        return first
    chunks = [first]
    while chunks[-1]:
        chunks.append(os.read(fd, _PIECE))
    return b"".join(chunks)


_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
)


def kind_of(mode: int) -> str:
    """The type of a file in words, for messages."""
    return next((words for test, words in _KINDS if test(mode)), "something unknown")
