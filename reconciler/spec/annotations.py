"""Walking the annotations of models: which keys are known at a place, which fields name files of the spec's
tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from reconciler.core.basics.frozen import frozen
from reconciler.core.model.resource import SourcePath
from reconciler.spec.positions import Map, Mark, Seq


def members(annotation: Any) -> Iterator[Any]:
    """The alternatives of an annotation: unions taken apart, Annotated taken off."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from members(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for item in get_args(annotation):
            yield from members(item)
    else:
        yield annotation


def is_model(annotation: Any) -> bool:
    """Whether this is a pydantic model class."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a model by the name they have in YAML."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def _step(annotation: Any, step: str | int) -> Iterator[Any]:
    for member in members(annotation):
        arguments = get_args(member)
        if is_model(member):
            fields = fields_of(member)
            if (info := fields.get(str(step))) is not None:
                yield info.annotation
            elif (
                isinstance(step, int) and (short := fields.get(getattr(member, "LIST_FORM", ""))) is not None
            ):
                yield from _step(short.annotation, step)
        elif isinstance(step, str) and len(arguments) == 2:
            yield arguments[1]
        elif isinstance(step, int) and arguments:
            yield arguments[0]


def models_at(root: type[BaseModel], path: Sequence[str | int]) -> list[type[BaseModel]]:
    """The models that may stand at a path of keys and indices."""
    found: list[Any] = [root]
    for step in path:
        found = [inner for annotation in found for inner in _step(annotation, step)]
    return [member for annotation in found for member in members(annotation) if is_model(member)]


@frozen
class SourcePlan:
    """Where below a value the SourcePath fields are: at the value itself, in these keys, in every item."""

    here: bool = False
    fields: Mapping[str, SourcePlan] = field(default_factory=dict)
    each: SourcePlan | None = None

    def find(self, value: Any, mark: Mark) -> Iterator[tuple[str, Mark]]:
        """The paths written in raw data, with the marks of their values."""
        if isinstance(value, str):
            if self.here:
                yield value, mark
        elif isinstance(value, Map):
            for index, (key, item) in enumerate(value.items()):
                below = self.fields.get(key, self.each)
                if below is not None:
                    yield from below.find(item, value.marks[2 * index + 1])
        elif isinstance(value, Seq) and self.each is not None:
            for item, at in zip(value, value.marks, strict=True):
                yield from self.each.find(item, at)


@cache
def source_plan(model: type[BaseModel]) -> SourcePlan | None:
    """The SourcePlan of a model; None when nothing below it names a file."""
    return _source_plan(model, (), ())


def _source_plan(annotation: Any, metadata: Sequence[Any], above: tuple[Any, ...]) -> SourcePlan | None:
    if get_origin(annotation) is Annotated:
        return _source_plan(get_args(annotation)[0], (*metadata, *annotation.__metadata__), above)
    here = any(
        isinstance(item, SourcePath) or (isinstance(item, FieldInfo) and _marked(item)) for item in metadata
    )
    found: dict[str, SourcePlan] = {}
    each = None
    for member in get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,):
        if get_origin(member) is Annotated or get_origin(member) in (Union, UnionType):
            inner = _source_plan(member, (), above)
            here, found, each = (
                (here or inner.here, found | dict(inner.fields), each or inner.each)
                if inner
                else (here, found, each)
            )
        elif is_model(member) and member not in above:
            plans = {
                name: _source_plan(info.annotation, info.metadata, (*above, member))
                for name, info in fields_of(member).items()
            }
            found |= {name: plan for name, plan in plans.items() if plan is not None}
        elif arguments := [item for item in get_args(member) if item is not Ellipsis]:
            each = _source_plan(arguments[-1], (), above) or each
    return SourcePlan(here, found, each) if here or found or each else None


def _marked(info: FieldInfo) -> bool:
    return any(isinstance(item, SourcePath) for item in info.metadata)
