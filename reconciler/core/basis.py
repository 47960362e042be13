"""The basis of a plan: the running host, a tree or a snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field

from reconciler.core.basics.frozen import frozen


@frozen
class Started:
    """The files and settings that a unit's process was started with, as far as an apply has seen it."""

    invocation: str = ""
    """Empty where none ran."""
    marks: Mapping[str, str] = field(default_factory=dict)
    """Marks of the content of its files by path, and of its settings by address
    (`engine.units.stale_processes`).
    """
    stamps: Mapping[str, int] = field(default_factory=dict)
    """When the unit files that systemd has read were written, in nanoseconds since the epoch."""


@frozen
class LiveBasis:
    """The machine itself, looked at now."""


@frozen
class TreeBasis:
    """A directory that holds the files of a host, and no more."""


@frozen
class SnapshotBasis:
    """The facts of a host that somebody recorded; every other fact is unknown."""

    taken: str
    """The time of the recording, as the snapshot says it: UTC in the form of RFC 3339."""
    machine: str = ""
    """The digest of the host's machine id, empty where it has none."""
    started: Mapping[str, Started] = field(default_factory=dict)
    """The memory of processes, by unit."""
    unknown: dict[str, str] = field(default_factory=dict)
    """Everything that it was asked for in vain, in words, by path or unit. The view of the snapshot notes it
    here: the plan is incomplete even where somebody swallows the error.
    """


Basis = LiveBasis | TreeBasis | SnapshotBasis


@contextmanager
def in_vain(basis: Basis) -> Iterator[None]:
    """A block in which facts that a snapshot lacks make no plan incomplete: it has no content of files that
    are not ours.
    """
    if not isinstance(basis, SnapshotBasis):
        yield
        return
    unknown = dict(basis.unknown)
    yield
    basis.unknown.clear()
    basis.unknown.update(unknown)
