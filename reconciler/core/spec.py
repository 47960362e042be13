"""A spec after loading: what was declared, with its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.diagnostic import Source

if TYPE_CHECKING:
    from reconciler.core.model.resource import Resource

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def nothing() -> Mapping[str, Any]:
    """The shared empty mapping."""
    return _NOTHING


@frozen
class Declared:
    """One resource of the spec.

    `sources` holds the bytes of the files it names from the spec's own tree, by the path as written.
    `settings` are those of the spec. `beside` are resources of other kinds with the same name, by kind, as
    far as the own kind asked for them (`Kind.beside`).
    """

    address: Address
    resource: Resource
    source: Source
    sources: Mapping[str, bytes] = field(default_factory=nothing)
    settings: Mapping[str, Any] = field(default_factory=nothing)
    beside: Mapping[str, Resource] = field(default_factory=nothing)


@frozen
class Spec:
    """A whole spec.

    `digest` covers every byte that was read; `commit` is the Git commit it was read from, if known.
    """

    host: str
    resources: tuple[Declared, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=nothing)
    digest: str = ""
    commit: str = ""
    files: tuple[str, ...] = field(default=())


class SourceError(Exception):
    """A file of the spec's tree cannot be had: missing, a link, outside the tree, too large.

    The text says which and what to do.
    """


class SourceReader(Protocol):
    """Where a spec's bytes come from: a directory, a Git tree at a commit, standard input.

    `name` values are paths relative to the tree's root, with `/` and without `..`. `commit` is empty when
    unknown.
    """

    entry: str
    commit: str

    def read(self, name: str) -> bytes:
        """The bytes of one file. Raises SourceError."""

    def display(self, name: str) -> str:
        """The name to show to people: relative to where they stand."""
