"""The entries of a snapshot, counted by source: a snapshot that shrank is in doubt, as with tar."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from reconciler.host.archives.restic import Repository
from reconciler.host.archives.tar import Checked


def contents(repository: Repository, sid: str, sources: Sequence[str]) -> Checked:
    """The share of each source in a snapshot. Raises HostError."""
    entries, data = dict.fromkeys(sources, 0), dict.fromkeys(sources, 0)
    rest = bytearray()

    def take(chunk: bytes) -> None:
        rest.extend(chunk)
        *lines, last = bytes(rest).split(b"\n")
        for line in lines:
            node = _node(line)
            path = str(node.get("path", ""))
            for source in sources:
                if path == source or path.startswith(f"{source}/"):
                    entries[source] += 1
                    data[source] += node.get("size", 0) if node.get("type") == "file" else 0
        rest[:] = last

    repository.work(["--no-lock", "ls", "--json", sid], take)
    return Checked("", entries, data)


def _node(line: bytes) -> dict[str, Any]:
    if b'"node"' not in line:
        return {}
    try:
        node = json.loads(line)
    except ValueError:
        return {}
    return node if isinstance(node, dict) and node.get("struct_type") == "node" else {}
