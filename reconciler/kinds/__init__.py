"""One module per kind of resource. A module that has a `KIND` is a kind: there is no list to forget."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.machinery import FileFinder, SourceFileLoader
from pkgutil import iter_modules

from reconciler.core.address import Address
from reconciler.core.changes import Observed
from reconciler.core.host import HostView
from reconciler.core.kind import Kind, Kinds

_ORDER = re.compile(r"^    order=(\d+),", re.MULTILINE)
_MIDDLE = 50


class _Kinds(Mapping[str, Kind]):
    """All kinds by name; a kind's module is imported when it is first asked for, and costs nothing where a spec has none of it."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = dict.fromkeys(names)
        self._imported: dict[str, Kind] = {}

    def __getitem__(self, name: str) -> Kind:
        if name not in self._imported:
            if name not in self._names:
                raise KeyError(name)
            self._imported[name] = import_module(f"{__name__}.{name}").KIND
        return self._imported[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def observer(name: str) -> Callable[[HostView, Sequence[Address]], Mapping[Address, Observed]]:
    """The `observe` of a kind, without the kind: what a host says needs no model of a spec."""
    observe: Callable[[HostView, Sequence[Address]], Mapping[Address, Observed]] = import_module(f"{__name__}.{name}_observed").observe
    return observe


@cache
def discover() -> Kinds:
    """All kinds by name; what others build on comes first. The names come from the text of the modules: importing them all is slow."""
    orders = {found.name: _order(_source(found.module_finder, found.name)) for found in iter_modules(__path__)}
    kinds = [(order, name) for name, order in orders.items() if order is not None]
    return _Kinds(tuple(name for _, name in sorted(kinds)))


def _source(finder: object, name: str) -> str:
    assert isinstance(finder, FileFinder)
    spec = finder.find_spec(f"{__name__}.{name}")
    assert spec is not None and isinstance(spec.loader, SourceFileLoader)
    return spec.loader.get_data(spec.loader.path).decode()


def _order(source: str) -> int | None:
    """The place of the kind that a module defines; None when it defines none."""
    start = source.find("\nKIND = Kind(")
    if start < 0:
        return None
    order = _ORDER.search(source, start)
    return int(order[1]) if order else _MIDDLE
