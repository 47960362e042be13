"""Putting a finished file in place, and taking one out, so that nothing that somebody else wrote meanwhile is
lost.

Between the last look and the rename somebody can still change the file. So the new file is *exchanged* with
what is there, what came out is looked at, and if it is not what was expected it goes back. Where the file
system cannot exchange (NFS), a plain rename must do.
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
class _Ours:
    """The file that we are about to put in place: inode, and content in the words of `expects`.

    Times tell less: they are milliseconds coarse.
    """

    inode: int
    state: str

    def is_at(self, place: Place, name: str) -> bool:
        found = place.stat(name)
        return found is not None and found.st_ino == self.inode and place.look(name) == self.state


def publish(place: Place, temporary: str, expects: str, state: str) -> None:
    """Put the finished temporary file or link in place of what is expected there.

    Afterwards the temporary name is gone.
    """
    ours = _Ours(os.stat(temporary, dir_fd=place.fd, follow_symlinks=False).st_ino, state)
    try:
        failpoints.hit("publish.ready")
        place.expect(expects)
        failpoints.hit("publish.checked")
        if expects == ABSENT:
            _publish_new(place, temporary, expects)
        else:
            _replace(place, temporary, expects, ours)
    except BaseException:
        if ours.is_at(place, temporary):
            place.unlink(temporary)
        raise


def _publish_new(place: Place, temporary: str, expects: str) -> None:
    try:
        rename_new(place.fd, temporary, place.name)
    except FileExistsError as error:
        raise place.changed(expects, place.look()) from error


def _replace(place: Place, temporary: str, expects: str, ours: _Ours) -> None:
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
        _put_back(place, temporary, ours)
        raise
    if displaced != expects:
        _put_back(place, temporary, ours)
        raise place.changed(expects, displaced)
    place.unlink(temporary)


def _put_back(place: Place, temporary: str, ours: _Ours) -> None:
    """The file that came out of the exchange is somebody's new one.

    It gets its name back, unless that somebody was at it again meanwhile.
    """
    try:
        exchange(place.fd, temporary, place.name)
    except FileNotFoundError:
        rename_new(place.fd, temporary, place.name)
        return
    if ours.is_at(place, temporary):
        return
    # A third version took our file's place in between: that is the newest. The one before it is kept under a
    # name of its own.
    exchange(place.fd, temporary, place.name)
    kept = f".reconciler.{os.urandom(8).hex()}.kept"
    rename_new(place.fd, temporary, kept)
    raise _changed_twice(place, kept)


def take_out(place: Place, expects: str) -> None:
    """Remove what is expected there. Raises ActionFailed when it turns out to be something else, OSError."""
    if expects == DIRECTORY:
        os.rmdir(place.name, dir_fd=place.fd)
        return
    temporary = place.temporary()
    rename_new(place.fd, place.name, temporary)
    failpoints.hit("remove.renamed")
    found = place.look(temporary)
    if found == expects:
        place.unlink(temporary)
        return
    try:
        rename_new(place.fd, temporary, place.name)
    except FileExistsError:
        kept = f".reconciler.{os.urandom(8).hex()}.kept"
        rename_new(place.fd, temporary, kept)
        raise _changed_twice(place, kept) from None
    raise place.changed(expects, found)


def _changed_twice(place: Place, kept: str) -> ActionFailed:
    return ActionFailed(
        "changed twice meanwhile",
        f"{place.path}: the newest version is in place, the one before is {kept} beside it",
    )
