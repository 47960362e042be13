"""Values: the classes that `dataclass(frozen=True, slots=True)` makes, with nothing compiled before it is
needed.

dataclass writes six functions for each class, compiles and runs them when the module is imported, whether
anybody calls them or not. That is a sixth of the start of a command, which imports a hundred classes
(docs/decisions/2026-11-28-values.md). Here dataclass still finds the fields and makes the slots; `__init__`
is written when the first value is made, and the rest needs no code of its own.
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

    It has no base class with fields. Anything that the class says itself (a `__repr__` that withholds a
    secret) stays.
    """
    own = frozenset(cls.__dict__)
    cls.__doc__ = (
        cls.__doc__ or cls.__name__
    )  # without one dataclass works out the signature of a class, for tens of milliseconds
    made: Any = dataclass(init=False, repr=False, eq=False, slots=True)(cls)
    known = fields(made)
    content = _content([one.name for one in known])
    methods = {
        "__init__": _late(made, known),
        "__repr__": _repr,
        "__eq__": _equal(content),
        "__hash__": lambda self: hash(content(self)),
        "__setattr__": _refuse_to_set,
        "__delattr__": _refuse_to_delete,
        "__reduce__": lambda self: (made, content(self)),
    }
    for name in methods.keys() - own:
        setattr(made, name, methods[name])
    return made  # type: ignore[no-any-return]  # what it was given, with slots


def _content(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """The function that gives the values of the fields."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda self: tuple(getattr(self, name) for name in names)


def _late(cls: Any, known: tuple[Field[Any], ...]) -> Callable[..., None]:
    """An `__init__` that gives way, at its first call, to one that is written for the fields."""

    def first(self: Any, *args: Any, **named: Any) -> None:
        cls.__init__ = _written(cls, known)
        cls.__init__(self, *args, **named)

    return first


def _written(cls: Any, known: tuple[Field[Any], ...]) -> Any:
    """The `__init__` that dataclass would have written. In its text there is nothing but names of fields.

    A slot's own descriptor puts the value there: `object.__setattr__` would look for it by name each time.
    """
    names: dict[str, Any] = {"_absent": object()}
    parameters, body = ["self"], ["pass"]
    for one in known:
        default, given = f"_default_{one.name}", one.name
        if one.default_factory is not MISSING:
            names[default], default, given = (
                one.default_factory,
                "_absent",
                f"{default}() if {one.name} is _absent else {one.name}",
            )
        elif one.default is not MISSING:
            names[default] = one.default
        else:
            default = ""
        parameters.append(f"{one.name}={default}" if default else one.name)
        names[f"_put_{one.name}"] = getattr(cls, one.name).__set__
        body.append(f"_put_{one.name}(self, {given})")
    exec(f"def __init__({', '.join(parameters)}):\n {'; '.join(body)}", names)  # noqa: S102  # as dataclass does
    return names["__init__"]


def _repr(self: Any) -> str:
    said = ", ".join(f"{one.name}={getattr(self, one.name)!r}" for one in fields(self))
    return f"{type(self).__qualname__}({said})"


def _equal(content: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any, Any], bool]:
    def equal(self: Any, other: Any) -> bool:
        return content(self) == content(other) if other.__class__ is self.__class__ else NotImplemented

    return equal


def _refuse_to_set(_self: Any, name: str, _value: Any) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_self: Any, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")
