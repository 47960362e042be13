"""pydantic's errors as diagnostics: the place in the YAML, plain words, and the advice."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.diagnostic import Diagnostic
from reconciler.core.kind import Kinds
from reconciler.spec import phrases
from reconciler.spec.annotations import fields_of, models_at
from reconciler.spec.include import Included
from reconciler.spec.places import Located, collapse, locate
from reconciler.spec.positions import Map, Mark, marks_of, unpack
from reconciler.spec.secrecy import secret

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"?|\'(?:[^\']|\'\')*\'?')


@frozen
class _Case:
    """One error in its surroundings. `hide`: the value is not to be repeated."""

    at: Located
    model: type[BaseModel]
    kinds: Kinds
    hide: bool


def explain(
    errors: Iterable[Any], included: Included, root: Map, model: type[BaseModel], kinds: Kinds
) -> list[Diagnostic]:
    """A diagnostic for every mistake, in the order of the files.

    A mistake on a line whose text is broken is left out.
    """
    start = root.marks[0] if root.marks else 0
    mistakes = list(collapse(locate(item, root, start) for item in errors))
    for item in mistakes:
        if item.type == "extra_forbidden" and item.path and _meant(item.path, model) is None:
            included.tree.veil(item.key, _key_length(item))
    result: dict[tuple[object, ...], Diagnostic] = {}
    mistyped = {
        (item.path[:-1], _meant(item.path, model))
        for item in mistakes
        if item.type == "extra_forbidden" and item.path
    }
    for item in sorted(mistakes, key=_mark):
        if _noise(item, included) or (item.type == "missing" and (item.path, item.name) in mistyped):
            continue
        diagnostic = _diagnostic(
            _Case(item, model, kinds, secret(item.path) or _sensitive(item, root)), included
        )
        result.setdefault((diagnostic.source, diagnostic.summary, diagnostic.detail), diagnostic)
    return list(result.values())


def _noise(item: Located, included: Included) -> bool:
    """Whether an error only follows from another one: broken text, a file that could not be included."""
    if item.type == "missing":
        return not included.whole
    return _mark(item) in included.reported or unpack(item.value)[:2] in included.spoiled


def _sensitive(item: Located, root: Map) -> bool:
    """Whether the resource declares `sensitive: true`: its content is not to be shown."""
    section = root.get(str(item.path[0])) if len(item.path) > 1 else None
    resource = section.get(str(item.path[1])) if isinstance(section, Map) else None
    return isinstance(resource, Map) and resource.get("sensitive") is True


def _points_at_key(item: Located) -> bool:
    return item.on_key or item.type in ("missing", "extra_forbidden")


def _mark(item: Located) -> Mark:
    return item.key if _points_at_key(item) else item.value


def _diagnostic(case: _Case, included: Included) -> Diagnostic:
    item, tree = case.at, included.tree
    summary, detail = _WORDS.get(item.type, _other)(case)
    mark, naming = _mark(item), _naming_key(case)
    if naming:
        mark = marks_of(item.found, naming)[0]
    length = (
        len(naming) or _key_length(item)
        if _points_at_key(item)
        else _length(item.found, tree.line(mark)[unpack(mark).column :])
    )
    return tree.diagnostic(mark, summary, detail, length, _address(item, case.kinds), hide=case.hide)


def _naming_key(case: _Case) -> str:
    """The first key of the model that an item of a list has, where it lacks another one: an item has no key
    of its own to point at. Empty for any other error.
    """
    item = case.at
    if item.type != "missing" or not item.path or isinstance(item.path[-1], str):
        return ""
    models = (fields_of(model) for model in models_at(case.model, item.path))
    names = next((names for names in models if item.name in names), ())
    return next((name for name in names if isinstance(item.found, Map) and name in item.found), "")


def _address(item: Located, kinds: Kinds) -> Address | None:
    if len(item.path) < 2 or item.path[0] not in kinds:
        return None
    return Address(str(item.path[0]), str(item.path[1]))


def _key_length(item: Located) -> int:
    return len(item.path[-1]) if item.path and isinstance(item.path[-1], str) else 1


def _length(value: Any, rest: str) -> int:
    """The length of a value on its line: quoted text to its quote, a scalar to its end, anything else to the
    end of the line.
    """
    if (quoted := _QUOTED.match(rest)) is not None:
        return quoted.end()
    if (
        not isinstance(value, dict | list)
        and value is not None
        and rest.startswith(text := phrases.spelling(value))
    ):
        return len(text)
    return len(rest.partition(" #")[0].rstrip())


def _label(item: Located) -> str:
    """The value's key, for the beginning of a sentence."""
    step = next((step for step in reversed(item.path) if isinstance(step, str)), "the spec")
    return (
        f"An item of `{step}`"
        if item.path and isinstance(item.path[-1], int)
        else f"`{step}`"
        if item.path
        else "The spec"
    )


def _missing(case: _Case) -> tuple[str, str]:
    name, path = case.at.name, case.at.path
    if path:
        return "Missing key", (
            f"`{path[-1]}` needs `{name}`{_description(case, name)}"
            if isinstance(path[-1], str)
            else f"An item needs `{name}`{_description(case, name)}"
        )
    return (
        "Missing key",
        (
            f"Write `version: {phrases.VERSION}` first."
            if name == "version"
            else f"A spec needs `{name}`{_description(case, name)}"
        ),
    )


def _description(case: _Case, name: str) -> str:
    infos = (fields_of(model).get(name) for model in models_at(case.model, case.at.path))
    text = next((info.description for info in infos if info is not None and info.description), "")
    return f": {phrases.lead(text)}" if text else "."


def _keys_beside(path: tuple[Any, ...], model: type[BaseModel]) -> list[str]:
    """The keys that may stand beside the last one of this path."""
    return list(dict.fromkeys(name for owner in models_at(model, path[:-1]) for name in fields_of(owner)))


def _meant(path: tuple[Any, ...], model: type[BaseModel]) -> str | None:
    """The key that an unknown one was probably meant to be; it is not reported as missing, too."""
    return phrases.nearest(str(path[-1]), _keys_beside(path, model))


def _unknown(case: _Case) -> tuple[str, str]:
    path = case.at.path
    key = str(path[-1])
    keys = _keys_beside(path, case.model)
    where = (
        "a key of a spec"
        if len(path) == 1
        else f"a key of `{path[-2]}`"
        if isinstance(path[-2], str)
        else "a key here"
    )
    return (
        "Unknown key",
        f"`{key}` is not {where}.{phrases.suggestion(key, keys)} Known keys: {phrases.listed(keys)}.",
    )


def _type(case: _Case) -> tuple[str, str]:
    item = case.at
    every = (item, *item.also)
    types = list(dict.fromkeys(phrases.type_in_words(error.type, error.context) for error in every))
    choices = [choice for error in every for choice in _choices(error)]
    close = phrases.suggestion(item.found, choices) if isinstance(item.found, str) and not case.hide else ""
    advice = close or phrases.advice(item.found, types, case.hide)
    only = len(every) == 1 and item.type in ("literal_error", "enum")
    summary = "Not an allowed value" if only else "Wrong type"
    value = phrases.value_in_words(item.found, case.hide)
    return summary, f"{_label(item)} takes {', or '.join(types)}; found {value}.{advice}"


def _choices(item: Located) -> list[str]:
    return (
        re.findall(r"'([^']*)'", str(item.context.get("expected", "")))
        if item.type in ("literal_error", "enum")
        else []
    )


def _pattern(case: _Case) -> tuple[str, str]:
    item = case.at
    expected = str(item.context.get("pattern", ""))
    if item.on_key:
        return "Bad name", phrases.pattern(expected, item.path[-1], _infos(case))
    return "Bad value", f"{_label(item)}: {phrases.pattern(expected, item.found, _infos(case))}"


def _infos(case: _Case) -> list[FieldInfo]:
    """The infos of the kind about its names for a bad name, those of the model about the field otherwise."""
    path = case.at.path
    if case.at.on_key:
        metadata = (
            getattr(case.kinds[str(path[0])].name_type, "__metadata__", ())
            if len(path) == 2 and path[0] in case.kinds
            else ()
        )
        return [item for item in metadata if isinstance(item, FieldInfo)]
    while path and isinstance(path[-1], int):
        path = path[:-1]
    infos = (
        (fields_of(model).get(str(path[-1])) for model in models_at(case.model, path[:-1])) if path else ()
    )
    return [info for info in infos if info is not None]


def _value(case: _Case) -> tuple[str, str]:
    """The message of a validator, without a value that looks like a secret."""
    item = case.at
    text = str(item.context.get("error", item.message.partition(", ")[2]))
    if case.hide and not isinstance(item.found, dict | list) and item.found not in (None, ""):
        text = text.replace(phrases.spelling(item.found), "(not shown)")
    return ("Bad name" if item.on_key else "Bad value"), phrases.sentence(text)


def _other(case: _Case) -> tuple[str, str]:
    item = case.at
    bound = phrases.bound(item.type, item.context)
    if bound is not None:
        excess = (
            ""
            if isinstance(item.found, str | dict | list)
            else f"; found {phrases.value_in_words(item.found, case.hide)}"
        )
        return ("Bad name" if item.on_key else "Out of bounds"), f"{_label(item)} {bound}{excess}."
    if item.type.endswith("_type") or item.type in (
        "int_parsing",
        "int_from_float",
        "bool_parsing",
        "float_parsing",
        "none_required",
    ):
        return _type(case)
    return "Bad value", f"{_label(item)}: {phrases.sentence(item.message)}"


_WORDS: dict[str, Callable[[_Case], tuple[str, str]]] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "literal_error": _type,
    "enum": _type,
    "string_pattern_mismatch": _pattern,
    "value_error": _value,
    "assertion_error": _value,
}
