"""Whole directories on disk, the homes of accounts that are removed: archived, removed and put back.

Everything is reached by descriptors: a link that somebody puts in the way is an entry like any other and
never a way out. An archive is compared with the directory before it gets its name; a tree that is removed
gets another name before its first file is.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from reconciler.core.actions import ABSENT, ArchiveTree, MakeDirectory, RemoveTree, RestoreTree, remnant
from reconciler.core.host import ActionFailed, HostError, UnsafePath
from reconciler.host.archives import tar, tar_compare
from reconciler.host.files import path_actions
from reconciler.host.files.dir_entry import Place
from reconciler.host.files.ownership import Ownership
from reconciler.host.files.renameat2 import rename_new
from reconciler.host.files.safe_path import SafeRoot, kind_of
from reconciler.host.mounts import mount_points
from reconciler.host.process import failpoints

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_SHALLOWEST = 2
"""Components of the shortest path that may be removed: never a directory directly below the root."""


def execute(
    root: SafeRoot, ownership: Ownership, archives: str, action: ArchiveTree | RemoveTree | RestoreTree
) -> str:
    """Carry out an action on a whole directory, and return the detail to print with it, often empty.

    `archives` is the directory of the archives. Raises ActionFailed, UnsafePath, OSError.
    """
    if action.path.count("/") < _SHALLOWEST:
        raise UnsafePath("not a directory that may go", f"{action.path} is one of the system itself")
    try:
        match action:
            case ArchiveTree():
                return archive_tree(root, archives, action)
            case RemoveTree():
                return remove_tree(root, ownership, archives, action)
            case RestoreTree():
                return restore_tree(root, ownership, archives, action)
    except tar.ArchiveError as error:
        raise ActionFailed(error.summary, f"{action.path}: {error.detail}") from error


# ---------------------------------------------------------------------------------------------------- keeping


def archive_tree(root: SafeRoot, archives: str, action: ArchiveTree) -> str:
    """Carry out ArchiveTree, and return the archive's path with its size.

    An archive of that name with the same content stays as it is; one with another content is kept under
    another name. Raises ActionFailed, UnsafePath, OSError.
    """
    with Place(root, action.path) as place, _directory(place.fd, place.name, action.path) as top:
        _refuse_mounts(root, action.path)
        with _archives(archives) as store:
            if _exists(store, action.archive):
                if not _differences(store, action.archive, top):
                    return f"was kept already: {archives}/{action.archive}"
                _move_aside(store, action.archive)
            size = _write(store, action.archive, top)
    return f"{archives}/{action.archive}, {size} bytes"


def _write(store: int, name: str, top: int) -> int:
    """Write the archive and return its size. It gets its name when it is complete and compared."""
    temporary = f".{name}.new"
    with suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=store)
    fd = os.open(temporary, _NEW, 0o600, dir_fd=store)
    try:
        failpoints.hit("archive.begun")
        written = tar.create_of(fd, top)
        failpoints.hit("archive.written")
        _refuse_differences(tar_compare.compare_with(fd, top))
        failpoints.hit("archive.compared")
        rename_new(store, temporary, name)
        os.fsync(store)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=store)
        raise
    finally:
        os.close(fd)
    failpoints.hit("archive.done")
    return written.bytes


def _refuse_differences(differences: Sequence[str]) -> None:
    if differences:
        detail = f"{differences[0]} (changed while it was read?); it was thrown away, and nothing is removed"
        raise ActionFailed("the archive is not what is there", detail)


def _differences(store: int, name: str, top: int) -> Sequence[str]:
    """The differences between an archive and the directory, or the reason why it cannot be read."""
    fd = os.open(name, _FILE, dir_fd=store)
    try:
        return tar_compare.compare_with(fd, top)
    except tar.ArchiveError as error:
        return (error.detail,)
    finally:
        os.close(fd)


def _move_aside(store: int, name: str) -> None:
    """Keep an older archive as NAME.1, or the next free number."""
    number = 1
    while _exists(store, f"{name}.{number}"):
        number += 1
    rename_new(store, name, f"{name}.{number}")


@contextmanager
def _archives(path: str) -> Iterator[int]:
    """A descriptor of the directory of the archives, which is made, 0700, if it is missing.

    Raises UnsafePath when others can use it, OSError.
    """
    parent, _, name = path.rpartition("/")
    above = os.open(parent or "/", _DIRECTORY)
    try:
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=above)
            os.fsync(above)
        fd = os.open(name, _DIRECTORY, dir_fd=above)
    finally:
        os.close(above)
    try:
        status = os.fstat(fd)
        if status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise UnsafePath(
                "the directory of the archives is open to others", f"{path}: chown root, chmod 0700"
            )
        yield fd
    finally:
        os.close(fd)


# --------------------------------------------------------------------------------------------------- removing


def remove_tree(root: SafeRoot, ownership: Ownership, archives: str, action: RemoveTree) -> str:
    """Carry out RemoveTree, and return "was gone already" or nothing.

    A removal that was killed is finished. Raises ActionFailed, UnsafePath, OSError.
    """
    try:
        root.parent(action.path)
    except FileNotFoundError:
        return "was gone already"
    with Place(root, action.path) as place:
        remains = remnant(action.path).rpartition("/")[2]
        if place.stat(remains) is not None:
            _take_apart(place.fd, remains, action.path)
        if (status := place.stat()) is None:
            return "was gone already"
        if stat.S_ISREG(status.st_mode) and not action.archive:
            os.unlink(place.name, dir_fd=place.fd)
            os.fsync(place.fd)
            ownership.drop(action.path)
            return ""
        with _directory(place.fd, place.name, action.path) as top:
            _refuse_mounts(root, action.path)
            _refuse_unkept(archives, action)
            _take_away(place, remains, os.fstat(top))
        failpoints.hit("tree.renamed")
        _take_apart(place.fd, remains, action.path)
        os.fsync(place.fd)
    if not action.archive:
        ownership.drop_below(action.path)  # a tree that comes back from its archive needs the recorded owners
    failpoints.hit("tree.done")
    return ""


def _take_away(place: Place, remains: str, expected: os.stat_result) -> None:
    """Rename the tree: from here on nobody finds it. One that is not the expected one is renamed back."""
    rename_new(place.fd, place.name, remains)
    status = place.stat(remains)
    if status is None or (status.st_dev, status.st_ino) != (expected.st_dev, expected.st_ino):
        rename_new(place.fd, remains, place.name)
        raise ActionFailed(
            "changed since the plan was made", f"{place.path} was replaced meanwhile; plan again"
        )
    os.fsync(place.fd)


def _refuse_unkept(archives: str, action: RemoveTree) -> None:
    if action.archive and not os.path.isfile(f"{archives}/{action.archive}"):
        raise ActionFailed(
            "there is no archive of it",
            f"{archives}/{action.archive} is missing; {action.path} is left alone",
        )


def _take_apart(parent: int, name: str, path: str) -> None:
    """Remove a directory with everything below it.

    Each subdirectory is moved to the top before it is entered: no path is ever deeper than two levels. A
    mount point cannot be moved, so none is entered; a link is a name to unlink. Raises UnsafePath, OSError.
    """
    with _directory(parent, name, path) as top:
        device = os.fstat(top).st_dev
        moved = _move_up(top, top, [])
        while moved:
            inner = moved.pop()
            with _directory(top, inner, path) as fd:
                if os.fstat(fd).st_dev != device:
                    raise UnsafePath("another file system is in the way", f"below {path}; unmount it first")
                _move_up(fd, top, moved)
            os.rmdir(inner, dir_fd=top)
            failpoints.hit("tree.step")
    os.rmdir(name, dir_fd=parent)


def _move_up(fd: int, top: int, moved: list[str]) -> list[str]:
    """Unlink files and move directories to the top under new names, which are added to `moved`."""
    while names := os.listdir(fd):
        for name in names:
            if fd == top and name in moved:
                continue
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                new = os.urandom(12).hex()
                os.rename(name, new, src_dir_fd=fd, dst_dir_fd=top)
                moved.append(new)
            else:
                os.unlink(name, dir_fd=fd)
        if fd == top:
            break
    return moved


# ----------------------------------------------------------------------------------------------- putting back


def restore_tree(root: SafeRoot, ownership: Ownership, archives: str, action: RestoreTree) -> str:
    """Carry out RestoreTree, and return where it came from. Raises ActionFailed, UnsafePath, OSError."""
    ownership.check(action.owner, action.group)
    with Place(root, action.path) as place:
        if place.stat() is not None:
            raise place.changed(ABSENT, place.look())
        temporary = remnant(action.path, "back").rpartition("/")[2]
        if place.stat(temporary) is not None:
            _take_apart(place.fd, temporary, action.path)
        os.mkdir(temporary, 0o700, dir_fd=place.fd)
        try:
            _unpack(place.fd, temporary, archives, ownership, action)
            failpoints.hit("restore.unpacked")
            rename_new(place.fd, temporary, place.name)
        except BaseException:
            with suppress(OSError, HostError):
                _take_apart(place.fd, temporary, action.path)
            raise
        place.sync()
        path_actions.record(place, ownership, int(action.mode, 8), action.owner, action.group)
    failpoints.hit("restore.done")
    return f"from {archives}/{action.archive}"


def _unpack(parent: int, temporary: str, archives: str, ownership: Ownership, action: RestoreTree) -> None:
    """Unpack the archive into the temporary directory, compare the two and make it durable."""
    with _directory(parent, temporary, action.path) as top, _archives(archives) as store:
        try:
            fd = os.open(action.archive, _FILE, dir_fd=store)
        except FileNotFoundError as error:
            detail = f"{archives}/{action.archive} is gone; {action.path} cannot be put back"
            raise ActionFailed("the archive is missing", detail) from error
        try:
            tar.extract(tar.Packed(fd, "gzip"), top, (), as_root=os.geteuid() == 0)
            _refuse_differences(tar_compare.compare_with(fd, top) if os.geteuid() == 0 else ())
        finally:
            os.close(fd)
        as_directory = MakeDirectory(action.path, action.mode, action.owner, action.group)
        path_actions.hold_with(top, ownership, as_directory, action.attributes or ())
        if ctypes.CDLL(None, use_errno=True).syncfs(top) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


# ---------------------------------------------------------------------------------------------------- parts


@contextmanager
def _directory(parent: int, name: str, path: str) -> Iterator[int]:
    """A descriptor of a directory.

    Raises UnsafePath when it is a link or another thing, ActionFailed when it is gone.
    """
    try:
        fd = os.open(name, _DIRECTORY, dir_fd=parent)
    except FileNotFoundError as error:
        raise ActionFailed("nothing is there", f"{path} is gone; plan again") from error
    except NotADirectoryError as error:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        raise UnsafePath(
            "not a directory", f"{path} is {kind_of(status.st_mode)}; it is left alone"
        ) from error
    try:
        yield fd
    finally:
        os.close(fd)


def _refuse_mounts(root: SafeRoot, path: str) -> None:
    """Raise UnsafePath when something is mounted on the directory or below it: that is not ours to remove."""
    real = f"{root.root}{path}"
    mounted = sorted(point for point in mount_points() if point == real or point.startswith(f"{real}/"))
    if mounted:
        raise UnsafePath(
            "another file system is in the way",
            f"{mounted[0]} is a mount point; unmount it first, nothing is removed",
        )


def _exists(store: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=store, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
