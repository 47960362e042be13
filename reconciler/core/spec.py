"""A spec after loading: each declared resource, with its place in the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

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
    """One resource of the spec."""

    address: Address
    """Its kind and its name."""
    resource: Resource
    """Its fields, checked by the model of its kind."""
    source: Source
    """Its place in the files."""
    sources: Mapping[str, bytes] = field(default_factory=nothing)
    """The bytes of the files that it names from the spec's own tree, by the path as written."""
    settings: Mapping[str, Any] = field(default_factory=nothing)
    """The settings of the spec."""
    beside: Mapping[str, Resource] = field(default_factory=nothing)
    """Resources of the same name in the kinds that its own kind asks for, by kind (`Kind.sibling_kinds`)."""
    host: str = ""
    """The name of the host in the spec."""


@frozen
class Spec:
    """A whole spec."""

    host: str
    """The name of the host."""
    resources: tuple[Declared, ...] = ()
    """The declared resources in the order of the files."""
    settings: Mapping[str, Any] = field(default_factory=nothing)
    """The block `settings`."""
    digest: str = ""
    """The digest of every byte that was read."""
    commit: str = ""
    """The Git commit that it was read from, if known (`core.revision`)."""
    files: tuple[str, ...] = field(default=())
    """The files that it was read from."""
