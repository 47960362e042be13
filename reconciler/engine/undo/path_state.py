"""The state of a path, as far as a rollback has to tell states apart: before a run, after it, and now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import assert_never

from reconciler.core.actions import (
    ABSENT,
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
from reconciler.core.basics.digest import digest, keyed_digest
from reconciler.core.basics.frozen import frozen
from reconciler.core.host import FileType, HostView, PreImage

Edited = Callable[[bytes, Sequence[str], Sequence[str]], bytes]
"""Content with lines added and removed, as EditLines does it."""

_DIRECTORY = "directory"


@frozen
class PathState:
    """A file, directory or link. An empty field, and None for `attributes`, is not known and fits any.

    `digest` is of a file's content, with the host's key if it begins with `hmac:`; `content` is the content
    itself, where it is known.
    """

    type: FileType
    mode: str = ""
    owner: str = ""
    group: str = ""
    digest: str = ""
    target: str = ""
    content: bytes | None = None
    attributes: Attributes | None = None


LABELS = ("security.selinux", "security.SMACK64", "security.apparmor", "security.ima", "security.evm")
"""Attributes that a policy or the kernel sets: they say nothing about what somebody has made of a file."""
CAPABILITY = "security.capability"
_OF_USERS = ("user.", "system.posix_acl_")


def compared(attributes: Attributes) -> Attributes:
    """The attributes by which a path is compared."""
    return tuple((name, value) for name, value in attributes if name not in LABELS)


def in_a_home(attributes: Attributes) -> Attributes:
    """The attributes that owners can set on what is their own."""
    return tuple((name, value) for name, value in attributes if name.startswith(_OF_USERS))


def present(view: HostView, path: str) -> PathState | None:
    """The state that is there now. Raises Unreadable, UnsafePath."""
    entry = view.entry(path)
    if entry is None:
        return None
    content = view.read(path) if entry.type is FileType.FILE else None
    name = digest(content) if content is not None else ""
    attributes = compared(view.attributes(path))
    return PathState(
        entry.type, entry.mode, entry.owner, entry.group, name, entry.target, content, attributes
    )


def was(saved: PreImage) -> PathState | None:
    """The state that the undo store has."""
    if saved.type is None:
        return None
    content = saved.content
    name = digest(content) if content is not None else ""
    return PathState(
        saved.type, saved.mode, saved.owner, saved.group, name, saved.target, content, compared(saved.xattrs)
    )


def after(thing: PathState | None, action: PathAction, edited: Edited) -> PathState | None:
    """The state that an action of the journal makes of another one."""
    match action:
        case WriteFile(digest=name):
            return PathState(FileType.FILE, action.mode, action.owner, action.group, name)
        case EditLines():
            return _edited(thing, action, edited)
        case MakeDirectory() | RestoreTree():
            return PathState(FileType.DIRECTORY, action.mode, action.owner, action.group)
        case MakeLink():
            return PathState(FileType.LINK, target=action.target)
        case SetAccess() | ArchiveTree():
            return _with_access(thing, action)
        case RemovePath() | RemoveTree():
            return None
        case _:
            assert_never(action)


def _with_access(thing: PathState | None, action: SetAccess | ArchiveTree) -> PathState | None:
    if thing is None or isinstance(action, ArchiveTree):
        return thing
    # A change of owner takes a capability away, and a change of mode bends an ACL.
    return replace(thing, mode=action.mode, owner=action.owner, group=action.group, attributes=None)


def _edited(thing: PathState | None, action: EditLines, edited: Edited) -> PathState | None:
    if thing is None and action.remove and not action.add:
        return None
    access = (action.mode, action.owner, action.group)
    if thing is not None and thing.content is None:
        return PathState(FileType.FILE, *access)
    content = edited(thing.content or b"" if thing else b"", action.add, action.remove)
    return PathState(FileType.FILE, *access, digest=digest(content), content=content)


def same(first: PathState | None, second: PathState | None, key: bytes) -> bool:
    """Whether two states are equal, as far as both are known."""
    if first is None or second is None:
        return first is second
    if first.type is not second.type:
        return False
    if first.type is FileType.LINK:
        return first.target == second.target and all(
            getattr(first, name) in ("", getattr(second, name)) for name in ("owner", "group")
        )
    if None not in (first.attributes, second.attributes) and first.attributes != second.attributes:
        return False
    return same_access(first, second) and (
        not first.digest or first.digest == _digest_like(first.digest, second, key)
    )


def same_access(first: PathState, second: PathState) -> bool:
    """Whether mode and owner are equal."""
    return all(getattr(first, name) in ("", getattr(second, name)) for name in ("mode", "owner", "group"))


def _digest_like(digest_before: str, state: PathState, key: bytes) -> str:
    return keyed_digest(state.content or b"", key) if digest_before.startswith("hmac:") else state.digest


def expected(thing: PathState | None) -> str:
    """The state as `expects` of an action names it."""
    if thing is None:
        return ABSENT
    names = {
        FileType.FILE: thing.digest,
        FileType.LINK: f"link:{thing.target}",
        FileType.DIRECTORY: _DIRECTORY,
    }
    return names.get(thing.type, "other")


def words(thing: PathState | None) -> str:
    """The state in words for people."""
    if thing is None:
        return "nothing is there any more"
    if thing.type is FileType.LINK:
        return f"it is a link to {thing.target} now"
    return f"it is a {thing.type} of {thing.owner}:{thing.group} with mode {thing.mode} now"
