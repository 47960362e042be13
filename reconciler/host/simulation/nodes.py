"""Nodes of a file tree in memory, and their paths."""

from __future__ import annotations

import time

from reconciler.core.actions import Attributes
from reconciler.core.basics.frozen import frozen
from reconciler.core.host import Entry, FileType


@frozen
class Node:
    """The thing at a path now.

    `content` None of a file, and `attributes` None: as in the tree below.
    """

    entry: Entry
    content: bytes | None = None
    attributes: Attributes | None = ()


def new_directory(mode: str, owner: str, group: str) -> Entry:
    """A directory that is made now."""
    return Entry(FileType.DIRECTORY, mode, owner, group, mtime_ns=time.time_ns(), nlink=2)


def new_file(mode: str, owner: str, group: str, content: bytes) -> Entry:
    """A file that is written now."""
    return Entry(FileType.FILE, mode, owner, group, len(content), time.time_ns())


def new_link(target: str, owner: str, group: str) -> Entry:
    """A link that is made now."""
    return Entry(FileType.LINK, "0777", owner, group, len(target.encode()), time.time_ns(), target=target)


def parent_of(path: str) -> str:
    """The directory above a path."""
    return path.rpartition("/")[0] or "/"


def join(directory: str, name: str) -> str:
    """The path of a name in a directory."""
    return f"{directory.rstrip('/')}/{name}"
