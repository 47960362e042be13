"""Filling a new home with a copy of /etc/skel.

Until the copy is complete the home is root's and closed: nobody else can be in it.
"""

from __future__ import annotations

import os
import stat

from reconciler.core.actions import MakeDirectory
from reconciler.core.host import ActionFailed
from reconciler.host.files.dir_entry import Place
from reconciler.host.files.ownership import Ownership
from reconciler.host.files.safe_path import SafeRoot
from reconciler.host.process import failpoints

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CLOSED = 0o700
_OPEN_TO_OTHERS = 0o077
_MOST = 10_000
"""Entries of a skeleton: more are a mistake."""


def fill(root: SafeRoot, ownership: Ownership, action: MakeDirectory) -> None:
    """Copy the skeleton into the directory, which is empty or as a killed copy left it.

    Entries that such a copy left are removed and copied again: the last file may be half a file. A directory
    that is open to others, or has entries that the skeleton lacks, is not touched. Links are copied as links;
    devices, FIFOs and sockets are left out. Raises ActionFailed, UnsafePath, OSError.
    """
    root.forget()
    status = root.stat(action.path)
    names = root.names(action.path)
    if not names and root.stat(action.skeleton) is None:
        return
    strange = sorted(set(names) - set(root.names(action.skeleton)))
    is_ours = status is not None and status.st_uid == os.geteuid() and not status.st_mode & _OPEN_TO_OTHERS
    if strange or not is_ours:
        reason = f"has {strange[0]!r} in it" if strange else "is no longer root's alone"
        raise ActionFailed("the directory is in use", f"{action.path} {reason}; plan again")
    _Copy(root, ownership, action).directory(action.skeleton, action.path)
    root.forget()


class _Copy:
    """A copy that is being made."""

    def __init__(self, root: SafeRoot, ownership: Ownership, action: MakeDirectory) -> None:
        self._root = root
        self._ownership = ownership
        self._action = action
        self._remaining = _MOST

    def directory(self, source: str, path: str) -> None:
        """Copy everything in the directory `source`. Raises ActionFailed when the skeleton is too large."""
        for name in self._root.names(source):
            self._remaining -= 1
            if self._remaining < 0:
                raise ActionFailed(
                    "the skeleton is too large", f"{self._action.skeleton} has more than {_MOST} entries"
                )
            self._copy_entry(f"{source}/{name}", f"{path}/{name}")

    def _copy_entry(self, source: str, path: str) -> None:
        status = self._root.stat(source)
        if status is None:
            return
        with Place(self._root, path) as place:
            self._clear(place)
            if stat.S_ISREG(status.st_mode):
                self._file(place, self._root.read(source), stat.S_IMODE(status.st_mode))
            elif stat.S_ISLNK(status.st_mode):
                directory, name = self._root.parent(source)
                os.symlink(os.readlink(name, dir_fd=directory), place.name, dir_fd=place.fd)
            elif stat.S_ISDIR(status.st_mode):
                os.mkdir(place.name, _CLOSED, dir_fd=place.fd)
                self.directory(source, path)
                self._own_directory(place, stat.S_IMODE(status.st_mode))
        failpoints.hit("skeleton.copied")

    def _clear(self, place: Place) -> None:
        """Remove the entry, if there is one: an earlier copy of ours made it."""
        status = place.stat()
        if status is None:
            return
        if stat.S_ISDIR(status.st_mode):
            for name in self._root.names(place.path):
                with Place(self._root, f"{place.path}/{name}") as below:
                    self._clear(below)
            os.rmdir(place.name, dir_fd=place.fd)
        else:
            os.unlink(place.name, dir_fd=place.fd)
        self._root.forget()

    def _file(self, place: Place, content: bytes, mode: int) -> None:
        fd = os.open(place.name, _NEW, 0o600, dir_fd=place.fd)
        with os.fdopen(fd, "wb") as stream:
            stream.write(content)
            stream.flush()
            failpoints.hit("skeleton.written")
            self._ownership.hold(fd, mode, self._action.owner, self._action.group)
            os.fsync(fd)
        self._record(place, mode)

    def _own_directory(self, place: Place, mode: int) -> None:
        fd = os.open(place.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place.fd)
        try:
            self._ownership.hold(fd, mode, self._action.owner, self._action.group)
            os.fsync(fd)
        finally:
            os.close(fd)
        self._record(place, mode)

    def _record(self, place: Place, mode: int) -> None:
        status = place.stat()
        if status is not None:
            self._ownership.record(place.path, status, mode, self._action.owner, self._action.group)
