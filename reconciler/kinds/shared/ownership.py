"""Owners, modes and directories of paths: how to read them and to refer to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypedDict

from reconciler.core.actions import ABSENT
from reconciler.core.address import Address
from reconciler.core.basics.digest import digest
from reconciler.core.changes import Document, Observed
from reconciler.core.host import Entry, FileType, HostView, Unreadable, UnsafePath

ACCESS = ("mode", "owner", "group")


class Access(TypedDict):
    """The mode, owner and group of a path."""

    mode: str
    owner: str
    group: str


def parents(path: str) -> Iterator[str]:
    """Yield every directory above `path`, the nearest first, without `/`."""
    while (path := path.rpartition("/")[0]) not in ("", "/"):
        yield path


def above(*paths: str) -> Iterator[Address]:
    """Yield the addresses of all directories above these paths: those declared come before the paths."""
    for path in paths:
        for parent in parents(path):
            yield Address("directories", parent)


def owners(owner: str, group: str) -> Iterator[Address]:
    """Yield the addresses of the accounts that an owner and a group refer to, should they be declared."""
    yield Address("users", owner)
    yield Address("groups", group)
    # A user comes with a group of the same name.
    yield Address("users", group)


def expected(observed: Observed) -> str:
    """The `expects` of an action on what was observed: a digest, `link:TARGET`, the type, or ABSENT."""
    return observed.expects if observed.document is not None else ABSENT


def read_entry(view: HostView, path: str) -> tuple[Entry | None, bytes]:
    """The entry at a path, with the content of a regular file.

    Raises Unreadable, UnsafePath.
    """
    entry = view.entry(path)
    return entry, view.read(path) if entry is not None and entry.type is FileType.FILE else b""


def digest_entry(view: HostView, path: str) -> tuple[Entry | None, str]:
    """The entry at a path, with the digest of a regular file's content.

    Raises Unreadable, UnsafePath.
    """
    entry = view.entry(path)
    return entry, view.digest(path) if entry is not None and entry.type is FileType.FILE else ""


def path_document(entry: Entry) -> Document:
    """The facts about a path that do not depend on its content."""
    if entry.type is FileType.LINK:
        return {"type": "link", "target": entry.target}
    return {"type": str(entry.type), "mode": entry.mode, "owner": entry.owner, "group": entry.group}


def expects_of(entry: Entry, content: bytes) -> str:
    """The `expects` of a later action on the entry: the state that it must still find."""
    return expects_with(entry, (entry.digest or digest(content)) if entry.type is FileType.FILE else "")


def expects_with(entry: Entry, content_digest: str) -> str:
    """As `expects_of`, with the digest of the content."""
    if entry.type is FileType.FILE:
        return content_digest
    return f"link:{entry.target}" if entry.type is FileType.LINK else str(entry.type)


def unreadable(error: Unreadable | UnsafePath) -> Observed:
    """An observation that could not be made, with the reason."""
    return Observed(None, unreadable=str(error), hidden=isinstance(error, Unreadable))


def access_of(document: Mapping[str, Any]) -> Access:
    """Mode, owner and group of a document, as the arguments of an action."""
    return {"mode": document["mode"], "owner": document["owner"], "group": document["group"]}
