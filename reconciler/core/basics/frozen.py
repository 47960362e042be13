"""Frozen dataclasses with slots, as `dataclass(frozen=True, slots=True)` makes them, that cost less at
start-up.

dataclass writes six functions for each class and compiles them when the module is imported, whether anybody
calls them or not: a sixth of the start of a command, which imports a hundred classes
(docs/decisions/2026-11-28-values.md). Here dataclass still finds the fields and makes the slots; `__init__`
is written when the first value is made, and the other methods need no code of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields
from operator import attrgetter
from typing import Any, NoReturn, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """The class as a frozen dataclass with slots, for `fields`, `replace` and `asdict` too.

    It must have no base class with fields. Methods of its own stay (a `__repr__` that withholds a secret).
    """
    own = frozenset(cls.__dict__)
    cls.__doc__ = (
        cls.__doc__ or cls.__name__
    )  # without one dataclass works out the signature of a class, for tens of milliseconds
    frozen_class: Any = dataclass(init=False, repr=False, eq=False, slots=True)(cls)
    members = fields(frozen_class)
    content = _content([member.name for member in members])
    methods = {
        "__init__": _late(frozen_class, members),
        "__repr__": _repr,
        "__eq__": _equal(content),
        "__hash__": lambda self: hash(content(self)),
        "__setattr__": _refuse_to_set,
        "__delattr__": _refuse_to_delete,
        "__reduce__": lambda self: (frozen_class, content(self)),
    }
    for name in methods.keys() - own:
        setattr(frozen_class, name, methods[name])
    return frozen_class  # type: ignore[no-any-return]  # what it was given, with slots


def _content(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """The function that gives the values of the fields."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda self: tuple(getattr(self, name) for name in names)


def _late(cls: Any, members: tuple[Field[Any], ...]) -> Callable[..., None]:
    """An `__init__` that replaces itself, at its first call, by one that is written for the fields."""

    def first(self: Any, *args: Any, **named: Any) -> None:
        cls.__init__ = _written(cls, members)
        cls.__init__(self, *args, **named)

    return first


def _written(cls: Any, members: tuple[Field[Any], ...]) -> Any:
    """The `__init__` that dataclass would have written; its text has nothing from outside but names of
    fields.

    A slot's own descriptor sets the value: `object.__setattr__` would look it up by name each time.
    """
    names: dict[str, Any] = {"_absent": object()}
    parameters, body = ["self"], ["pass"]
    for member in members:
        default, value = f"_default_{member.name}", member.name
        if member.default_factory is not MISSING:
            names[default], default, value = (
                member.default_factory,
                "_absent",
                f"{default}() if {member.name} is _absent else {member.name}",
            )
        elif member.default is not MISSING:
            names[default] = member.default
        else:
            default = ""
        parameters.append(f"{member.name}={default}" if default else member.name)
        names[f"_put_{member.name}"] = getattr(cls, member.name).__set__
        body.append(f"_put_{member.name}(self, {value})")
    exec(f"def __init__({', '.join(parameters)}):\n {'; '.join(body)}", names)  # noqa: S102  # as dataclass does
    return names["__init__"]


def _repr(self: Any) -> str:
    values = ", ".join(f"{member.name}={getattr(self, member.name)!r}" for member in fields(self))
    return f"{type(self).__qualname__}({values})"


def _equal(content: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any, Any], bool]:
    def equal(self: Any, other: Any) -> bool:
        return content(self) == content(other) if other.__class__ is self.__class__ else NotImplemented

    return equal


def _refuse_to_set(_self: Any, name: str, _value: Any) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_self: Any, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")
