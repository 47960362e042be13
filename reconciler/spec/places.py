"""pydantic's errors located in the data, and one error per mistake instead of one per member of a union."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from reconciler.core.basics.frozen import frozen
from reconciler.core.model.misfit import Misfit
from reconciler.spec.positions import Map, Mark, Seq, marks_of

KEY = "[key]"
"""pydantic's last `loc` element when the key of a map is wrong, not its value."""
_SHAPES = frozenset(
    [
        "literal_error",
        "enum",
        "none_required",
        "int_parsing",
        "int_from_float",
        "bool_parsing",
        "float_parsing",
        "union_tag_not_found",
    ]
)


@frozen
class Located:
    """One pydantic error and where it is."""

    type: str
    """pydantic's type of the error."""
    path: tuple[str | int, ...]
    """The keys and indices that exist in the data."""
    branches: tuple[tuple[int, str], ...]
    """The union members that pydantic was in: the length of the path there, and pydantic's label."""
    key: Mark
    """The mark of the last key of the path."""
    value: Mark
    """The mark of its value."""
    found: Any
    """The value at the end of the path."""
    message: str
    context: dict[str, Any]
    on_key: bool = False
    """Whether the key is wrong, and not its value."""
    name: str = ""
    """The key that is missing, for errors of type `missing`."""
    also: tuple[Located, ...] = ()
    """The errors of the other members of a union none of which takes a value of this type."""


def locate(error: Any, root: Map, start: Mark) -> Located:
    """The error with its position: `loc` and the marked data are walked in step. `start` is the document's
    mark.
    """
    context = error.get("ctx") or {}
    cause = context.get("error")
    loc: tuple[str | int, ...] = (*error["loc"], *(cause.path if isinstance(cause, Misfit) else ()))
    path: list[str | int] = []
    branches: list[tuple[int, str]] = []
    current: Any = root
    key = value = start
    on_key, name = False, ""
    for index, step in enumerate(loc):
        last = index == len(loc) - 1
        if last and error["type"] == "missing":
            name = str(step)
        elif last and step == KEY:
            on_key = True
        elif isinstance(current, Map) and step in current:
            key, value = marks_of(current, str(step))
            current = current[str(step)]
            path.append(step)
        elif isinstance(current, Seq) and isinstance(step, int) and step < len(current):
            key = value = current.marks[step]
            current = current[step]
            path.append(step)
        else:
            branches.append((len(path), str(step)))
    return Located(
        error["type"],
        tuple(path),
        tuple(branches),
        key,
        value,
        current,
        error["msg"],
        context,
        on_key,
        name,
    )


def collapse(errors: Iterable[Located], level: int = 0) -> list[Located]:
    """One error per mistake: for a union the errors of the member that takes this type; if none does, one
    error that names all members.
    """
    result: list[Located] = []
    for union_path, group in groupby(errors, key=lambda item: _crossing(item, level)):
        items = list(group)
        result += items if union_path is None else _choose(items, level)
    return result


def _crossing(item: Located, level: int) -> tuple[str | int, ...] | None:
    """The path of the union that an error went through at this level; None when there is none."""
    return item.path[: item.branches[level][0]] if len(item.branches) > level else None


def _choose(items: Sequence[Located], level: int) -> list[Located]:
    members: dict[str, list[Located]] = {}
    for item in items:
        members.setdefault(item.branches[level][1], []).append(item)
    fitting = [errors for errors in members.values() if not any(_misfit(item, level) for item in errors)]
    fitting.sort(key=len)
    if fitting:
        return collapse(fitting[0], level + 1)
    misfits = [item for item in items if _misfit(item, level)]
    first = misfits[0]
    return [
        Located(
            first.type,
            first.path,
            (),
            first.key,
            first.value,
            first.found,
            first.message,
            first.context,
            first.on_key,
            first.name,
            tuple(misfits[1:]),
        )
    ]


def _misfit(item: Located, level: int) -> bool:
    """Whether the value at the union itself has another type than this member takes."""
    return (
        len(item.path) == item.branches[level][0]
        and not item.on_key
        and (item.type.endswith("_type") or item.type in _SHAPES)
    )
