"""Putting an unpacked archive in the place of the host's own files, by exchanging names.

An entry is exchanged in one step, so that there is no moment without one, and the old one then lies where
the new one was unpacked: nothing is ever deleted. Only what a comparison named is touched, and only if it is
still the same file.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from reconciler.formats.backups.kept_directory import PREFIX
from reconciler.host.archives.compare_trees import (
    DIRECTORY,
    Change,
    Comparison,
    What,
    inode_of,
    stat_at,
)
from reconciler.host.archives.private_directory import Refused
from reconciler.host.files.descriptors import descriptor
from reconciler.host.files.renameat2 import exchange_with, move_new
from reconciler.host.files.safe_path import SafeRoot
from reconciler.host.files.xattrs import read_attributes, set_attributes
from reconciler.host.mounts import mount_points
from reconciler.host.process import failpoints


class Scratch:
    """A private directory on the file system of a path, to unpack into and to keep what was replaced."""

    def __init__(self, path: str, parent: int, name: str) -> None:
        with _time_kept(parent):
            os.mkdir(name, 0o700, dir_fd=parent)
        self.path = path
        self.unpacked = f"{path}/files"
        """The directory to unpack into."""
        self._parent, self._name = os.dup(parent), name
        self.fd = os.open(name, DIRECTORY, dir_fd=parent)
        os.mkdir("files", 0o700, dir_fd=self.fd)
        self.files = os.open("files", DIRECTORY, dir_fd=self.fd)

        self.has_old_files = False
        """Whether files of the host may lie in it."""

    def free(self) -> int:
        """Bytes that can still be written on its file system."""
        file_system = os.fstatvfs(self.fd)
        return file_system.f_frsize * file_system.f_bavail

    def must_be_here(self) -> None:
        """Raises Refused where somebody moved it meanwhile: what was unpacked is somewhere else then."""
        with SafeRoot("/") as root:
            status = root.stat(self.unpacked)
        if status is None or inode_of(status) != inode_of(os.fstat(self.files)):
            raise Refused("the directory was moved meanwhile", self.unpacked)

    def remove(self) -> None:
        """Remove it with all in it."""
        for name in os.listdir(self.fd):
            shutil.rmtree(name, dir_fd=self.fd)
        with suppress(OSError), _time_kept(self._parent):  # a user may have moved it: only root can enter it
            os.rmdir(self._name, dir_fd=self._parent)

    def remove_if_empty(self) -> bool:
        """Remove it unless something is in it; whether it is gone."""
        try:
            if not os.listdir(self.files):
                os.rmdir("files", dir_fd=self.fd)
            with _time_kept(self._parent):
                os.rmdir(self._name, dir_fd=self._parent)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Give the descriptors back."""
        for fd in (self.files, self.fd, self._parent):
            os.close(fd)


@contextmanager
def _time_kept(directory: int) -> Iterator[None]:
    """The block leaves the time of a directory as it is: it may be one that is compared."""
    status = os.stat(".", dir_fd=directory)
    yield
    os.utime(".", ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=directory)


def scratch_parent(path: str) -> str:
    """The directory that has the scratch of a path: the nearest one above it that only root can change, in
    its own mount; else the highest one there. Raises HostError.
    """
    with SafeRoot("/") as root:
        at = path
        while (status := root.stat(at)) is None or not stat.S_ISDIR(status.st_mode):
            at = at.rpartition("/")[0] or "/"
        directories = list(_up_to_mount(root, at, status.st_dev))
        above = [directory for directory in directories if directory[0] != path] or directories
        only_root = (name for name, facts in above if facts.st_uid == 0 and not facts.st_mode & 0o022)
        return next(only_root, above[-1][0])


def _up_to_mount(root: SafeRoot, path: str, device: int) -> Iterator[tuple[str, os.stat_result]]:
    """The directories from a path up to its mount point: names are exchanged within one mount only, and a
    bind mount has the device of its file system.
    """
    mounted = mount_points()
    while (status := root.stat(path)) is not None and status.st_dev == device:
        yield path, status
        if path in mounted or path == "/":
            return
        path = path.rpartition("/")[0] or "/"


def make_scratch(parent: str, ident: str) -> Scratch:
    """Make the scratch in this directory. Raises Refused, HostError."""
    name = f"{PREFIX}{ident}"
    path = f"{parent.rstrip('/')}/{name}"
    with SafeRoot("/") as root:
        fd, last = root.parent(path)
        try:
            return Scratch(path, fd, last)
        except OSError as error:
            raise Refused("the directory cannot be made", f"{path}: {error.strerror}") from error


def replace_files(scratch: Scratch, comparison: Comparison) -> list[str]:
    """Make the changes of a comparison; what could not be done, in words.

    Afterwards the scratch has only what was on the host before.
    """
    work = _Work(comparison)
    scratch.has_old_files = True
    os.sync()  # the new files must be durable before their names are
    with descriptor(os.open("/", DIRECTORY)) as top:
        work.directory(scratch.files, top, "", inside=False)
    os.sync()
    failpoints.hit("restore.replaced")
    return work.problems


class _Work:
    def __init__(self, comparison: Comparison) -> None:
        self._changes = {change.path: change for change in comparison.changes}
        self._paths = comparison.paths
        self._lost: dict[str, list[Change]] = {}
        for change in comparison.changes:
            if change.what is What.LOST:
                self._lost.setdefault(change.path.rpartition("/")[0], []).append(change)
        self.problems: list[str] = []

    def directory(self, unpacked: int, live: int, path: str, *, inside: bool) -> None:
        for name in sorted(os.listdir(unpacked)):
            child = f"{path}/{name}"
            with self._told(child):
                self._entry(unpacked, live, child, name, inside=inside or child in self._paths)
        for change in self._lost.get(path, ()):
            with self._told(change.path):
                name = change.path.rpartition("/")[2]
                _must_be_as_seen(stat_at(live, name), change)
                move_new(live, name, unpacked, name)
                failpoints.hit("restore.moved")

    @contextmanager
    def _told(self, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.problems.append(f"{path}: {error.strerror}; it is as it was")

    def _entry(self, unpacked: int, live: int, path: str, name: str, *, inside: bool) -> None:
        change = self._changes.get(path)
        new, old = os.stat(name, dir_fd=unpacked, follow_symlinks=False), stat_at(live, name)
        is_new = change is not None and change.what is What.NEW
        if not is_new and stat.S_ISDIR(new.st_mode) and old is not None and stat.S_ISDIR(old.st_mode):
            self._directories(unpacked, live, path, name, change, inside=inside)
            return
        if change is None and stat.S_ISDIR(new.st_mode) and self._has_changes_below(path):
            self.problems.append(f"{path}: it was changed meanwhile; nothing is put below it")
        try:
            if is_new:
                move_new(unpacked, name, live, name)
                failpoints.hit("restore.placed")
            elif change is not None:
                _must_be_as_seen(old, change)
                if not exchange_with(unpacked, name, live, name):
                    raise OSError(errno.EOPNOTSUPP, "this file system cannot exchange files")
                failpoints.hit("restore.exchanged")
        finally:
            _forget(unpacked, name, new)

    def _has_changes_below(self, path: str) -> bool:
        return any(changed.startswith(f"{path}/") for changed in self._changes)

    def _directories(
        self, unpacked: int, live: int, path: str, name: str, change: Change | None, *, inside: bool
    ) -> None:
        with ExitStack() as stack:
            new_fd, old_fd = (
                stack.enter_context(descriptor(os.open(name, DIRECTORY, dir_fd=fd)))
                for fd in (unpacked, live)
            )
            model, before = _State(new_fd), _State(old_fd)
            self.directory(new_fd, old_fd, path, inside=inside)
            if change is not None:
                _must_be_as_seen(os.fstat(old_fd), change)
                model.give(old_fd)
                before.give(new_fd)
                failpoints.hit("restore.attributes")
            elif inside:
                model.give_time(old_fd)
        with suppress(OSError):  # it has what was replaced below it
            os.rmdir(name, dir_fd=unpacked)


class _State:
    """Owner, mode, attributes and time of an open directory."""

    def __init__(self, fd: int) -> None:
        self._status, self._attributes = os.fstat(fd), read_attributes(fd)

    def give(self, fd: int) -> None:
        """Give another one the same. Raises OSError."""
        os.fchown(fd, self._status.st_uid, self._status.st_gid)
        set_attributes(fd, self._attributes)
        os.fchmod(fd, stat.S_IMODE(self._status.st_mode))
        self.give_time(fd)

    def give_time(self, fd: int) -> None:
        """Give another one the same time. Raises OSError."""
        os.utime(fd, ns=(self._status.st_atime_ns, self._status.st_mtime_ns))


def _must_be_as_seen(status: os.stat_result | None, change: Change) -> None:
    if status is None or inode_of(status) != change.inode:
        raise OSError(errno.ESTALE, "it was changed meanwhile")


def _forget(unpacked: int, name: str, new: os.stat_result) -> None:
    """Remove what was unpacked and is still here: the host has the same, or it could not be put there."""
    status = stat_at(unpacked, name)
    if status is None or inode_of(status) != inode_of(new):
        return
    if stat.S_ISDIR(status.st_mode):
        shutil.rmtree(name, dir_fd=unpacked)
    else:
        os.unlink(name, dir_fd=unpacked)
