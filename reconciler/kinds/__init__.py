"""One folder per kind of resource.

A folder whose `__init__` has an `ORDER` is a kind: there is no list to forget.

`kind.py` has the kind (`KIND`), `model.py` what a spec can say, `observe.py` what a host says, `checks.py`
what the host's own facts forbid, `importer.py` what `import` reads back. `shared` has what several kinds are
made of and knows none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the plan of a settled host imports no model of a kind
    from reconciler.core.address import Address
    from reconciler.core.changes import Observed
    from reconciler.core.host import HostView
    from reconciler.core.kind import Kind, Kinds
    from reconciler.kinds.shared.importing import Asked, Candidate


class _Kinds(Mapping[str, "Kind"]):
    """All kinds by name; a kind's module is imported when it is first asked for, and costs nothing where a
    spec has none of it.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = dict.fromkeys(names)
        self._imported: dict[str, Kind] = {}

    def __getitem__(self, name: str) -> Kind:
        if name not in self._imported:
            if name not in self._names:
                raise KeyError(name)
            self._imported[name] = import_module(f"{__name__}.{name}.kind").KIND
        return self._imported[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def observer(name: str) -> Callable[[HostView, Sequence[Address]], Mapping[Address, Observed]]:
    """The `observe` of a kind, without the kind: what a host says needs no model of a spec."""
    observe: Callable[[HostView, Sequence[Address]], Mapping[Address, Observed]] = import_module(
        f"{__name__}.{name}.observe"
    ).observe
    return observe


@cache
def discover() -> Kinds:
    """All kinds by name, in the order of their `ORDER`.

    A kind's own modules are not imported: that is slow.
    """
    from pkgutil import iter_modules  # the plan of a settled host asks the kinds of its ledger only

    folders = [module.name for module in iter_modules(__path__) if module.ispkg]
    orders = {name: getattr(import_module(f"{__name__}.{name}"), "ORDER", None) for name in folders}
    return _Kinds(
        tuple(
            sorted(
                (name for name, order in orders.items() if order is not None),
                key=lambda name: (orders[name], name),
            )
        )
    )


@cache
def importable() -> tuple[str, ...]:
    """The kinds that `import` reads back, in the order of the spec: their folders have an `importer.py`."""
    from importlib.util import find_spec

    return tuple(name for name in discover() if find_spec(f"{__name__}.{name}.importer"))


def importer(name: str) -> tuple[Callable[[HostView, Asked], Iterable[Candidate]], tuple[str, ...]]:
    """The `find` of an importable kind, and the `PLACES` where it must be told what a package brought."""
    module = import_module(f"{__name__}.{name}.importer")
    return module.find, module.PLACES


@cache
def of_accounts() -> frozenset[str]:
    """The kinds whose names are accounts: a change of one concerns nobody else's account."""
    return frozenset(name for name in discover() if is_of_accounts(name))


@cache
def is_of_accounts(name: str) -> bool:
    """Whether a kind is one of `of_accounts`.

    Its folder says so, for the plan of a settled host imports no kind, and looks at no other folder.
    """
    return getattr(import_module(f"{__name__}.{name}"), "OF_ACCOUNTS", False)
