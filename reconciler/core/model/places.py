"""Paths that a spec names, each with its use: what happens to the object there.

A field states the use on its own line, with `NamesPath`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from reconciler.core.basics.frozen import frozen

if TYPE_CHECKING:
    from reconciler.core.model.resource import Resource


class Use(StrEnum):
    """The use of the object at a path."""

    MANAGES = "manages"
    """We write it, or set its mode and owner."""
    GIVES = "gives"
    """It becomes the property of the account that the resource is named after."""
    WRITES_INTO = "writes into"
    """Root's programs write, rename or remove it, or what is in it."""
    HANDS_ON = "hands on"
    """Root reads it, whoever else may, and gives what is in it to the account that the resource runs as."""
    OWNED = "owned"
    """systemd makes it, with all that is in it, the property of the account that the resource runs as, at
    each start.
    """
    COVERED = "covered"
    """The processes of the account that the resource runs as see something else there."""
    READS = "reads"
    """It is only read, or only named."""


@frozen
class NamesPath:
    """The field, or each text in it, names a path with this use."""

    use: Use


@frozen
class Place:
    """One path with its use."""

    path: str
    """The path."""
    use: Use
    """The use that the resource makes of it."""
    owner: str = "root"
    """The owner that it will have; so with `group` and `mode`."""
    group: str = "root"
    """As `owner`."""
    mode: str = ""
    """Empty: one by which nobody else can write."""
    named: bool = False
    """Whether the path itself is in the spec, as the name of a resource or in a field."""
    shared: str = ""
    """Resources with the same word here agree about the path."""
    part: str = ""
    """The part of the resource that makes it, where that is not the resource itself."""


Texts = Callable[[Any], Iterator[str]]
_PREFIXES = ("-", "file:", "append:", "truncate:")
"""The prefixes that systemd takes in front of a path."""


def account_of(resource: Resource) -> str:
    """The account that a resource runs as: root where it says nothing."""
    return getattr(resource, "user", None) or "root"


def handed_on(resource: Resource) -> Iterator[tuple[str, str]]:
    """Each path that is handed on, with the field that names it."""
    for name, use, texts in fields(type(resource)):
        if use is Use.HANDS_ON:
            yield from ((name, path) for text in texts(getattr(resource, name)) if (path := path_in(text)))


def path_in(text: str) -> str:
    """The path in a text, without prefixes; empty where it has none, as in `~` or `keep`."""
    for prefix in _PREFIXES:
        text = text.removeprefix(prefix)
    return text if text.startswith("/") else ""


@cache
def fields(model: type[Resource]) -> tuple[tuple[str, Use, Texts], ...]:
    """The fields of a model that name paths, each with its use and the function that takes the texts from its
    value.
    """
    uses = []
    for name, field in model.model_fields.items():
        uses += [(name, use, texts) for use, texts in _below(field.annotation, tuple(field.metadata))]
    return tuple(uses)


def _below(annotation: Any, metadata: tuple[Any, ...]) -> Iterator[tuple[Use, Texts]]:
    """For each path in a value of this type: its use, and what takes the texts from the value."""
    if get_origin(annotation) is Annotated:
        yield from _below(annotation.__origin__, (*metadata, *annotation.__metadata__))
        return
    marks = [mark for mark in metadata if isinstance(mark, NamesPath)]
    if marks:
        yield marks[0].use, _all_texts
        return
    if get_origin(annotation) in (Union, UnionType):
        for member in get_args(annotation):
            yield from _below(member, ())
    elif fields_of_block := getattr(annotation, "model_fields", None):
        for name, field in fields_of_block.items():
            yield from (
                (use, _of_field(name, texts))
                for use, texts in _below(field.annotation, tuple(field.metadata))
            )
    elif arguments := [item for item in get_args(annotation) if item is not Ellipsis]:
        yield from ((use, _of_each(texts)) for use, texts in _below(arguments[-1], ()))


def _all_texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
        return
    for item in (
        value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    ):
        yield from _all_texts(item)


def _of_field(name: str, texts: Texts) -> Texts:
    def take(value: Any) -> Iterator[str]:
        yield from texts(getattr(value, name, None))

    return take


def _of_each(texts: Texts) -> Texts:
    def take(value: Any) -> Iterator[str]:
        for item in (
            value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
        ):
            yield from texts(item)

    return take
