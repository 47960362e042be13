"""The resources that make the directory into which another one puts something: the home of a user."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from reconciler.core.address import Address
from reconciler.core.changes import Part
from reconciler.core.kind import Kinds
from reconciler.core.paths.declared_places import places


def makers(parts: Mapping[Address, Part], moving: Collection[Address], kinds: Kinds) -> Mapping[str, Address]:
    """The directories that changing parts make, each with its part."""
    resources = {
        address.resource: parts[address].declared
        for address in moving
        if address in parts and kinds[address.kind].places is not None
    }
    return {
        place.path: maker
        for resource, declared in resources.items()
        for place in places(kinds[resource.kind], declared)
        if place.part and (maker := Address(resource.kind, resource.name, place.part)) in moving
    }


def above(
    address: Address, made: Mapping[str, Address], parts: Mapping[Address, Part], kinds: Kinds
) -> Iterator[Address]:
    """The parts that make the directories above a path, without the part that needs the path first (a shell
    in the user's own home).
    """
    path = address.name
    while path.startswith("/"):
        path = path.rpartition("/")[0]
        maker = made.get(path)
        if maker is not None and address not in kinds[maker.kind].references(parts[maker].declared):
            yield maker
