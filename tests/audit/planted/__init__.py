"""One planted fault for each check: what makes it fail on a booted Debian, and the object that it names.

A module for each area, as in `reconciler.audit.areas`; its `PLANTED` has them by the id of the check.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules


@dataclass(frozen=True)
class Fault:
    """A fault that is planted on a host where nothing else was done."""

    commands: str
    """Lines of sh, run as root with `set -eu`."""
    object: str
    """The object that the finding must name; a prefix, where it ends with `*`."""
    before: str = ""
    """Lines of sh that are run on the pristine host first, where the check would not be applicable there."""
    packages: Sequence[str] = ()
    """Debian packages that the host needs besides."""
    alone: bool = False
    """Whether it disturbs other faults: then it gets a host of its own in the ordinary run too."""
    live: bool = False
    """Whether a snapshot cannot tell: it has not the content that the check needs, and says so."""
    already: bool = False
    """Whether the pristine host of the tests fails it already, for another object."""

    def names(self, item: str) -> bool:
        """Whether an object is the one that the finding must name."""
        return item.startswith(self.object[:-1]) if self.object.endswith("*") else item == self.object


@cache
def planted() -> Mapping[str, Fault]:
    """All planted faults by the id of the check."""
    merged: dict[str, Fault] = {}
    for module in iter_modules(__path__):
        for name, fault in import_module(f"{__name__}.{module.name}").PLANTED.items():
            assert name not in merged, f"two faults for {name}"
            merged[name] = fault
    return merged
