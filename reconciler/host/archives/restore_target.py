"""The directory that a restore unpacks into: new or empty, ours, and held by descriptor.

Nobody can put another one in its place meanwhile.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from reconciler.core.host import HostError
from reconciler.host.archives.private_directory import Refused
from reconciler.host.files.descriptors import descriptor
from reconciler.host.files.safe_path import SafeRoot, kind_of
from reconciler.host.process.streams import write_all

_CHUNK = 1 << 20


def above_of(path: str) -> str:
    """The directory above a target: it is on the disk that the target is on, or will be."""
    return os.path.dirname(os.path.normpath(os.path.join(os.getcwd(), path)))


@contextmanager
def restore_target(path: str) -> Iterator[int]:
    """A descriptor of an empty directory, which is made, 0700, if only it is missing.

    One that is there is 0700 as well until the end: the owners of restored directories could put a link where
    root is about to unpack. A relative path counts from the working directory. When the block raises, a
    directory that was made for it and is still empty is removed again.

    Raises Refused, UnsafePath, Unreadable.
    """
    path = os.path.normpath(os.path.join(os.getcwd(), path))
    with SafeRoot("/") as root:
        try:
            parent, name = root.parent(path)
            made = _make(parent, name)
            fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        except FileNotFoundError as error:
            raise Refused(
                "the directory above does not exist", f"{path}: {error.filename} {error.strerror}"
            ) from error
        except OSError as error:
            raise Refused("not a directory that can be used", f"{path}: {error.strerror}") from error
        try:
            _must_be_ours(fd, path)
            try:
                with _closed_to_others(fd):
                    yield fd
            except BaseException:
                if made and not os.listdir(fd):
                    os.rmdir(name, dir_fd=parent)
                raise
        finally:
            os.close(fd)


@contextmanager
def _closed_to_others(fd: int) -> Iterator[None]:
    """Keep an open directory 0700; at the end it gets its mode back, unless the archive gave it one."""
    status = os.fstat(fd)
    before = stat.S_IMODE(status.st_mode)
    if before == 0o700 or status.st_uid != os.geteuid():  # root's, which an ordinary user cannot write to
        yield
        return
    os.fchmod(fd, 0o700)
    try:
        yield
    finally:
        if stat.S_IMODE(os.fstat(fd).st_mode) == 0o700:
            os.fchmod(fd, before)


def send_file(path: str, to_fd: int) -> None:
    """Write the regular file at `path` to an open descriptor. Raises Refused, HostError."""
    with SafeRoot("/") as root:
        parent, name = root.parent(path)
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            raise Refused("not a file that can be streamed", f"{path} is {kind_of(status.st_mode)}")
        with descriptor(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)) as fd:
            while chunk := os.read(fd, _CHUNK):
                write_all(to_fd, chunk)


@contextmanager
def inner_directory(target: int) -> Iterator[str]:
    """The path of a new directory in the open `target`, for a program that has the descriptor; whatever it
    puts there is in `target` itself afterwards, also when the block raises.

    restic 0.18 takes a path that ends in a descriptor for a link, and would remove it.
    """
    name = f".restoring-{os.urandom(8).hex()}"
    os.mkdir(name, 0o700, dir_fd=target)
    try:
        yield f"/proc/self/fd/{target}/{name}"
    finally:
        with descriptor(os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=target)) as inner:
            for entry in os.listdir(inner):
                os.rename(entry, entry, src_dir_fd=inner, dst_dir_fd=target)
        os.rmdir(name, dir_fd=target)


def as_on_the_host(target: int, directories: Sequence[str]) -> None:
    """Give directories below the open `target`, which stands for `/`, their mode and owner on this host.

    Those that this host lacks stay as they are. This is for archives that have not recorded them: tar makes
    them 0700. The deepest are first, while nobody else can enter those above them.
    """
    for path in sorted(directories, reverse=True):
        try:
            status = os.lstat(path)
            fd = os.open(
                f".{path}", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=target
            )
        except OSError:
            continue
        with descriptor(fd):
            if stat.S_ISDIR(status.st_mode):
                if os.geteuid() == 0:
                    os.fchown(fd, status.st_uid, status.st_gid)
                os.fchmod(fd, stat.S_IMODE(status.st_mode))


def owners_and_modes(directories: Sequence[str], root: str) -> dict[str, tuple[int, int, int]]:
    """The mode, uid and gid of directories of the host, or of the tree at `root`."""
    statuses = {path: os.lstat(root + path) for path in directories}
    return {
        path: (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
        for path, status in statuses.items()
    }


def as_recorded(target: int, directories: Mapping[str, tuple[int, int, int]]) -> None:
    """Give directories below the open `target`, which stands for `/`, the mode, uid and gid of a record; the
    deepest are first, while nobody else can enter those above them.
    """
    for path, (mode, uid, gid) in sorted(directories.items(), reverse=True):
        try:
            fd = os.open(
                f".{path}", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=target
            )
        except OSError:
            continue  # not one that leads to what was unpacked
        with descriptor(fd):
            if os.geteuid() == 0:
                os.fchown(fd, uid, gid)
            os.fchmod(fd, mode)


def lexists_below(target: int, path: str) -> bool:
    """Whether something is at a path below the open `target`, which stands for `/`."""
    try:
        os.stat(f".{path}", dir_fd=target, follow_symlinks=False)
    except OSError:
        return False
    return True


def remove_all(target: int) -> None:
    """Remove everything in the open `target`: rm(1) goes by descriptors, and no depth is too deep for it.

    Raises HostError.
    """
    from reconciler.host.process.pipeline import pipe  # only where an archive is damaged

    names = os.listdir(target)
    argv = ["rm", "-rf", "--one-file-system", "--", *(f"/proc/self/fd/{target}/{name}" for name in names)]
    (ended,) = pipe([argv], lambda _: None, pass_fds=(target,))
    if ended.rc:
        raise HostError("what was unpacked of a damaged archive cannot be removed", ended.reason)


def clear_attributes(target: int) -> None:
    """Make all directories below the open `target` 0700, without extended attributes and ACLs.

    tar adds those of an archive to those that a directory has already, and removes none; and a new directory
    would keep the setgid bit that it inherits.
    """
    for _, names, _, fd in os.fwalk(".", dir_fd=target, follow_symlinks=False):
        for attribute in os.listxattr(fd):
            with suppress(OSError):  # not ours to change, such as a label of SELinux
                os.removexattr(fd, attribute)
        for name in names:  # before they are entered, which their owner may not be allowed to
            if stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
                os.chmod(name, 0o700, dir_fd=fd)


def _make(parent: int, name: str) -> bool:
    """Make the directory, 0700; False when the name is there already."""
    try:
        os.mkdir(name, 0o700, dir_fd=parent)
    except FileExistsError:
        return False
    return True


def _must_be_ours(fd: int, path: str) -> None:
    status = os.fstat(fd)
    if os.listdir(fd):
        raise Refused(
            "the directory is not empty",
            f"{path}: name a new or an empty one; nothing is put over files that are there",
        )
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o022:
        raise Refused(
            "others can change the directory", f"{path}: name one that only root can write to, or a new one"
        )
