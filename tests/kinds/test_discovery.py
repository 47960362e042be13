"""Which kinds there are, without importing them."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules

import pytest

import reconciler.kinds
from reconciler.app import not_looked_at
from reconciler.host.simulation.host import SimulatedHost
from reconciler.kinds import discover, importable, importer, observer, of_accounts
from reconciler.policy.access.changes import TELLERS
from tests.case import all_cases
from tests.ordinary import REPOSITORY

pytestmark = pytest.mark.slow


def test_every_folder_with_a_kind_is_discovered() -> None:
    """Every folder that has a kind is discovered, and each kind stands where its own `order` says."""
    folders = [module.name for module in iter_modules(reconciler.kinds.__path__) if module.ispkg]
    names = [name for name in folders if find_spec(f"reconciler.kinds.{name}.kind")]
    kinds = sorted(
        (import_module(f"reconciler.kinds.{name}.kind").KIND for name in names),
        key=lambda kind: (kind.order, kind.name),
    )

    assert [kind.name for kind in kinds] == list(discover())
    assert kinds == list(discover().values())


def test_a_host_is_asked_without_a_model() -> None:
    """Every kind is observed by a module of its own that is the kind's own observer and brings neither
    pydantic nor the kind.
    """
    names = list(discover())
    program = (
        f"import sys; from reconciler.kinds import observer\nfor name in {names!r}:"
        " observer(name)\nprint(*sorted(sys.modules))"
    )
    modules = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()

    assert [discover()[name].observe for name in names] == [observer(name) for name in names]
    assert set() == {"pydantic", *(f"reconciler.kinds.{name}.kind" for name in names)} & set(modules)


def test_what_is_said_of_kinds_is_asked_of_the_kind() -> None:
    """A kind that tells of access has a teller and no other has; keys and users are of one account; a
    kind that runs programs has cases on a booted host.
    """
    kinds = discover().values()
    booted = {case.kind for case in all_cases() if case.booted}

    assert set(TELLERS) == {kind.name for kind in kinds if kind.tells_access}
    assert {"users", "ssh_keys"} == of_accounts()
    assert {kind.name for kind in kinds if kind.programs} <= booted


def test_a_kind_is_imported_because_its_folder_has_an_importer() -> None:
    """No list names the kinds that `import` reads back: each has an `importer.py` with `find` and `PLACES`."""
    folders = {file.parent.name for file in (REPOSITORY / "reconciler/kinds").glob("*/importer.py")}

    assert folders == set(importable())
    for find, places in map(importer, importable()):
        assert callable(find)
        assert all(place.startswith("/") for place in places)


def test_import_names_a_kind_that_it_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody takes the silence of `import` for absence: a kind without an importer is told."""
    told = {*not_looked_at.not_looked_at(SimulatedHost.of({}), ())}
    monkeypatch.setattr(not_looked_at, "discover", lambda: {**discover(), "a_new_kind": None})
    more = {*not_looked_at.not_looked_at(SimulatedHost.of({}), ())}

    assert {"a_new_kind: import does not know this kind"} == more - told
    assert set(discover()) > not_looked_at._TOLD - set(importable()) == not_looked_at._TOLD
