"""Field docstrings as descriptions, read when somebody wants to read them.

pydantic can do this itself (`use_attribute_docstrings`), but does it at every start by parsing the source of
every model: a tenth of a plan with nothing to change.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, get_args
from weakref import WeakSet

from pydantic import BaseModel

_documented: WeakSet[type[BaseModel]] = WeakSet()
"""The models that have their descriptions: building one again takes milliseconds, and there are dozens."""


def document(models: Iterable[type[BaseModel]]) -> None:
    """Give every field of these models, and of those inside them, its docstring as its description, in their
    schemas too.
    """
    documented: dict[type[BaseModel], None] = {}
    for model in models:
        _document(model, documented)
    for model in documented:  # the inner ones first: what is built of them goes into the outer ones
        model.model_rebuild(force=True)
        _documented.add(model)


def _document(model: type[BaseModel], documented: dict[type[BaseModel], None]) -> None:
    if model in documented or model in _documented:
        return
    texts = {
        name: text
        for base in reversed(model.__mro__)
        if _is_model(base)
        for name, text in _docstrings(base).items()
    }
    for name, info in model.model_fields.items():
        for inner in _models(info.annotation):
            _document(inner, documented)
        if info.description is None and name in texts:
            info.description = texts[name]
    documented[model] = None


def _is_model(base: type) -> bool:
    return issubclass(base, BaseModel) and base is not BaseModel


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that an annotation mentions, however deep."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


@cache
def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The string that follows a field in the class body, by field; none where there is no source, as in a
    model made at run time.
    """
    try:
        source = textwrap.dedent(inspect.getsource(model))
    except (OSError, TypeError):
        return {}
    (definition,) = ast.parse(source).body
    assert isinstance(definition, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in zip(definition.body, definition.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
