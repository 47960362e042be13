"""The references between resources: the order that the spec itself asks for."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.core.address import Address
from reconciler.core.kind import Kinds
from reconciler.core.spec import Spec
from reconciler.kinds import discover

Edges = Mapping[Address, tuple[Address, ...]]


def references(spec: Spec, kinds: Kinds | None = None) -> Edges:
    """Every resource of the spec with those it refers to, in the order of the spec.

    References to what is not declared are left out.
    """
    kinds = kinds or discover()
    declared = {one.address for one in spec.resources}
    return {
        one.address: tuple(
            dict.fromkeys(
                found
                for found in kinds[one.address.kind].references(one)
                if found in declared and found != one.address
            )
        )
        for one in spec.resources
    }
