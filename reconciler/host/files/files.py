"""Files of a tree on disk: looking at them, and the path actions.

The live host and the host of a tree are both made of this.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from reconciler.core.actions import (
    Action,
    ArchiveTree,
    Attributes,
    EditLines,
    MakeDirectory,
    MakeLink,
    PathAction,
    RemovePath,
    RemoveTree,
    RestoreTree,
    SetAccess,
    WriteFile,
)
from reconciler.core.host import Entry, FileType, HostError, PreImage, UnsafePath
from reconciler.host.files.ownership import Ids, Ownership
from reconciler.host.files.safe_path import SafeRoot, unreadable
from reconciler.host.files.temporary_names import is_temporary

if TYPE_CHECKING:
    from reconciler.host.files.homes.home import HomeAction

_TYPES = {stat.S_IFREG: FileType.FILE, stat.S_IFDIR: FileType.DIRECTORY, stat.S_IFLNK: FileType.LINK}


class Files:
    """HostView's and Executor's methods for paths, beneath one root."""

    def __init__(self, root: SafeRoot, ownership: Ownership, ids: Ids, archives: str) -> None:
        """`archives` is the directory on this machine for archives of homes."""
        self._root = root
        self._archives = archives
        self._ids = ids
        self._ownership = ownership
        self._coming: list[PathAction] = []
        self._done: dict[HomeAction, HostError | None] = {}

    def entry(self, path: str) -> Entry | None:
        """As HostView.entry."""
        status = self._root.stat(path)
        if status is None:
            return None
        kind = _TYPES.get(stat.S_IFMT(status.st_mode), FileType.OTHER)
        target = self._target(path) if kind is FileType.LINK else ""
        mode, owner, group = self._ownership.describe(path, status)
        return Entry(
            kind,
            mode,
            owner,
            group,
            status.st_size,
            status.st_mtime_ns,
            status.st_nlink,
            target,
            status.st_ctime_ns,
        )

    def read(self, path: str) -> bytes:
        """As HostView.read."""
        return self._root.read(path)

    def names(self, path: str) -> tuple[str, ...]:
        """As HostView.names.

        A temporary file that a killed run of ours left does not count: an apply removes it first.
        """
        return tuple(name for name in self._root.names(path) if not is_temporary(name))

    def capture(self, path: str) -> PreImage:
        """The pre-image of a path, bit for bit. Raises Unreadable, UnsafePath."""
        entry = self.entry(path)
        if entry is None:
            return PreImage(path, None)
        if entry.type is FileType.OTHER:
            raise UnsafePath(
                "not a file, directory or link", f"{path} is a FIFO, socket or device; it is left alone"
            )
        content = self.read(path) if entry.type is FileType.FILE else None
        return PreImage(
            path,
            entry.type,
            entry.mode,
            entry.owner,
            entry.group,
            entry.target,
            content,
            self.attributes(path),
        )

    def attributes(self, path: str) -> Attributes:
        """As HostView.attributes."""
        entry = self.entry(path)
        if entry is None or entry.type not in (FileType.FILE, FileType.DIRECTORY):
            return ()
        try:
            return self._attributes(path)
        except OSError as error:
            raise unreadable(path, error) from error

    def prepare(self, actions: Sequence[Action]) -> None:
        """As Executor.prepare.

        Actions in homes that follow each other are done by one process with the users' rights. The
        directories of several actions are made durable together, by `finish`.
        """
        from reconciler.host.files.sync_batch import Unsynced  # a plan never writes

        self._coming = [action for action in actions if isinstance(action, PathAction)]
        self._done = {}
        self._root.unsynced = Unsynced() if len(self._coming) > 1 else None

    def sync(self) -> None:
        """Make the actions since `prepare` durable."""
        if self._root.unsynced is not None:
            self._root.unsynced.sync()

    @contextmanager
    def one_by_one(self) -> Iterator[None]:
        """In the block each action is durable before the next one, and those before the block already."""
        self.sync()
        batch, self._root.unsynced = self._root.unsynced, None
        try:
            yield
        finally:
            self._root.unsynced = batch

    def finish(self) -> dict[str, str]:
        """As Executor.finish."""
        batch, self._root.unsynced = self._root.unsynced, None
        failed = batch.end() if batch else {}
        if not failed:
            return {}
        from reconciler.host.files.dir_entry import not_durable

        return {path: str(not_durable(path, reason)) for path, reason in failed.items()}

    def execute(self, action: PathAction) -> str:
        """Carry out a path action, and return the detail to print with it, often empty.

        Raises ActionFailed, UnsafePath; then the path is as it was.
        """
        self._root.forget()
        if isinstance(action, RemovePath | RemoveTree):
            self.sync()  # the successor of a removed path is durable before the removal
        try:
            return self._execute(action)
        except OSError as error:
            from reconciler.host.files.dir_entry import explain

            raise explain(action.path, error) from error
        finally:
            self._root.forget()

    def leftovers(self, directories: tuple[str, ...]) -> tuple[str, ...]:
        """Our temporary files that a killed run left in these directories.

        Call it only under the lock of an apply: the files of another run would look the same. One of them can
        be the file that was in place a moment before: save it (`capture`) before it is removed.
        """
        return tuple(
            f"{at.rstrip('/')}/{name}"
            for at in directories
            for name in self._root.names(at)
            if is_temporary(name)
        )

    def _execute(self, action: PathAction) -> str:
        if isinstance(action, WriteFile | EditLines | MakeDirectory | SetAccess) and action.as_user:
            self._execute_as_user(action)
            return ""
        if isinstance(action, ArchiveTree | RemoveTree | RestoreTree):
            from reconciler.host.files.homes import whole_trees  # starts programs, rarely needed

            return whole_trees.execute(self._root, self._ownership, self._archives, action)
        from reconciler.host.files import edit_lines, path_actions, remove_path  # a plan never writes

        match action:
            case WriteFile():
                path_actions.write_file(self._root, self._ownership, action)
            case EditLines():
                edit_lines.edit_lines(self._root, self._ownership, action)
            case MakeDirectory():
                path_actions.make_directory(self._root, self._ownership, action)
            case SetAccess():
                path_actions.set_access(self._root, self._ownership, action)
            case MakeLink():
                path_actions.make_link(self._root, self._ownership, action)
            case RemovePath():
                remove_path.remove_path(self._root, self._ownership, action)
        return ""

    def _execute_as_user(self, action: HomeAction) -> None:
        from reconciler.host.files.homes import as_user  # only where there are homes

        if action in self._done:
            failed = self._done.pop(action)
            if failed is not None:
                raise failed
            return
        self._done = dict(
            as_user.execute(self._root, self._ownership, self._ids, action, tuple(self._after(action)))
        )

    def _after(self, action: HomeAction) -> Iterator[HomeAction]:
        """Yield the actions that come next, up to the first that is not done in a home."""
        start = self._coming.index(action) + 1 if action in self._coming else len(self._coming)
        for following in self._coming[start:]:
            if not isinstance(following, WriteFile | EditLines | MakeDirectory | SetAccess):
                return
            if not following.as_user:
                return
            yield following

    def _target(self, path: str) -> str:
        directory, name = self._root.parent(path)
        try:
            return os.readlink(name, dir_fd=directory)
        except OSError as error:
            raise UnsafePath("changes while it is read", f"{path}: {error.strerror}") from error

    def _attributes(self, path: str) -> Attributes:
        from reconciler.host.files.xattrs import read_attributes  # most plans ask for none

        directory, name = self._root.parent(path)
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
        try:
            return read_attributes(fd)
        finally:
            os.close(fd)
