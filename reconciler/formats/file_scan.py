"""One pass over the file systems of a host, as a value with a JSON form: what was asked for, what was seen.

It has paths, modes and owners, and no content of any file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, field
from typing import Any

from reconciler.core.basics.frozen import frozen

MOST = 1000
"""So many objects are kept of each sort; of the others the number is known."""


@frozen
class Scope:
    """The part of a host that is looked at, and what it may cost."""

    paths: tuple[str, ...] = ("/", "/dev/shm")  # noqa: S108  # nothing is written there
    """The directories with all that is below them, on local file systems."""
    skip: tuple[str, ...] = (
        *("/proc", "/sys", "/dev", "/snap", "/var/lib/snapd", "/var/lib/docker", "/var/lib/containerd"),
        *("/var/lib/containers", "/var/lib/kubelet", "/var/lib/lxc", "/var/lib/lxd", "/var/lib/incus"),
        *("/var/lib/machines", "/var/lib/lxcfs", "/run/containerd", "/run/docker", "/run/host"),
    )
    """Directories that are not entered, unless `paths` names one that is below."""
    seconds: float = 120.0
    """The time after which the pass ends."""
    files: int = 5_000_000
    """The number of objects after which the pass ends."""
    homes: Mapping[str, int] = field(default_factory=dict)
    """The homes of accounts, in which dot files count, each with the user id of its owner."""
    uids: frozenset[int] = frozenset()
    """The numbers of accounts that have a name."""
    gids: frozenset[int] = frozenset()
    """The numbers of groups that have a name. The name service of a running host is asked for others."""
    ranges: tuple[tuple[int, int], ...] = ()
    """Numbers that belong to somebody without having a name, each from the first to the last."""


@frozen
class ScannedEntry:
    """An object that a predicate asks for."""

    path: str
    """Bytes that are no UTF-8 are surrogates (PEP 383)."""
    type: str
    """`file`, `directory`, `link`, `fifo`, `socket`, `block` or `char`."""
    mode: str
    """Four octal digits."""
    uid: int
    """The owner."""
    gid: int
    """The group."""
    open: bool = True
    """Whether others may enter every directory above it."""
    capability: str = ""
    """The attribute `security.capability` in hexadecimal digits."""
    number: str = ""
    """Major and minor number of a device (`1:3`); for `unowned` the number that has no name: `uid 4242`."""


@frozen
class FileScan:
    """The outcome of a pass."""

    seen: Mapping[str, tuple[ScannedEntry, ...]] = field(default_factory=dict)
    """By the name of the predicate, at most MOST of each."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """How many there are of each."""
    files: int = 0
    """The number of objects that were looked at."""
    unread: int = 0
    """The number of directories that could not be read."""
    unread_at: tuple[tuple[str, str], ...] = ()
    """Some of them, each with the reason."""
    skipped: tuple[tuple[str, str], ...] = ()
    """Directories that were left out on purpose, each with the reason."""
    partial: str = ""
    """Why the pass ended early: `time`, `files`, or words of the system; empty when it did not."""
    stopped_at: str = ""
    """The directory in which it ended early."""

    def of(self, predicate: str) -> tuple[ScannedEntry, ...]:
        """The objects that a predicate asks for."""
        return self.seen.get(predicate, ())

    def left_out(self, predicate: str) -> int:
        """How many more there are than were kept."""
        return self.counts.get(predicate, 0) - len(self.of(predicate))


def scan_text(scan: FileScan) -> str:
    """The pass as a line of JSON, in ASCII: no bytes of a name can spoil it."""
    return json.dumps(asdict(scan), separators=(",", ":"))


def parse_scan(text: str) -> FileScan:
    """The pass of a line of JSON. Raises ValueError."""
    try:
        data = json.loads(text)
        return FileScan(
            seen={
                name: tuple(ScannedEntry(**each) for each in rows) for name, rows in data.pop("seen").items()
            },
            unread_at=_pairs(data.pop("unread_at")),
            skipped=_pairs(data.pop("skipped")),
            **data,
        )
    except (AttributeError, KeyError, TypeError) as problem:
        raise ValueError(f"no file scan: {problem}") from problem


def _pairs(rows: Any) -> tuple[tuple[str, str], ...]:
    return tuple((str(path), str(why)) for path, why in rows)


def scope_text(scope: Scope) -> str:
    """The scope as JSON."""
    lists = {"uids": sorted(scope.uids), "gids": sorted(scope.gids), "homes": dict(scope.homes)}
    return json.dumps({**asdict(scope), **lists}, separators=(",", ":"))


def parse_scope(text: str) -> Scope:
    """The scope of its JSON. Raises ValueError."""
    try:
        data = json.loads(text)
        return Scope(
            paths=tuple(data.pop("paths")),
            skip=tuple(data.pop("skip")),
            uids=frozenset(data.pop("uids")),
            gids=frozenset(data.pop("gids")),
            ranges=tuple((int(first), int(last)) for first, last in data.pop("ranges")),
            **data,
        )
    except (AttributeError, KeyError, TypeError) as problem:
        raise ValueError(f"no scope of a file scan: {problem}") from problem
