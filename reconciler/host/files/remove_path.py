"""RemovePath on disk: done and durable, or the path stays as it was."""

from __future__ import annotations

import errno
import os

from reconciler.core.actions import RemovePath
from reconciler.host.files.dir_entry import Place
from reconciler.host.files.ownership import Ownership
from reconciler.host.files.publish import take_out
from reconciler.host.files.safe_path import SafeRoot
from reconciler.host.process import failpoints

_STAYS = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.ENOTDIR, errno.EBUSY, errno.EPERM})
"""Reasons to leave an emptied directory there: it is in use, a mount point, gone, or marked immutable."""


def remove_path(root: SafeRoot, ownership: Ownership, action: RemovePath) -> None:
    """Carry out RemovePath.

    A path that is gone already is success. Raises ActionFailed, UnsafePath, OSError.
    """
    try:
        root.parent(action.path)
    except FileNotFoundError:
        return
    with Place(root, action.path) as place:
        if place.stat() is not None:
            place.expect(action.expects)
            failpoints.hit("remove.checked")
            take_out(place, action.expects)
            failpoints.hit("remove.removed")
            place.sync()
        ownership.drop(action.path)
    if action.prune_parent:
        root.forget()
        _prune_parent(root, ownership, action.path)
    failpoints.hit("remove.done")


def _prune_parent(root: SafeRoot, ownership: Ownership, path: str) -> None:
    """Remove the directory that contained the path, if it is empty now."""
    parent = path.rpartition("/")[0]
    if not parent or root.stat(parent) is None:
        return
    with Place(root, parent) as place:
        try:
            os.rmdir(place.name, dir_fd=place.fd)
        except OSError as error:
            if error.errno in _STAYS:
                return
            raise
        failpoints.hit("remove.pruned")
        place.sync()
        ownership.drop(parent)
