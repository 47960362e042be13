"""The model that every kind's resource derives from, and the marks that let a field say everything about
itself.
"""

# No `from __future__ import annotations`: pydantic would evaluate the text of each annotation at every start.

from collections.abc import Callable, Mapping
from enum import IntEnum, StrEnum
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from reconciler.core.basics.frozen import frozen


class DriftPolicy(StrEnum):
    """The policy for a change made on the host by hand."""

    ENFORCE = "enforce"
    REPORT = "report"
    IGNORE = "ignore"


class Effect(IntEnum):
    """The cost of a change of a field for a running service; the greatest of all changed fields counts."""

    NONE = 0
    RELOAD = 1
    RESTART = 2


@frozen
class Directive:
    """The unit-file directive that a field stands for, and what changing it costs (restart unless said
    otherwise).
    """

    section: str
    name: str
    effect: Effect = Effect.RESTART


@frozen
class RefersTo:
    """The field names a resource of this kind; if that is declared, it comes first."""

    kind: str


@frozen
class SourcePath:
    """The field is a path in the spec's own tree, relative to the file that names it; the loader reads it."""


@frozen
class Policy:
    """The field says what later applies do or refuse, and no document on the host has it: the ledger
    remembers it beside the document.
    """

    rule: str = ""
    """The name of the rule, for a field whose value is in a document and only by its form states a rule too.
    """
    states: Callable[[Any], bool] = bool
    """Whether a value of the field states that rule."""


class Resource(BaseModel):
    """The fields that every resource has, whatever its kind."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    drift: Annotated[DriftPolicy, Policy()] = Field(
        default=DriftPolicy.ENFORCE, description="How a change made on the host by hand is treated."
    )
    adopt: bool = Field(
        default=False, strict=True, description="Take over an object that exists already and differs."
    )
    protect: bool | None = Field(
        default=None,
        strict=True,
        description=(
            "Refuse to remove this, even when its block is gone from the spec, until `protect: false` is"
            " applied."
        ),
    )

    def home_and_below(self, name: str) -> tuple[str, ...]:
        """The home that is made for the account of this name, then the directories that are made in it."""
        return ()


@cache
def policy_fields(model: type[Resource]) -> frozenset[str]:
    """The names of the fields whose values are policy."""
    return frozenset(name for name, mark in _marks(model).items() if not mark.rule)


@cache
def _marks(model: type[Resource]) -> Mapping[str, Policy]:
    return {
        name: mark
        for name, field in model.model_fields.items()
        for mark in field.metadata
        if isinstance(mark, Policy)
    }


def policy_of(resource: Resource) -> dict[str, Any]:
    """The fields of policy that a resource declares, defaults left out.

    `protect` is not among them: it outlives its block.
    """
    names = policy_fields(type(resource)) & resource.model_fields_set
    values = resource.model_dump(mode="json", include=set(names), exclude_defaults=True) if names else {}
    for name, mark in _marks(type(resource)).items():
        if mark.rule and mark.states(getattr(resource, name)):
            values[mark.rule] = True
    return values
