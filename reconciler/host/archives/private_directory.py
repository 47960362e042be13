"""A directory of archives: reached without following links, private, and changed by descriptor only."""

from __future__ import annotations

import os
import stat
from types import TracebackType
from typing import Self

from reconciler.core.host import HostError, UnsafePath
from reconciler.host.archives.tar import TargetError, sum_of
from reconciler.host.files.descriptors import descriptor
from reconciler.host.files.renameat2 import rename_new
from reconciler.host.files.safe_path import SafeRoot, kind_of

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SMALL = 1 << 22


class Refused(HostError):
    """Nothing was done, since a condition for it is not met."""


class Missing(Refused):
    """The directory, or one above it, is not there."""


class Directory:
    """An open directory that only root, or we ourselves, can change.

    A context manager. Every name is one in this directory.
    """

    def __init__(self, path: str, *, make: bool = False, tree: str = "") -> None:
        """Open it; `make` a missing one, 0700, below an existing parent. With `tree` that stands for `/`.

        Raises Refused, UnsafePath, Unreadable.
        """
        self.path = path
        self.tree = tree
        self.is_remote, self.remark = False, ""
        with SafeRoot(tree or "/") as root:
            if not _is_own_tree(tree):
                _refuse_unsafe_ancestors(root, path)
            self.fd = _open(root, path, make)
        try:
            if not _is_own_tree(tree):
                _refuse_unsafe(os.fstat(self.fd), path, sticky=False)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.fd)

    def names(self) -> list[str]:
        """All names in it, sorted."""
        return sorted(os.listdir(self.fd))

    def size(self, name: str) -> int | None:
        """The size of a regular file of ours; None when there is none."""
        try:
            status = os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return None
        return status.st_size if stat.S_ISREG(status.st_mode) and status.st_uid in (0, os.geteuid()) else None

    def open(self, name: str) -> int:
        """A descriptor for reading a regular file of ours. Raises Refused."""
        try:
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self.fd)
        except OSError as error:
            raise Refused("the file cannot be opened", f"{self.path}/{name}: {_words(error)}") from error
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_uid not in (0, os.geteuid()):
            os.close(fd)
            detail = f"{self.path}/{name} is {kind_of(status.st_mode)} of uid {status.st_uid}"
            raise Refused("not a file of ours", detail)
        return fd

    def read(self, name: str) -> bytes:
        """A small file of ours. Raises Refused."""
        fd = self.open(name)
        try:
            return os.read(fd, _SMALL)
        finally:
            os.close(fd)

    def sum_of(self, name: str) -> str:
        """The SHA-256 of a file of ours. Raises Refused, ArchiveError."""
        with descriptor(self.open(name)) as fd:
            return sum_of(fd)

    def create(self, name: str, room: int = 0) -> int:
        """A descriptor of a new file, 0600, for writing and reading. Raises TargetError."""
        try:
            return os.open(
                name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=self.fd
            )
        except OSError as error:
            raise self._cannot("made", name, error) from error

    def deliver(self, name: str, fd: int, sha256: str) -> None:
        """Nothing is to be brought here: the descriptor is the file, and who wrote it made it durable."""

    def write(self, name: str, content: bytes) -> None:
        """Write a new small file, 0600; it is durable, its name is not. Raises TargetError."""
        fd = self.create(name)
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(fd, rest) :]
            os.fsync(fd)
        except OSError as error:
            raise self._cannot("written", name, error) from error
        finally:
            os.close(fd)

    def rename(self, old: str, new: str) -> None:
        """Rename to a free name. Raises TargetError."""
        try:
            rename_new(self.fd, old, new)
        except OSError as error:
            raise self._cannot("renamed", new, error) from error

    def replace(self, old: str, new: str) -> None:
        """Rename, in place of the file that has the name. Raises TargetError."""
        try:
            os.rename(old, new, src_dir_fd=self.fd, dst_dir_fd=self.fd)
        except OSError as error:
            raise self._cannot("replaced", new, error) from error

    def remove(self, name: str) -> None:
        """Remove a file; fine if it is gone. Raises TargetError."""
        try:
            os.unlink(name, dir_fd=self.fd)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._cannot("removed", name, error) from error

    def sync(self) -> None:
        """Make the names durable. Raises TargetError."""
        try:
            os.fsync(self.fd)
        except OSError as error:
            raise self._cannot("made durable", "", error) from error

    def read_only(self) -> bool:
        """Whether its file system is mounted read-only."""
        return bool(os.fstatvfs(self.fd).f_flag & os.ST_RDONLY)

    def free(self) -> int:
        """Bytes that we can still write."""
        file_system = os.fstatvfs(self.fd)
        return file_system.f_frsize * (file_system.f_bfree if os.geteuid() == 0 else file_system.f_bavail)

    def is_empty(self) -> bool:
        """Whether it has no entries; lost+found of a fresh file system does not count."""
        return all(name == "lost+found" for name in os.listdir(self.fd))

    def _cannot(self, done: str, name: str, error: OSError) -> TargetError:
        return TargetError(f"the file cannot be {done}", f"{self.path}/{name}: {error.strerror}")


def _words(error: OSError) -> str:
    lacks_rights = isinstance(error, PermissionError) and os.geteuid() != 0
    return f"{error.strerror}{'; run as root' if lacks_rights else ''}"


def _is_own_tree(tree: str) -> bool:
    """Whether an ordinary user works on a tree of theirs: what is in it gives nobody the rights of root."""
    return bool(tree) and os.geteuid() != 0


def look(path: str, tree: str = "") -> os.stat_result | None:
    """The status of a path; None when nothing is there. With `tree` that stands for `/`.

    Raises UnsafePath when it is a link or leads through one, Unreadable.
    """
    with SafeRoot(tree or "/") as root:
        status = root.stat(path)
    if status is not None and stat.S_ISLNK(status.st_mode):
        raise UnsafePath("the path is a symbolic link", f"{path}: name what it leads to")
    return status


def _open(root: SafeRoot, path: str, make: bool) -> int:
    """A descriptor of the directory, which `make` makes first. Raises Refused, UnsafePath, Unreadable."""
    try:
        parent, name = root.parent(path)
    except FileNotFoundError as error:
        detail = f"{path}: {error.filename} {error.strerror}; make it, or mount what is missing"
        raise Missing("the directory above does not exist", detail) from error
    if make:
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            pass
        except OSError as error:
            raise Refused("the directory cannot be made", f"{path}: {error.strerror}") from error
    try:
        return os.open(name, _OPEN, dir_fd=parent)
    except FileNotFoundError as error:
        raise Missing("the directory does not exist", path) from error
    except OSError as error:
        raise Refused("not a directory that can be opened", f"{path}: {_words(error)}") from error


def _refuse_unsafe_ancestors(root: SafeRoot, path: str) -> None:
    while (path := path.rpartition("/")[0]) not in ("", "/"):
        status = root.stat(path)
        if status is not None:
            _refuse_unsafe(status, path, sticky=True)


def _refuse_unsafe(status: os.stat_result, path: str, *, sticky: bool) -> None:
    """Raise Refused when somebody else owns the directory or can write to it.

    With `sticky` others may write to it if they can remove only their own entries, as in /tmp.
    """
    if status.st_uid not in (0, os.geteuid()):
        detail = f"{path} belongs to uid {status.st_uid}; archives lie in directories of root's only"
        raise Refused("the directory belongs to somebody else", detail)
    if status.st_mode & 0o022 and not (sticky and status.st_mode & stat.S_ISVTX):
        raise Refused("others can write to the directory", f"{path}: chmod go-w {path}")
