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
    """EditLines.

    A file that already is as it should be stays the same file. Raises ActionFailed, UnsafePath, OSError.
    """
    ownership.check(action.owner, action.group)
    with Place(root, action.path) as place:
        content = _content(place, action.expects)
        failpoints.hit("edit.read")
        if nothing_to_do(action, content):
            return
        new = edited(content or b"", action.add, action.remove)
        found = place.stat()
        if (
            found is not None
            and new == content
            and ownership.describe(action.path, found) == (action.mode, action.owner, action.group)
        ):
            return
    whole = WriteFile(action.path, new, digest(new), action.mode, action.owner, action.group, action.expects)
    path_actions.write_file(root, ownership, whole)


def nothing_to_do(action: EditLines, content: bytes | None) -> bool:
    """Whether lines are only to be taken out of a file that is not there."""
    return content is None and bool(action.remove) and not action.add


def _content(place: Place, expects: str) -> bytes | None:
    """The content that is there, which must be what is expected; None when nothing is."""
    try:
        content = read_at(place.fd, place.name, place.path)
    except FileNotFoundError:
        if expects != ABSENT:
            raise place.changed(expects, ABSENT) from None
        return None
    except UnsafePath:
        found = place.look()
        if found == expects == DIRECTORY:
            raise not_replaceable(place.path) from None
        if found in (OTHER, expects):
            raise
        raise place.changed(expects, found) from None
    if digest(content) != expects:
        raise place.changed(expects, digest(content))
    return content
