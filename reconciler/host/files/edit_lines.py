"""EditLines on disk: read, edit, and put the whole new file in place as WriteFile does."""

from __future__ import annotations

from reconciler.core.actions import ABSENT, EditLines, WriteFile
from reconciler.core.basics.digest import digest
from reconciler.core.host import UnsafePath
from reconciler.host.files import path_actions
from reconciler.host.files.dir_entry import Place
from reconciler.host.files.expects import DIRECTORY, OTHER, not_replaceable
from reconciler.host.files.lines import edited
from reconciler.host.files.ownership import Ownership
from reconciler.host.files.safe_path import SafeRoot, read_at
from reconciler.host.process import failpoints


def edit_lines(root: SafeRoot, ownership: Ownership, action: EditLines) -> None:
    """Carry out EditLines.

    A file that already is as it should be stays the same file. Raises ActionFailed, UnsafePath, OSError.
    """
    ownership.check(action.owner, action.group)
    with Place(root, action.path) as place:
        content = _content(place, action.expects)
        failpoints.hit("edit.read")
        if nothing_to_do(action, content):
            return
        new = edited(content or b"", action.add, action.remove)
        status = place.stat()
        if (
            status is not None
            and new == content
            and ownership.describe(action.path, status) == (action.mode, action.owner, action.group)
        ):
            return
    write = WriteFile(action.path, new, digest(new), action.mode, action.owner, action.group, action.expects)
    path_actions.write_file(root, ownership, write)


def nothing_to_do(action: EditLines, content: bytes | None) -> bool:
    """Whether lines are only to be taken out of a file that is not there."""
    return content is None and bool(action.remove) and not action.add


def _content(place: Place, expects: str) -> bytes | None:
    """The present content, None when there is no file. Raises ActionFailed unless it is the expected one."""
    try:
        content = read_at(place.fd, place.name, place.path)
    except FileNotFoundError:
        if expects != ABSENT:
            raise place.changed(expects, ABSENT) from None
        return None
    except UnsafePath:
        state = place.look()
        if state == expects == DIRECTORY:
            raise not_replaceable(place.path) from None
        if state in (OTHER, expects):
            raise
        raise place.changed(expects, state) from None
    if digest(content) != expects:
        raise place.changed(expects, digest(content))
    return content
