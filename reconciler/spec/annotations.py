"""Walking the annotations of models: the keys that are known at a path, the fields that name files of the
spec's tree.
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
    """The alternatives of an annotation: the members of unions, without Annotated."""
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
    annotations: list[Any] = [root]
    for step in path:
        annotations = [inner for annotation in annotations for inner in _step(annotation, step)]
    return [member for annotation in annotations for member in members(annotation) if is_model(member)]


@frozen
class SourcePlan:
    """The places of the SourcePath fields in and below a value."""

    here: bool = False
    """Whether the value itself is one."""
    fields: Mapping[str, SourcePlan] = field(default_factory=dict)
    """Those below the value, by key."""
    each: SourcePlan | None = None
    """Those in every item, or below every other key."""

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
    plans_by_field: dict[str, SourcePlan] = {}
    each = None
    for member in get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,):
        if get_origin(member) is Annotated or get_origin(member) in (Union, UnionType):
            inner = _source_plan(member, (), above)
            here, plans_by_field, each = (
                (here or inner.here, plans_by_field | dict(inner.fields), each or inner.each)
                if inner
                else (here, plans_by_field, each)
            )
        elif is_model(member) and member not in above:
            plans = {
                name: _source_plan(info.annotation, info.metadata, (*above, member))
                for name, info in fields_of(member).items()
            }
            plans_by_field |= {name: plan for name, plan in plans.items() if plan is not None}
        elif arguments := [item for item in get_args(member) if item is not Ellipsis]:
            each = _source_plan(arguments[-1], (), above) or each
    return SourcePlan(here, plans_by_field, each) if here or plans_by_field or each else None


def _marked(info: FieldInfo) -> bool:
    return any(isinstance(item, SourcePath) for item in info.metadata)
