"""The fields of a backup job about its unit: its commands, its turn, how closed it is."""

# No `from __future__ import annotations`: pydantic would evaluate the text of each annotation at every start.

from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    model_validator,
)

from reconciler.core.model.fields import KnownName, Span, Text
from reconciler.core.model.resource import RefersTo
from reconciler.formats.systemd import timespan

OURS = frozenset(
    (
        *("Description", "Type", "User", "Group", "ExecStart", "ExecStopPost", "SuccessExitStatus"),
        *("Nice", "IOSchedulingClass", "CPUWeight"),
    )
)
"""The directives that have a field, or that the run relies on."""


class IoClass(StrEnum):
    """The turn of the run at the disks."""

    BEST_EFFORT = "best-effort"
    """After the others of its kind."""
    IDLE = "idle"
    """Only when nobody else wants to."""


class Hardening(StrEnum):
    """How much of the host is closed to the run."""

    NONE = "none"
    BASIC = "basic"
    STRICT = "strict"


def _program(argv: list[str]) -> list[str]:
    if not argv[0].startswith("/"):
        raise ValueError("write the absolute path of the program; no shell looks for it")
    return argv


def _finite(span: str) -> str:
    if not 0 < timespan.seconds(span) < float("inf"):
        raise ValueError("write a time span such as 30d")
    return span


Finite = Annotated[Span, AfterValidator(_finite)]
Argv = Annotated[list[Text], Field(min_length=1), AfterValidator(_program)]


class Hook(BaseModel):
    """A command of the job's own; its argv alone may be written as a list."""

    LIST_FORM: ClassVar[str] = "run"

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    run: Argv
    """The exact argv; no shell expands anything."""
    user: Annotated[KnownName | None, RefersTo("users")] = None
    """The user as whom it runs, with their groups and home; root when left out."""
    timeout: Finite | None = None
    """How long it may take."""

    @model_validator(mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        return {cls.LIST_FORM: value} if isinstance(value, list) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: GetJsonSchemaHandler) -> Any:
        """Either form."""
        schema = handler.resolve_ref_schema(handler(core))
        argv = {key: value for key, value in schema["properties"][cls.LIST_FORM].items() if key != "title"}
        return {"description": schema.pop("description", ""), "anyOf": [argv, schema]}

    @property
    def plain(self) -> bool:
        """Whether its argv is all there is to it."""
        return not self.user and not self.timeout
