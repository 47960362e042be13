"""One module per kind of resource. A module that has a `KIND` is a kind: there is no list to forget."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from reconciler.core.kind import Kind, Kinds


@cache
def discover() -> Kinds:
    """All kinds by name; what others build on comes first."""
    modules = (import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__))
    kinds: list[Kind] = [module.KIND for module in modules if hasattr(module, "KIND")]
    return {kind.name: kind for kind in sorted(kinds, key=lambda kind: (kind.order, kind.name))}
