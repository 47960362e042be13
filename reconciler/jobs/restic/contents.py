"""The entries of a snapshot, counted by source: a snapshot that shrank is in doubt, as with tar.

The same question proves that the snapshot is there, and that its list of files can be read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reconciler.core.basics.frozen import frozen
from reconciler.formats.backups import restic_output
from reconciler.formats.backups.restic_output import NotResticOutput, Snapshot
from reconciler.host.archives.restic import Repository
from reconciler.host.archives.tar import ArchiveError, Checked


@frozen
class Contents:
    """A snapshot as it is in the repository."""

    snapshot: Snapshot
    share: Checked
    """The share of each source in it."""


def contents(repository: Repository, sid: str, sources: Sequence[str]) -> Contents:
    """A snapshot, and the share of each source in it. Raises HostError."""
    entries, data = dict.fromkeys(sources, 0), dict.fromkeys(sources, 0)

    def count(node: Mapping[str, Any]) -> None:
        path = str(node.get("path", ""))
        for source in sources:
            if path == source or path.startswith(f"{source}/"):
                entries[source] += 1
                data[source] += node.get("size", 0) if node.get("type") == "file" else 0

    head = for_each_node(repository, sid, count)
    try:
        snapshot = restic_output.head(head)
    except NotResticOutput as problem:
        raise ArchiveError("restic cannot be understood", str(problem)) from problem
    return Contents(snapshot, Checked("", entries, data))


def for_each_node(repository: Repository, sid: str, take: Callable[[Mapping[str, Any]], None]) -> bytes:
    """Give `take` each file, directory and link of a snapshot; return the line of the snapshot itself, which
    is the first one.

    Raises HostError.
    """
    rest, heads = bytearray(), list[bytes]()

    def lines_of(chunk: bytes) -> None:
        rest.extend(chunk)
        *lines, last = bytes(rest).split(b"\n")
        if not heads:
            heads.extend(lines[:1])
            del lines[:1]
        for line in lines:
            take(_node(line))
        rest[:] = last

    repository.work(["--no-lock", "ls", "--json", sid], lines_of)
    return b"".join(heads)


def _node(line: bytes) -> dict[str, Any]:
    if b'"node"' not in line:
        return {}
    try:
        node = json.loads(line)
    except ValueError:
        return {}
    return node if isinstance(node, dict) and node.get("struct_type") == "node" else {}
