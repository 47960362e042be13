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

    References to resources that are not declared are left out.
    """
    kinds = kinds or discover()
    declared = {item.address for item in spec.resources}
    return {
        item.address: tuple(
            dict.fromkeys(
                target
                for target in kinds[item.address.kind].references(item)
                if target in declared and target != item.address
            )
        )
        for item in spec.resources
    }
