"""The basis of a plan: the running host, a tree or a snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field

from reconciler.core.basics.frozen import frozen


@frozen
class Started:
    """The files and settings that a unit's process was started with, as far as an apply has seen it.

    `invocation` is empty where none ran. `marks` stand for the content of its files by path, and for its
    settings by address (`engine.units.stale_processes`). `stamps` say when its unit files were written, in
    nanoseconds since the epoch: those of which systemd has been told.
    """

    invocation: str = ""
    marks: Mapping[str, str] = field(default_factory=dict)
    stamps: Mapping[str, int] = field(default_factory=dict)


@frozen
class LiveBasis:
    """The machine itself, looked at now."""


@frozen
class TreeBasis:
    """A directory that holds the files of a host, and no more."""


@frozen
class SnapshotBasis:
    """The facts of a host that somebody wrote down: what is not among them is unknown."""

    taken: str
    """When, a UTC time stamp as RFC 3339 has it; the snapshot says it."""
    machine: str = ""
    """The digest of the host's machine id, empty where it has none."""
    started: Mapping[str, Started] = field(default_factory=dict)
    """The memory of processes, by unit."""
    unknown: dict[str, str] = field(default_factory=dict)
    """Everything that it was asked for in vain, in words, by path or unit. The view of the snapshot puts it
    there: whoever swallows the error has still made the plan incomplete.
    """


Basis = LiveBasis | TreeBasis | SnapshotBasis


@contextmanager
def in_vain(basis: Basis) -> Iterator[None]:
    """A snapshot has no content of files that are not ours: what is asked of it in vain here makes no plan
    incomplete.
    """
    if not isinstance(basis, SnapshotBasis):
        yield
        return
    known = dict(basis.unknown)
    yield
    basis.unknown.clear()
    basis.unknown.update(known)
