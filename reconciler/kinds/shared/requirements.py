"""The needs of a path on the host: the accounts that own it, and the directory that it is in."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.kind import Requirement, RequirementType


def owner_requirements(owner: str, group: str) -> Iterator[Requirement]:
    """Yield both accounts: chown needs them."""
    yield Requirement(RequirementType.USER, owner)
    yield Requirement(RequirementType.GROUP, group)


def parent_requirement(path: str) -> Iterator[Requirement]:
    """Yield the directory that contains the path; none for `/`, which is always there."""
    parent = path.rpartition("/")[0]
    if parent:
        yield Requirement(RequirementType.DIRECTORY, parent)
