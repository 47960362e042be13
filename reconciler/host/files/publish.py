"""Putting a finished file in place and taking one out, without losing what somebody else wrote meanwhile.

Between the last look and the rename somebody can still change the file. So the new file is *exchanged* with
the one in place, and the displaced one is looked at: if it is not the expected one, it goes back. Where the
file system cannot exchange (NFS), a plain rename must do.
"""

from __future__ import annotations

import os

from reconciler.core.actions import ABSENT
from reconciler.core.basics.frozen import frozen
from reconciler.core.host import ActionFailed
from reconciler.host.files.dir_entry import Place
from reconciler.host.files.expects import DIRECTORY
from reconciler.host.files.renameat2 import exchange, rename_new
from reconciler.host.process import failpoints


@frozen
class _NewFile:
    """The file that we are about to put in place: its inode, and its state in the words of `expects`.

    Its times would prove less: they are milliseconds apart at best.
    """

    inode: int
    state: str

    def is_at(self, place: Place, name: str) -> bool:
        status = place.stat(name)
        return status is not None and status.st_ino == self.inode and place.look(name) == self.state


def publish(place: Place, temporary: str, expects: str, state: str) -> None:
    """Put the finished temporary file or link in place of what `expects` names.

    Raises ActionFailed, UnsafePath, OSError; then the file in place is the one that was there. The temporary
    name is gone in both cases.
    """
    new_file = _NewFile(os.stat(temporary, dir_fd=place.fd, follow_symlinks=False).st_ino, state)
    try:
        failpoints.hit("publish.ready")
        place.expect(expects)
        failpoints.hit("publish.checked")
        if expects == ABSENT:
            _publish_new(place, temporary, expects)
        else:
            _replace(place, temporary, expects, new_file)
    except BaseException:
        if new_file.is_at(place, temporary):
            place.unlink(temporary)
        raise


def _publish_new(place: Place, temporary: str, expects: str) -> None:
    try:
        rename_new(place.fd, temporary, place.name)
    except FileExistsError as error:
        raise place.changed(expects, place.look()) from error


def _replace(place: Place, temporary: str, expects: str, new_file: _NewFile) -> None:
    try:
        exchanged = exchange(place.fd, temporary, place.name)
    except FileNotFoundError as error:
        raise place.changed(expects, place.look()) from error
    if not exchanged:
        os.rename(temporary, place.name, src_dir_fd=place.fd, dst_dir_fd=place.fd)
        return
    try:
        failpoints.hit("publish.exchanged")
        displaced = place.look(temporary)
    except BaseException:
        _put_back(place, temporary, new_file)
        raise
    if displaced != expects:
        _put_back(place, temporary, new_file)
        raise place.changed(expects, displaced)
    try:
        place.unlink(temporary)
    except OSError:
        # Half done would be worse than not done: nobody would know that the new file is in force.
        _put_back(place, temporary, new_file)
        raise


def _put_back(place: Place, temporary: str, new_file: _NewFile) -> None:
    """Give the displaced file, which is somebody's new one, its name back.

    Raises ActionFailed when somebody wrote yet another one meanwhile: that one stays.
    """
    try:
        exchange(place.fd, temporary, place.name)
    except FileNotFoundError:
        rename_new(place.fd, temporary, place.name)
        return
    if new_file.is_at(place, temporary):
        return
    # A third version took the place of our file in between: that is the newest.
    exchange(place.fd, temporary, place.name)
    raise _keep_beside(place, temporary)


def take_out(place: Place, expects: str) -> None:
    """Remove the entry, which `expects` names. Raises ActionFailed when it is another one, OSError."""
    if expects == DIRECTORY:
        os.rmdir(place.name, dir_fd=place.fd)
        return
    temporary = place.temporary()
    rename_new(place.fd, place.name, temporary)
    failpoints.hit("remove.renamed")
    state = place.look(temporary)
    if state == expects:
        place.unlink(temporary)
        return
    try:
        rename_new(place.fd, temporary, place.name)
    except FileExistsError:
        raise _keep_beside(place, temporary) from None
    raise place.changed(expects, state)


def _keep_beside(place: Place, temporary: str) -> ActionFailed:
    """Keep a version that a newer one has overtaken under a name of its own; the error that says so."""
    name = f".reconciler.{os.urandom(8).hex()}.kept"
    rename_new(place.fd, temporary, name)
    return ActionFailed(
        "changed twice meanwhile",
        f"{place.path}: the newest version is in place, the one before is {name} beside it",
    )
