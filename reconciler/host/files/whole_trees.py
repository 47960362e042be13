"""Whole directories on disk, the homes of accounts that go: kept as an archive, taken apart, and put back.

Everything is reached by descriptors, so that a link which somebody puts in the way is an entry like any other
and never a way out. The content of an archive is compared with the directory before the archive gets its
name; a tree that is removed vanishes by one rename before the first file goes.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from reconciler.core.actions import ABSENT, ArchiveTree, MakeDirectory, RemoveTree, RestoreTree, remnant
from reconciler.core.host import ActionFailed, HostError, UnsafePath
from reconciler.host.archives import tar
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
"""Components of a path that may go as a whole: nothing that lies directly below the root."""


def execute(
    root: SafeRoot, ownership: Ownership, archives: str, action: ArchiveTree | RemoveTree | RestoreTree
) -> str:
    """Do it; what there is to say of it.

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
    """ArchiveTree.

    One that is there already and holds the very same is it. Raises ActionFailed, UnsafePath, OSError.
    """
    with Place(root, action.path) as place, _directory(place.fd, place.name, action.path) as top:
        _refuse_mounts(root, action.path)
        with _archives(archives) as store:
            if _is_there(store, action.archive):
                if not _differences(store, action.archive, top):
                    return f"was kept already: {archives}/{action.archive}"
                _move_aside(store, action.archive)
            size = _write(store, action.archive, top)
    return f"{archives}/{action.archive}, {size} bytes"


def _write(store: int, name: str, top: int) -> int:
    """The archive under its name, whole and compared; its size. Nothing of that name when this raises."""
    temporary = f".{name}.new"
    with suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=store)
    fd = os.open(temporary, _NEW, 0o600, dir_fd=store)
    try:
        failpoints.hit("archive.begun")
        written = tar.create_of(fd, top)
        failpoints.hit("archive.written")
        _refuse_differences(tar.compare_with(fd, top))
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


def _refuse_differences(found: Sequence[str]) -> None:
    if found:
        detail = f"{found[0]} (changed while it was read?); it was thrown away, and nothing is removed"
        raise ActionFailed("the archive is not what is there", detail)


def _differences(store: int, name: str, top: int) -> Sequence[str]:
    fd = os.open(name, _FILE, dir_fd=store)
    try:
        return tar.compare_with(fd, top)
    except tar.ArchiveError as error:
        return (error.detail,)
    finally:
        os.close(fd)


def _move_aside(store: int, name: str) -> None:
    n = 1
    while _is_there(store, f"{name}.{n}"):
        n += 1
    rename_new(store, name, f"{name}.{n}")


@contextmanager
def _archives(path: str) -> Iterator[int]:
    """The directory of the archives, open; made 0700 if it is missing.

    Raises UnsafePath when it is somebody else's.
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
        found = os.fstat(fd)
        if found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise UnsafePath(
                "the directory of the archives is open to others", f"{path}: chown root, chmod 0700"
            )
        yield fd
    finally:
        os.close(fd)


# --------------------------------------------------------------------------------------------------- removing


def remove_tree(root: SafeRoot, ownership: Ownership, archives: str, action: RemoveTree) -> str:
    """RemoveTree.

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
        if (found := place.stat()) is None:
            return "was gone already"
        if stat.S_ISREG(found.st_mode) and not action.archive:
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
        ownership.drop_below(action.path)  # what is kept comes back with the owners that are recorded for it
    failpoints.hit("tree.done")
    return ""


def _take_away(place: Place, remains: str, seen: os.stat_result) -> None:
    """From here on nobody finds it any more. If it is another one than was looked at, it goes back."""
    rename_new(place.fd, place.name, remains)
    found = place.stat(remains)
    if found is None or (found.st_dev, found.st_ino) != (seen.st_dev, seen.st_ino):
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

    No deeper than two levels at any time: each subdirectory is first moved to the top.

    A mount point cannot be moved, so that none is ever entered, and a link is a name to unlink.
    """
    with _directory(parent, name, path) as top:
        device = os.fstat(top).st_dev
        moved = _lift(top, top, [])
        while moved:
            inner = moved.pop()
            with _directory(top, inner, path) as fd:
                if os.fstat(fd).st_dev != device:
                    raise UnsafePath("another file system is in the way", f"below {path}; unmount it first")
                _lift(fd, top, moved)
            os.rmdir(inner, dir_fd=top)
            failpoints.hit("tree.step")
    os.rmdir(name, dir_fd=parent)


def _lift(fd: int, top: int, moved: list[str]) -> list[str]:
    """Unlink what is no directory; directories go to the top under new names, which are added to `moved`."""
    while names := os.listdir(fd):
        for name in names:
            if fd == top and name in moved:
                continue
            found = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
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
    """RestoreTree. Raises ActionFailed, UnsafePath, OSError."""
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
    with _directory(parent, temporary, action.path) as top, _archives(archives) as store:
        try:
            fd = os.open(action.archive, _FILE, dir_fd=store)
        except FileNotFoundError as error:
            detail = f"{archives}/{action.archive} is gone; {action.path} cannot be put back"
            raise ActionFailed("the archive is missing", detail) from error
        try:
            tar.extract(fd, "gzip", top, (), as_root=os.geteuid() == 0)
            _refuse_differences(tar.compare_with(fd, top) if os.geteuid() == 0 else ())
        finally:
            os.close(fd)
        as_directory = MakeDirectory(action.path, action.mode, action.owner, action.group)
        path_actions.hold_with(top, ownership, as_directory, action.attributes or ())
        if ctypes.CDLL(None, use_errno=True).syncfs(top) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


# ---------------------------------------------------------------------------------------------------- parts


@contextmanager
def _directory(parent: int, name: str, path: str) -> Iterator[int]:
    """A directory by its descriptor.

    Raises UnsafePath for a link or anything else, ActionFailed when it is gone.
    """
    try:
        fd = os.open(name, _DIRECTORY, dir_fd=parent)
    except FileNotFoundError as error:
        raise ActionFailed("nothing is there", f"{path} is gone; plan again") from error
    except NotADirectoryError as error:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        raise UnsafePath(
            "not a directory", f"{path} is {kind_of(found.st_mode)}; it is left alone"
        ) from error
    try:
        yield fd
    finally:
        os.close(fd)


def _refuse_mounts(root: SafeRoot, path: str) -> None:
    """Nothing may be mounted there or below: what is on another file system is not ours to take away."""
    real = f"{root.root}{path}"
    found = sorted(point for point in mount_points() if point == real or point.startswith(f"{real}/"))
    if found:
        raise UnsafePath(
            "another file system is in the way",
            f"{found[0]} is a mount point; unmount it first, nothing is removed",
        )


def _is_there(store: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=store, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
