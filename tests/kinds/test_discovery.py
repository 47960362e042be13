"""Which kinds there are, without importing them."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

import reconciler.kinds
from reconciler.kinds import discover


def test_the_text_of_the_modules_says_the_truth() -> None:
    """The kinds found in the text are those that importing every module finds, in their order."""
    modules = [import_module(f"reconciler.kinds.{found.name}") for found in iter_modules(reconciler.kinds.__path__)]
    kinds = sorted((module.KIND for module in modules if hasattr(module, "KIND")), key=lambda kind: (kind.order, kind.name))

    assert [kind.name for kind in kinds] == list(discover())
    assert kinds == list(discover().values())
