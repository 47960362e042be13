"""The checks: a decorator that makes one of a function, and the discovery of all of them.

A module in `areas` is an area, in which room ever; its name is that of the file. There is no list to forget.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from pkgutil import walk_packages
from types import ModuleType

from reconciler.audit import areas
from reconciler.audit.model import Check, Look, Severity

_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


def check(
    id: str,  # noqa: A002  # the word of the reports
    *,
    severity: Severity,
    title: str,
    rationale: str,
    remediation: str,
    cis: tuple[str, ...] = (),
    needs: tuple[str, ...] = (),
) -> Callable[[Look], Check]:
    """Make a check of a function from facts to findings: none means that all is well.

    The fields are those of `model.Check`.
    """
    if not _ID.fullmatch(id):
        raise ValueError(f"{id}: the id of a check has small letters, digits and single hyphens")

    def made(look: Look) -> Check:
        return Check(id, severity, title, rationale, remediation, cis, needs, look, area_of(look.__module__))

    return made


@cache
def checks() -> Mapping[str, Check]:
    """All checks by id, in the order of areas and, in an area, of its module.

    Raises ValueError for an id that two have.
    """
    return indexed(item for module in modules().values() for item in checks_in(module))


@cache
def modules() -> Mapping[str, ModuleType]:
    """The modules of the areas by name."""
    listed = walk_packages(areas.__path__, f"{areas.__name__}.")
    names = (module.name for module in listed if not module.ispkg)
    return {area_of(name): import_module(name) for name in sorted(names, key=area_of)}


def area_of(module: str) -> str:
    """The area of the module of this name."""
    return module.rpartition(".")[2]


def area_title(area: str) -> str:
    """The subject of an area: the first line of its module's docstring, without the full stop."""
    return (modules()[area].__doc__ or area).split("\n", 1)[0].rstrip(".")


def checks_in(module: ModuleType) -> Iterator[Check]:
    """The checks that a module has made, in its order; not those that it imports."""
    area = area_of(module.__name__)
    return (value for value in vars(module).values() if isinstance(value, Check) and value.area == area)


def indexed(all_checks: Iterable[Check]) -> Mapping[str, Check]:
    """The checks by id. Raises ValueError for an id that two have."""
    index: dict[str, Check] = {}
    for item in all_checks:
        if item.id in index:
            raise ValueError(f"two checks have the id {item.id}: in {index[item.id].area} and in {item.area}")
        index[item.id] = item
    return index


def unknown(names: Iterable[str]) -> list[str]:
    """The names that are neither the id of a check nor an area."""
    return [name for name in names if name not in checks() and name not in modules()]


def chosen(names: Iterable[str]) -> list[Check]:
    """The checks of these ids and areas; all without any."""
    selected = set(names)
    return [
        item for item in checks().values() if not selected or item.id in selected or item.area in selected
    ]
