"""Filling a new home with what /etc/skel has.

Until it is full the directory is root's and closed, so nobody else can be in it.
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
_OTHERS = 0o077
_MOST = 10_000
"""Entries of a skeleton: more are a mistake."""


def fill(root: SafeRoot, ownership: Ownership, action: MakeDirectory) -> None:
    """Copy the skeleton into the directory, which is empty or as a killed run of this left it.

    Raises ActionFailed, UnsafePath, OSError. Anything that such a run left is removed and copied again: the
    last file may be half a file. A directory that anybody else could have been in, or in which something else
    is, is not touched. Links are copied as links; what is no file, directory or link is left out.
    """
    root.forget()
    found = root.stat(action.path)
    names = root.names(action.path)
    if not names and root.stat(action.skeleton) is None:
        return
    strange = sorted(set(names) - set(root.names(action.skeleton)))
    if strange or found is None or found.st_mode & _OTHERS or found.st_uid != os.geteuid():
        what = f"has {strange[0]!r} in it" if strange else "is no longer root's alone"
        raise ActionFailed("the directory is in use", f"{action.path} {what}; plan again")
    _Copy(root, ownership, action).directory(action.skeleton, action.path)
    root.forget()


class _Copy:
    """One copy under way."""

    def __init__(self, root: SafeRoot, ownership: Ownership, action: MakeDirectory) -> None:
        self._root = root
        self._ownership = ownership
        self._action = action
        self._left = _MOST

    def directory(self, source: str, path: str) -> None:
        """Everything in a directory."""
        for name in self._root.names(source):
            self._left -= 1
            if self._left < 0:
                raise ActionFailed(
                    "the skeleton is too large", f"{self._action.skeleton} has more than {_MOST} entries"
                )
            self._one(f"{source}/{name}", f"{path}/{name}")

    def _one(self, source: str, path: str) -> None:
        found = self._root.stat(source)
        if found is None:
            return
        with Place(self._root, path) as place:
            self._clear(place)
            if stat.S_ISREG(found.st_mode):
                self._file(place, self._root.read(source), stat.S_IMODE(found.st_mode))
            elif stat.S_ISLNK(found.st_mode):
                directory, name = self._root.parent(source)
                os.symlink(os.readlink(name, dir_fd=directory), place.name, dir_fd=place.fd)
            elif stat.S_ISDIR(found.st_mode):
                os.mkdir(place.name, _CLOSED, dir_fd=place.fd)
                self.directory(source, path)
                self._own_directory(place, stat.S_IMODE(found.st_mode))
        failpoints.hit("skeleton.copied")

    def _clear(self, place: Place) -> None:
        """Remove what is there: it is a copy of ours."""
        found = place.stat()
        if found is None:
            return
        if stat.S_ISDIR(found.st_mode):
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
        found = place.stat()
        if found is not None:
            self._ownership.record(place.path, found, mode, self._action.owner, self._action.group)
