"""One name in one directory that is about to change, by descriptor: looking, temporary names, making it
durable.
"""

from __future__ import annotations

import errno
import os
import stat
from types import TracebackType
from typing import Self

from reconciler.core.actions import ABSENT
from reconciler.core.basics.digest import digest
from reconciler.core.host import ActionFailed, UnsafePath
from reconciler.host.files.expects import DIRECTORY, OTHER, mismatch, missing_directory
from reconciler.host.files.safe_path import SafeRoot, kind_of, read_at
from reconciler.host.files.temporary_names import temporary_name


class Place:
    """The directory that contains a path, open for fsync, and the last name.

    Raises ActionFailed when the directory is missing.
    """

    def __init__(self, root: SafeRoot, path: str) -> None:
        self.path = path
        self._unsynced = root.unsynced
        try:
            directory, self.name = root.parent(path)
        except FileNotFoundError as error:
            raise missing_directory(path, str(error.filename), str(error.strerror)) from error
        # Opened before anything is changed: a directory that cannot be made durable must show before that.
        self.fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.fd)

    def temporary(self) -> str:
        """A new temporary name for this directory."""
        return temporary_name(self.path.rpartition("/")[0])

    def stat(self, name: str = "") -> os.stat_result | None:
        """The status by `lstat` of a name in the directory; None when nothing is there."""
        try:
            return os.stat(name or self.name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def look(self, name: str = "") -> str:
        """The present state of a name in the directory, in the words of `expects`."""
        try:
            return self._look(name or self.name)
        except FileNotFoundError:
            return ABSENT

    def expect(self, expects: str) -> None:
        """Raise ActionFailed unless this is the present state, UnsafePath when nobody may touch the entry."""
        state = self.look()
        if state == OTHER:
            raise UnsafePath(
                "not a file, directory or link", f"{self.path} is {self.kind()}; it is left alone"
            )
        if state != expects:
            raise self.changed(expects, state)

    def changed(self, expects: str, state: str) -> ActionFailed:
        """The error for an `expects` that does not hold."""
        return mismatch(self.path, expects, state)

    def kind(self) -> str:
        """The type of the entry in words, for messages."""
        status = self.stat()
        return kind_of(status.st_mode) if status else "gone"

    def unlink(self, name: str) -> None:
        """Remove a name of ours; fine if it is gone."""
        try:
            os.unlink(name, dir_fd=self.fd)
        except FileNotFoundError:
            return

    def sync(self) -> None:
        """Make the directory durable, at once or with its batch.

        Raises ActionFailed when that fails: a renamed entry may not survive a power cut.
        """
        try:
            if self._unsynced is not None:
                self._unsynced.add(self.fd, self.path)
            else:
                os.fsync(self.fd)
        except OSError as error:
            raise not_durable(self.path, error.strerror or str(error)) from error

    def _look(self, name: str) -> str:
        mode = os.stat(name, dir_fd=self.fd, follow_symlinks=False).st_mode
        if stat.S_ISLNK(mode):
            return f"link:{os.readlink(name, dir_fd=self.fd)}"
        if stat.S_ISDIR(mode):
            return DIRECTORY
        return digest(read_at(self.fd, name, self.path)) if stat.S_ISREG(mode) else OTHER


_ADVICE = {
    errno.ENOSPC: "no space is left on the file system",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EPERM: "not permitted; run as root, or the file is immutable (lsattr)",
    errno.EACCES: "permission denied; run as root",
    errno.ENOTEMPTY: "the directory is not empty",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EXDEV: "it is a mount point",
    errno.EBUSY: "it is in use or a mount point",
}


def not_durable(path: str, reason: str) -> ActionFailed:
    """The error for a name that was changed in a directory that cannot be made durable."""
    return ActionFailed("done, but it may not survive a power cut", f"{path}: its directory: {reason}")


def explain(path: str, error: OSError) -> ActionFailed:
    """The ActionFailed for what the kernel refused to do at a path."""
    return ActionFailed(
        "the change could not be made", f"{path}: {_ADVICE.get(error.errno or 0) or error.strerror or error}"
    )
