"""Reaching a path beneath a root directory without ever walking through a symbolic link.

Every other module of this package names files by (directory fd, last name), which it gets here. Nothing may
be relied upon about who owns the directories on the way: a local user can swap them at any moment, so a path
is never opened by its full name.
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
_CACHED = 256
HOMES = "/home"
"""The one name that may be a link on the way: many a host has its homes on another disk."""
_MOST_LINKS = 40
"""As many links as the kernel itself follows before it says ELOOP."""


def check_plain(path: str) -> None:
    """Raise UnsafePath unless the path is absolute, without `.`, `..`, `//`, a `/` at the end and control
    characters.
    """
    if not _PLAIN.fullmatch(path):
        raise UnsafePath(
            "not a plain absolute path", f"{path!r}: no '.', '..', '//' and no control characters"
        )


def unreadable(path: str, error: OSError) -> Unreadable:
    """The error to raise when the kernel refuses to tell about a path."""
    hint = " (run as root)" if isinstance(error, PermissionError) and os.geteuid() != 0 else ""
    return Unreadable("cannot be read", f"{path}: {error.strerror}{hint}")


class SafeRoot:
    """A directory tree in which paths are absolute and links are never followed on the way, but for HOMES
    where that is root's alone.

    Keeps descriptors of directories that were walked (at most 256, plus one walk), so that reading many files
    costs one step each. They go stale when a directory is renamed: call `forget` before and after every
    change. Not for several threads. With `unsynced` set, changed names become durable with its `sync` only.
    """

    def __init__(self, root: str) -> None:
        self.unsynced: Unsynced | None = None
        self._top: int | None = None
        self._known: dict[str, int] = {}
        self.root = root.rstrip("/")

    def __enter__(self) -> Self:
        return self

    def __del__(self) -> None:
        # Whoever forgets to close it does not run out of descriptors.
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
        for fd in self._known.values():
            os.close(fd)
        self._known.clear()

    def parent(self, path: str) -> tuple[int, str]:
        """The directory that contains `path` (an O_PATH fd that stays ours) and the last name; for `/` the
        root itself and `.`.

        Raises FileNotFoundError naming the component that is missing or no directory, UnsafePath, Unreadable.
        """
        check_plain(path)
        head, _, name = path.rpartition("/")
        fd = self._known.get(head)
        return (self._walk(head) if fd is None else fd), name or "."

    def stat(self, path: str) -> os.stat_result | None:
        """The answer of `lstat`; None when nothing is there.

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
        found = self.stat(path)
        if found is not None and stat.S_ISLNK(found.st_mode):
            raise self._through_link(path, path)
        return []

    def _walk(self, head: str) -> int:
        """An fd of the directory `head` (empty: the root), from the nearest ancestor that is known."""
        while len(self._known) > _CACHED:
            os.close(self._known.pop(next(iter(self._known))))
        at = head
        while at and at not in self._known:
            at = at.rpartition("/")[0]
        fd = self._known[at] if at else self._open_top()
        for component in head[len(at) + 1 :].split("/") if head != at else ():
            at = f"{at}/{component}"
            fd = self._known[at] = self._step(fd, component, at, head)
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
            found = os.stat(component, dir_fd=directory, follow_symlinks=False)
            if stat.S_ISLNK(found.st_mode):
                led = self._led(directory, found, at)
                if led is not None:
                    return led
                raise self._through_link(at, head) from error
            raise FileNotFoundError(error.errno, "is not a directory", at) from error
        except OSError as error:
            raise unreadable(at, error) from error

    def _led(self, directory: int, link: os.stat_result, at: str) -> int | None:
        """An fd of where HOMES leads, if only root decides that: it is root's link, and so is every directory
        on the way.

        None if not.
        """
        if at != HOMES or not _roots(link) or not _closed(os.fstat(directory)):
            return None
        target = f"/{os.readlink(HOMES[1:], dir_fd=directory).lstrip('/')}"
        if not _PLAIN.fullmatch(target) or target == "/":
            return None
        place = ""
        for name in target[1:].split("/"):
            place = f"{place}/{name}"
            try:
                fd = self._known[place] if place in self._known else self._walk(place)
            except (FileNotFoundError, UnsafePath):
                return None
            if not _closed(os.fstat(fd)):
                return None
        return os.dup(fd)

    def _through_link(self, link: str, path: str) -> UnsafePath:
        return through_link(link, path, self._readlink)

    def _readlink(self, path: str) -> str | None:
        try:
            return os.readlink(f"{self.root}{path}")
        except OSError:
            return None


def _roots(found: os.stat_result) -> bool:
    """Whether it is root's, or in a tree of one's own one's own."""
    return found.st_uid in (0, os.geteuid())


def _closed(found: os.stat_result) -> bool:
    """Whether nobody but root can put something else into this directory."""
    shared = found.st_mode & (stat.S_IWOTH | (0 if found.st_gid in (0, os.getegid()) else stat.S_IWGRP))
    return stat.S_ISDIR(found.st_mode) and _roots(found) and not shared


def through_link(link: str, path: str, readlink: Callable[[str], str | None]) -> UnsafePath:
    """The error for a `path` on which there is a `link`. `readlink` gives the target of what is one."""
    real = _resolve(path, readlink)
    advice = f"write {real} instead of {path}" if real else "it leads nowhere"
    error = UnsafePath("the path leads through a symbolic link", f"{link} is a link; {advice}")
    error.instead = real
    return error


def _resolve(path: str, readlink: Callable[[str], str | None]) -> str:
    """Where a path leads inside the root, for a message only: it may be different a moment later.

    Empty when nowhere.
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

    Looks before it opens, since opening a device or FIFO can have effects, and makes sure that what it opened
    is what it saw.
    """
    for _ in range(8):
        seen = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if not stat.S_ISREG(seen.st_mode):
            raise UnsafePath("not a regular file", f"{path} is {kind_of(seen.st_mode)}")
        try:
            fd = os.open(name, _REGULAR, dir_fd=directory)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOENT, errno.ENXIO):
                continue
            raise
        try:
            found = os.fstat(fd)
            if (found.st_dev, found.st_ino) == (seen.st_dev, seen.st_ino):
                return _read_all(fd, found.st_size)
        finally:
            os.close(fd)
    return _gone_or_changing(directory, name, path)


def _gone_or_changing(directory: int, name: str, path: str) -> bytes:
    os.stat(name, dir_fd=directory, follow_symlinks=False)
    raise UnsafePath("changes while it is read", f"{path} was replaced again and again; stop what writes it")


def _read_all(fd: int, size: int) -> bytes:
    """Everything: a read that returns less than was asked for ends a regular file, but files below /proc and
    /sys have no size.
    """
    first = os.read(fd, size + 1)
    if len(first) == size and size:
        return first
    chunks = [first]
    while chunks[-1]:
        chunks.append(os.read(fd, 1 << 20))
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
