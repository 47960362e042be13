"""The entries of a snapshot, counted by source: a snapshot that shrank is in doubt, as with tar."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reconciler.host.archives.restic import Repository
from reconciler.host.archives.tar import Checked


def contents(repository: Repository, sid: str, sources: Sequence[str]) -> Checked:
    """The share of each source in a snapshot. Raises HostError."""
    entries, data = dict.fromkeys(sources, 0), dict.fromkeys(sources, 0)

    def count(node: Mapping[str, Any]) -> None:
        path = str(node.get("path", ""))
        for source in sources:
            if path == source or path.startswith(f"{source}/"):
                entries[source] += 1
                data[source] += node.get("size", 0) if node.get("type") == "file" else 0

    for_each_node(repository, sid, count)
    return Checked("", entries, data)


def for_each_node(repository: Repository, sid: str, take: Callable[[Mapping[str, Any]], None]) -> None:
    """Give `take` each file, directory and link of a snapshot. Raises HostError."""
    rest = bytearray()

    def lines_of(chunk: bytes) -> None:
        rest.extend(chunk)
        *lines, last = bytes(rest).split(b"\n")
        for line in lines:
            take(_node(line))
        rest[:] = last

    repository.work(["--no-lock", "ls", "--json", sid], lines_of)


def _node(line: bytes) -> dict[str, Any]:
    if b'"node"' not in line:
        return {}
    try:
        node = json.loads(line)
    except ValueError:
        return {}
    return node if isinstance(node, dict) and node.get("struct_type") == "node" else {}
