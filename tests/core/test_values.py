"""`frozen` makes what `dataclass(frozen=True, slots=True)` makes: one class of each, side by side."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Sequence
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any

import pytest

from reconciler.core.basics.frozen import frozen


@frozen
class Ours:
    """One of each sort of field."""

    name: str
    size: int = 3
    parts: Sequence[str] = field(default_factory=list)

    @property
    def twice(self) -> int:
        """A method of its own."""
        return 2 * self.size


@dataclass(frozen=True, slots=True)
class Theirs:
    """One of each sort of field."""

    name: str
    size: int = 3
    parts: Sequence[str] = field(default_factory=list)


@frozen
class One:
    """A single field."""

    name: str


@frozen
class Secret:
    """A class with a word of its own."""

    password: str

    def __repr__(self) -> str:
        return "Secret()"


@frozen
class Nothing:
    """No field."""


ARGUMENTS: Sequence[tuple[tuple[Any, ...], dict[str, Any]]] = [
    (("a",), {}),
    (("a", 4), {"parts": ("x",)}),
    ((), {"size": 5, "name": "b"}),
    (("a", 4, ("x", "y")), {}),
]


@pytest.mark.parametrize(("args", "named"), ARGUMENTS)
def test_the_same_values_and_words(args: tuple[Any, ...], named: dict[str, Any]) -> None:
    """Arguments, defaults, repr and the functions of dataclasses give what a dataclass gives."""
    ours, theirs = Ours(*args, **named), Theirs(*args, **named)

    assert asdict(ours) == asdict(theirs)
    assert repr(ours) == repr(theirs).replace("Theirs", "Ours")
    assert [one.name for one in fields(ours)] == [one.name for one in fields(theirs)]
    assert asdict(replace(ours, size=9)) == asdict(replace(theirs, size=9))
    assert is_dataclass(ours)
    assert ours.twice == 2 * theirs.size


@pytest.mark.parametrize(
    ("args", "named"), [((), {}), (("a", 1, (), 4), {}), (("a",), {"colour": "red"}), (("a",), {"name": "b"})]
)
def test_the_same_refusals(args: tuple[Any, ...], named: dict[str, Any]) -> None:
    """Arguments that a dataclass refuses are refused here too, at the first try and at the second."""
    for kind in (Theirs, Ours, Ours):
        with pytest.raises(TypeError, match="argument"):
            kind(*args, **named)


def test_equal_and_hashed_by_content() -> None:
    """Equal content is equal and has one hash; another class is not equal, whatever is in it."""
    assert Ours("a", 1, ("x",)) == Ours("a", 1, ("x",)) != Ours("a", 2, ("x",))
    assert hash(Ours("a", 1, ("x",))) == hash(Ours("a", 1, ("x",))) == hash(Theirs("a", 1, ("x",)))
    theirs: object = Theirs("a", 1, ("x",))
    assert Ours("a", 1, ("x",)) != theirs
    assert {One("a"), One("a"), Nothing(), Nothing()} == {One("a"), Nothing()}
    with pytest.raises(TypeError, match="unhashable"):
        hash(Ours("a"))


def test_nothing_can_be_changed() -> None:
    """Neither a field nor anything else can be set or deleted, before the first value was made and after."""
    one = Ours("a")
    for name in ("name", "colour"):
        with pytest.raises(FrozenInstanceError):
            setattr(one, name, "b")
        with pytest.raises(FrozenInstanceError):
            delattr(one, name)
    assert (one.name, hasattr(one, "__dict__")) == ("a", False)


def test_default_factories_make_one_for_each() -> None:
    """Two values do not share what a factory makes."""
    assert Ours("a").parts == Ours("a").parts == []
    assert Ours("a").parts is not Ours("a").parts


@pytest.mark.parametrize("one", [Ours("a", 1, ("x",)), One("a"), Nothing()])
def test_copies_are_equal(one: object) -> None:
    """A value survives copy and pickle."""
    assert one == copy.copy(one) == copy.deepcopy(one) == pickle.loads(pickle.dumps(one))  # noqa: S301  # our own bytes


def test_values_match_patterns() -> None:
    """Patterns take the fields by place."""
    match Ours("a", 7):
        case Ours(name, size):
            assert (name, size) == ("a", 7)
        case _:
            pytest.fail("no match")


def test_what_the_class_says_itself_stays() -> None:
    """A `__repr__` that withholds a password is not replaced by one that tells it; the other methods are
    there as well.
    """
    assert repr(Secret("geheim")) == "Secret()"
    assert Secret("geheim") == Secret("geheim") != Secret("anders")
