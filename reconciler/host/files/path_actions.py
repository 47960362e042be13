"""The path actions on disk. Each is done and durable, or raises and leaves the path as it was."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from reconciler.core.actions import ABSENT, Attributes, MakeDirectory, MakeLink, SetAccess, WriteFile
from reconciler.core.basics.digest import digest
from reconciler.core.host import ActionFailed, UnsafePath
from reconciler.host.files.dir_entry import Place
from reconciler.host.files.expects import DIRECTORY, not_replaceable
from reconciler.host.files.homes import skeleton
from reconciler.host.files.ownership import Ownership, write_all
from reconciler.host.files.publish import publish
from reconciler.host.files.renameat2 import rename_directory
from reconciler.host.files.safe_path import SafeRoot, kind_of
from reconciler.host.files.xattrs import (
    copy_attributes,
    narrowed,
    read_attributes,
    set_attributes,
    set_capability,
    without_capability,
)
from reconciler.host.process import failpoints

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def write_file(root: SafeRoot, ownership: Ownership, action: WriteFile) -> None:
    """Carry out WriteFile. Raises ActionFailed, UnsafePath, OSError."""
    mode = int(action.mode, 8)
    ownership.check(action.owner, action.group)
    with Place(root, action.path) as place:
        _expect_replaceable(place, action.expects)
        temporary = place.temporary()
        _write_temporary(place, temporary, ownership, action)
        _publish_owned(place, temporary, ownership, action)
        failpoints.hit("write.renamed")
        place.sync()
        failpoints.hit("write.durable")
        record(place, ownership, mode, action.owner, action.group)
    failpoints.hit("write.done")


def make_directory(root: SafeRoot, ownership: Ownership, action: MakeDirectory) -> None:
    """Carry out MakeDirectory. Raises ActionFailed, UnsafePath, OSError.

    The directory gets its name when it has its mode and owner, except a home: that is there from the
    beginning, and closed until the skeleton is in it. An empty directory of this name, which an interrupted
    run may have left, is brought to the mode and owner.
    """
    mode = int(action.mode, 8)
    ownership.check(action.owner, action.group)
    with Place(root, action.path) as place:
        if not action.skeleton and place.stat() is None and _make_whole(place, ownership, action):
            return
        made = _mkdir(place, 0o700)
        failpoints.hit("mkdir.made")
        try:
            if action.skeleton:
                skeleton.fill(root, ownership, action)
            _own_directory(place, place.name, ownership, mode, action, made=made)
        except BaseException:
            if made:
                _attempt(lambda: os.rmdir(place.name, dir_fd=place.fd))
            raise
        failpoints.hit("mkdir.access")
        place.sync()
        record(place, ownership, mode, action.owner, action.group)
    failpoints.hit("mkdir.done")


def set_access(root: SafeRoot, ownership: Ownership, action: SetAccess) -> None:
    """Carry out SetAccess on a regular file with one name or on a directory.

    Raises ActionFailed, UnsafePath, OSError.
    """
    mode = int(action.mode, 8)
    ownership.check(action.owner, action.group)
    with Place(root, action.path) as place:
        status = place.stat()
        if status is None:
            raise ActionFailed("nothing is there", f"{action.path} is gone; plan again")
        _must_be_plain(place, status)
        fd = _open_for_access(place)
        try:
            _must_be_plain(place, os.fstat(fd))
            failpoints.hit("access.opened")
            _change(ownership, fd, mode, action)
        finally:
            os.close(fd)
        record(place, ownership, mode, action.owner, action.group)
    failpoints.hit("access.done")


def make_link(root: SafeRoot, ownership: Ownership, action: MakeLink) -> None:
    """Carry out MakeLink.

    The containing directory is made (0755, root) if nothing above it is missing. Raises ActionFailed,
    UnsafePath, OSError.
    """
    made = _make_parent(root, ownership, action.path)
    try:
        _make_link(root, ownership, action)
    except BaseException:
        if made:
            _remove_parent(root, action.path)
        raise
    failpoints.hit("link.done")


def _expect_replaceable(place: Place, expects: str) -> None:
    place.expect(expects)
    if expects == DIRECTORY:
        raise not_replaceable(place.path)


def _write_temporary(place: Place, temporary: str, ownership: Ownership, action: WriteFile) -> None:
    """Write the whole, durable file under its temporary name; that is gone again when this raises."""
    fd = os.open(temporary, _NEW, 0o600 & int(action.mode, 8), dir_fd=place.fd)
    try:
        failpoints.hit("write.temporary")
        write_all(fd, action.content)
        failpoints.hit("write.content")
        if action.attributes is None:
            ownership.hold(fd, int(action.mode, 8), action.owner, action.group)
            failpoints.hit("write.access")
            _keep_attributes(place, fd)
        else:
            hold_with(fd, ownership, action, action.attributes)
            set_capability(fd, action.attributes)
        failpoints.hit("write.attributes")
        os.fsync(fd)
        failpoints.hit("write.synced")
    except BaseException:
        place.unlink(temporary)
        raise
    finally:
        os.close(fd)


def hold_with(
    fd: int, ownership: Ownership, action: WriteFile | MakeDirectory, attributes: Attributes
) -> None:
    """Set mode, owner and exactly these attributes of a new file or directory.

    At no moment is it open to more people than at the end. Raises ActionFailed, OSError.
    """
    mode = int(action.mode, 8)
    ownership.hold(fd, narrowed(attributes, mode), action.owner, action.group)
    failpoints.hit("write.access")
    set_attributes(fd, attributes)
    # Again: with an ACL the bits of the group are its mask, and a change of attributes may take set-user-id
    # away.
    ownership.hold(fd, mode, action.owner, action.group)


def _keep_attributes(place: Place, fd: int) -> None:
    """Give the new file the attributes of the regular file that it replaces, if there is one."""
    status = place.stat()
    if status is None or not stat.S_ISREG(status.st_mode):
        return
    old = _try_open(place)
    if old is None:
        return
    try:
        if stat.S_ISREG(os.fstat(old).st_mode):
            copy_attributes(old, fd, stat.S_IMODE(os.fstat(fd).st_mode))
    finally:
        os.close(old)


def _try_open(place: Place) -> int | None:
    try:
        return os.open(place.name, _OPEN, dir_fd=place.fd)
    except OSError:
        return None


def _publish_owned(place: Place, temporary: str, ownership: Ownership, action: WriteFile) -> None:
    """Publish the temporary file; the owner of a new file is recorded before.

    After a kill in between, a file without a record would count as root's.
    """
    new = action.expects == ABSENT
    if new:
        record(place, ownership, int(action.mode, 8), action.owner, action.group, temporary)
    try:
        publish(place, temporary, action.expects, digest(action.content))
    except BaseException:
        if new:
            ownership.drop(action.path)
        raise


def _make_whole(place: Place, ownership: Ownership, action: MakeDirectory) -> bool:
    """Make the directory under a temporary name, and rename it when it has its mode and owner.

    False where the file system cannot do that, or the name is taken.
    """
    mode, temporary = int(action.mode, 8), place.temporary()
    os.mkdir(temporary, 0o700, dir_fd=place.fd)
    failpoints.hit("mkdir.temporary")
    try:
        _own_directory(place, temporary, ownership, mode, action, made=True)
        published = rename_directory(place.fd, temporary, place.name)
    except FileExistsError:
        published = False
    except BaseException:
        _attempt(lambda: os.rmdir(temporary, dir_fd=place.fd))
        raise
    if not published:
        os.rmdir(temporary, dir_fd=place.fd)
        return False
    failpoints.hit("mkdir.renamed")
    place.sync()
    record(place, ownership, mode, action.owner, action.group)
    failpoints.hit("mkdir.done")
    return True


def _mkdir(place: Place, mode: int) -> bool:
    """Make the directory; False when an empty one is there already."""
    try:
        os.mkdir(place.name, mode, dir_fd=place.fd)
    except FileExistsError as error:
        if place.look() != DIRECTORY:
            raise place.changed(ABSENT, place.look()) from error
        return False
    return True


def _own_directory(
    place: Place, name: str, ownership: Ownership, mode: int, action: MakeDirectory, *, made: bool
) -> None:
    fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place.fd)
    try:
        if not action.skeleton and os.listdir(fd):
            raise place.changed(ABSENT, DIRECTORY)
        if action.attributes is None:
            (ownership.hold if made else ownership.change)(fd, mode, action.owner, action.group)
        else:
            hold_with(fd, ownership, action, action.attributes)
        failpoints.hit("mkdir.owned")
        os.fsync(fd)
    finally:
        os.close(fd)


def _must_be_plain(place: Place, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        return
    if not stat.S_ISREG(status.st_mode):
        raise UnsafePath(
            "not a file or directory",
            f"{place.path} is {kind_of(status.st_mode)}; its mode and owner are left alone",
        )
    if status.st_nlink > 1:
        detail = (
            f"{place.path} is one of {status.st_nlink} hard links, a change would hit all; find them with"
            f" find -inum {status.st_ino}"
        )
        raise UnsafePath("the file has other names", detail)


def _open_for_access(place: Place) -> int:
    """An fd for fchown and fchmod.

    A file that its owner, an ordinary user, may not read is first opened to the owner and to nobody else.
    """
    try:
        return os.open(place.name, _OPEN, dir_fd=place.fd)
    except PermissionError:
        fd = os.open(place.name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place.fd)
    try:
        _must_be_plain(place, os.fstat(fd))
        os.chmod(f"/proc/self/fd/{fd}", stat.S_IMODE(os.fstat(fd).st_mode) | 0o600)
        return os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    finally:
        os.close(fd)


def _change(ownership: Ownership, fd: int, mode: int, action: SetAccess) -> None:
    before, attributes = os.fstat(fd), () if action.attributes is None else read_attributes(fd)
    try:
        _change_all(ownership, fd, mode, action)
    except BaseException:
        if action.attributes is not None:
            _attempt(lambda: set_attributes(fd, attributes))
        _attempt(lambda: os.fchown(fd, before.st_uid, before.st_gid))
        _attempt(lambda: os.fchmod(fd, stat.S_IMODE(before.st_mode)))
        raise
    failpoints.hit("access.changed")
    os.fsync(fd)


def _change_all(ownership: Ownership, fd: int, mode: int, action: SetAccess) -> None:
    if action.attributes is None:
        ownership.change(fd, mode, action.owner, action.group)
        return
    # Neither the old ACL nor the new one holds for a moment: until then only the owner may use it.
    os.fchmod(fd, stat.S_IMODE(os.fstat(fd).st_mode) & 0o700)
    ownership.change(fd, mode & ~0o077, action.owner, action.group)
    set_attributes(fd, without_capability(action.attributes))
    ownership.change(fd, mode, action.owner, action.group)


def _attempt(step: Callable[[], None]) -> None:
    try:
        step()
    except OSError:
        return


def _make_parent(root: SafeRoot, ownership: Ownership, path: str) -> bool:
    parent = path.rpartition("/")[0]
    if not parent or root.stat(parent) is not None:
        return False
    make_directory(root, ownership, MakeDirectory(parent, "0755", "root", "root"))
    root.forget()
    return True


def _remove_parent(root: SafeRoot, path: str) -> None:
    with Place(root, path.rpartition("/")[0]) as place:
        _attempt(lambda: os.rmdir(place.name, dir_fd=place.fd))


def _make_link(root: SafeRoot, ownership: Ownership, action: MakeLink) -> None:
    with Place(root, action.path) as place:
        _expect_replaceable(place, action.expects)
        temporary = place.temporary()
        os.symlink(action.target, temporary, dir_fd=place.fd)
        if action.owner:
            ownership.own_link(place.fd, temporary, action.owner, action.group)
        failpoints.hit("link.temporary")
        publish(place, temporary, action.expects, f"link:{action.target}")
        failpoints.hit("link.renamed")
        place.sync()
        ownership.drop(action.path)


def record(place: Place, ownership: Ownership, mode: int, owner: str, group: str, name: str = "") -> None:
    """Remember mode and owner where the kernel does not hold them.

    `name` is the temporary name of an entry that has not got its own yet.
    """
    status = place.stat(name)
    if status is not None:
        ownership.record(place.path, status, mode, owner, group)
