"""packages: a Debian package that the host has, or has not.

At least what is declared, and never more: nothing is upgraded that is new enough, nothing goes that is not
named, and a package that leaves the spec stays installed. All packages of a plan are one transaction.
"""

# No `from __future__ import annotations`: pydantic would evaluate the text of each annotation at every start.

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from reconciler.core.address import Address
from reconciler.core.changes import Document, Part
from reconciler.core.host import HostView
from reconciler.core.kind import Kind
from reconciler.core.model.fields import Flag
from reconciler.core.model.resource import Resource
from reconciler.core.spec import Declared
from reconciler.kinds.packages import ORDER, checks
from reconciler.kinds.packages.observe import locate, observe
from reconciler.kinds.packages.steps import actions

PackageName = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9+.-]{1,126}(?::[a-z0-9][a-z0-9-]{0,30})?\z",
        description="The name of the package, as apt knows it; `NAME:ARCHITECTURE` for another architecture.",
    ),
]
Version = Annotated[str, Field(pattern=r"^(?:[0-9]+:)?[0-9][A-Za-z0-9.+~-]*\z", max_length=128)]


class State(StrEnum):
    """Whether the package shall be there."""

    PRESENT = "present"
    ABSENT = "absent"


class Package(Resource):
    """A package of Debian or Ubuntu. When its block is removed, the package stays."""

    state: State = State.PRESENT
    """Whether it is installed. `absent` removes it and keeps its configuration files."""
    at_least: Version | None = None
    """The oldest version that does; an older one is upgraded to the newest that apt finds.

    Without it any version does, and nothing is ever upgraded.
    """
    hold: Flag | None = None
    """Whether upgrades leave it at its version (apt-mark hold). Left alone when left out."""

    @model_validator(mode="after")
    def _absent_alone(self) -> "Package":
        if self.state is State.ABSENT and (self.at_least is not None or self.hold is not None):
            raise ValueError("`state: absent` says it all; leave out `at_least` and `hold`")
        return self


def _package(declared: Declared) -> Package:
    assert isinstance(declared.resource, Package)
    return declared.resource


def expand(declared: Declared, running: bool) -> Iterator[Part]:
    """One part: the package. In a tree no package manager runs, so nothing is installed there."""
    package = _package(declared)
    if package.state is State.ABSENT or not running:
        return
    document: Document = {"installed": True}
    if package.at_least is not None:
        document["at_least"] = package.at_least
    if package.hold is not None:
        document["hold"] = package.hold
    yield Part(declared.address, document, declared)


def absent(declared: Declared, running: bool) -> Iterator[Address]:
    """The package that shall not be there. In a tree nothing is removed."""
    if _package(declared).state is State.ABSENT and running:
        yield declared.address


def wants_removal(declared: Declared, address: Address) -> bool:
    """Whether the block wants the package gone."""
    return _package(declared).state is State.ABSENT


def reason_to_keep(view: HostView, address: Address, vanishing: AbstractSet[str]) -> str:
    """Why a package that left the spec stays: others may need it."""
    return "a package stays installed; `state: absent` removes it"


KIND = Kind(
    name="packages",
    model=Package,
    name_type=PackageName,
    expand=expand,
    observe=observe,
    locate=locate,
    actions=actions,
    absent=absent,
    wants_removal=wants_removal,
    order=ORDER,
    programs=(("apt-get", "apt"), ("dpkg", "dpkg")),
    ownership_keys=(),
    whole=False,
    unowned=True,
    reason_to_keep=reason_to_keep,
    lint=checks.lint,
    check=checks.check,
    objections=checks.objections,
)
