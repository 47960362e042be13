"""Two kinds for the loader's tests, with everything a field can be, and a reader over a dict of files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from reconciler.core.diagnostic import Diagnostic
from reconciler.core.kind import Kind, Kinds
from reconciler.core.model.fields import AbsolutePath, AccountName, Duration, Mode, Text
from reconciler.core.model.resource import Resource, SourcePath
from reconciler.core.spec_source import SourceError


class Color(StrEnum):
    """The color of a lamp."""

    RED = "red"
    GREEN = "green"


class Lens(Resource):
    """A nested model."""

    width: Annotated[int, Field(strict=True, ge=1, le=100)] = 50
    """Millimetres."""
    shape: Annotated[str, SourcePath()] | None = None


class Lamp(Resource):
    """A lamp."""

    path: AbsolutePath
    """Where it hangs."""
    mode: Mode = "0644"
    label: Text = ""
    color: Color = Color.RED
    kind: Literal["wall", "desk"] = "desk"
    lit: Annotated[bool, Field(strict=True)] = True
    burn: Duration = "10s"
    lens: Lens | None = None
    lenses: list[Lens] = []
    plan: Annotated[str | None, SourcePath()] = None
    plans: list[Annotated[str, SourcePath()]] = []
    words: list[Text] | Text = []
    masked: Annotated[bool, Field(strict=True)] | Literal["masked"] = False
    either: Lens | Text | None = None
    settings: dict[AccountName, Text] = {}
    load_credential: Text = ""
    sensitive: bool = False

    @field_validator("label")
    @classmethod
    def _no_shouting(cls, value: str) -> str:
        if value.isupper():
            raise ValueError(f"do not shout {value}")
        return value


class Team(Resource):
    """A team."""

    size: Annotated[int, Field(strict=True, ge=0)] = 0
    members: Annotated[list[AccountName], Field(max_length=3)] = []


def _nothing(*_: Any) -> Any:
    return ()


LampName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,40}\z",
        description="The name on its label.",
        examples=["hall-1"],
    ),
]
KINDS: Kinds = {
    "lamps": Kind("lamps", Lamp, LampName, _nothing, _nothing, _nothing, ()),
    "teams": Kind("teams", Team, AccountName, _nothing, _nothing, _nothing, ()),
}


@dataclass
class DictReader:
    """A SourceReader over a dict."""

    files: Mapping[str, bytes | str]
    entry: str = "hosts/h.yaml"
    commit: str = "c0ffee"

    def read(self, name: str) -> bytes:
        """The bytes of one file."""
        if name not in self.files:
            raise SourceError(f"{name} does not exist")
        data = self.files[name]
        return data.encode() if isinstance(data, str) else data

    def display(self, name: str) -> str:
        """The name itself."""
        return name


def text_of(diagnostic: Diagnostic) -> str:
    """`FILE:LINE:COLUMN: SUMMARY: DETAIL`, as one line."""
    source = diagnostic.source
    place = f"{source.file}:{source.line}:{source.column}: " if source else ""
    return f"{place}{diagnostic.summary}: {diagnostic.detail}"
