"""Nodes of a file tree in memory, and their paths."""

from __future__ import annotations

import time

from reconciler.core.actions import Attributes
from reconciler.core.basics.frozen import frozen
from reconciler.core.host import Entry, FileType


@frozen
class Node:
    """The present state of a path in an overlay."""

    entry: Entry
    """The entry of the path."""
    content: bytes | None = None
    """The content of a file; None if it is that of the tree below."""
    attributes: Attributes | None = ()
    """The attributes; None if they are those of the tree below."""


def new_directory(mode: str, owner: str, group: str) -> Entry:
    """The entry of a directory that is made now."""
    return Entry(FileType.DIRECTORY, mode, owner, group, mtime_ns=time.time_ns(), nlink=2)


def new_file(mode: str, owner: str, group: str, content: bytes) -> Entry:
    """The entry of a file that is written now."""
    return Entry(FileType.FILE, mode, owner, group, len(content), time.time_ns())


def new_link(target: str, owner: str, group: str) -> Entry:
    """The entry of a link that is made now."""
    return Entry(FileType.LINK, "0777", owner, group, len(target.encode()), time.time_ns(), target=target)


def parent_of(path: str) -> str:
    """The directory above a path."""
    return path.rpartition("/")[0] or "/"


def join(directory: str, name: str) -> str:
    """The path of a name in a directory."""
    return f"{directory.rstrip('/')}/{name}"
