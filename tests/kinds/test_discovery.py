"""Which kinds there are, without importing them."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pkgutil import iter_modules

import reconciler.kinds
from reconciler.kinds import discover, observer


def test_the_text_of_the_modules_says_the_truth() -> None:
    """The kinds found in the text are those that importing every module finds, in their order."""
    modules = [import_module(f"reconciler.kinds.{found.name}") for found in iter_modules(reconciler.kinds.__path__)]
    kinds = sorted((module.KIND for module in modules if hasattr(module, "KIND")), key=lambda kind: (kind.order, kind.name))

    assert [kind.name for kind in kinds] == list(discover())
    assert kinds == list(discover().values())


def test_a_host_is_asked_without_a_model() -> None:
    """Every kind is observed by a module of its own that is the kind's own observer and brings neither pydantic nor the kind."""
    names = list(discover())
    program = f"import sys; from reconciler.kinds import observer\nfor name in {names!r}: observer(name)\nprint(*sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60).stdout.split()

    assert [discover()[name].observe for name in names] == [observer(name) for name in names]
    assert set() == {"pydantic", *(f"reconciler.kinds.{name}" for name in names)} & set(modules)
