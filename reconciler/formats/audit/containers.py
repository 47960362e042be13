"""Containers, as Docker tells of them: what confines each, and nothing of its environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from reconciler.core.basics.frozen import frozen


@frozen
class Container:
    """A container that runs."""

    name: str
    privileged: bool
    capabilities: tuple[str, ...]
    """The capabilities that it got besides the usual ones, without `CAP_`."""
    host_processes: bool
    """Whether it sees the host's processes."""
    mounts: tuple[tuple[str, bool], ...]
    """The paths of the host that it has, and whether it may write there."""


def parse_containers(text: str) -> list[Container]:
    """The containers in the answer: an object of JSON on each line. Raises ValueError."""
    try:
        return [_container(json.loads(line)) for line in text.splitlines() if line.strip()]
    except (AttributeError, KeyError, TypeError) as problem:
        raise ValueError("docker inspect printed what is not understood") from problem


def _container(row: Mapping[str, Any]) -> Container:
    return Container(
        row["name"].removeprefix("/"),
        bool(row["privileged"]),
        tuple(name.removeprefix("CAP_") for name in row["capabilities"] or ()),
        row["pid"] == "host",
        tuple((item["Source"], bool(item["RW"])) for item in row["mounts"] or () if item["Type"] == "bind"),
    )
