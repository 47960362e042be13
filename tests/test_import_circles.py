"""No two modules import each other in a circle: whoever reads one of them need not have read the other first.

`import-linter` judges packages; here each module counts, with imports inside functions and for types alone.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def sources() -> dict[str, str]:
    """The text of each module, by its name."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path.read_text()
        for path in sorted((ROOT / "reconciler").rglob("*.py"))
    }


@cache
def imported(text: str) -> frozenset[str]:
    """Every name that a module imports anywhere, with the module it is in."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def circle(texts: Mapping[str, str]) -> list[str]:
    """A circle of modules; empty if there is none."""
    graph: dict[str, set[str]] = {}
    for module, text in texts.items():
        names = {name if name in texts else name.rpartition(".")[0] for name in imported(text)}
        graph[module] = {name for name in names if name in texts} - {module}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as found:
        return list(found.args[1])
    return []


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Every module can be read after those that it imports."""
    assert circle(sources()) == []


@pytest.mark.parametrize(
    "back",
    [
        "from reconciler.engine.planner import make_plan",
        "import reconciler.engine.planner",
        "def late():\n    from reconciler.engine import planner",
        "if TYPE_CHECKING:\n    from reconciler.engine.planner import Simulator",
    ],
)
def test_a_planted_circle_is_seen(back: str) -> None:
    """The test is not blind: an import back from a module below is found, wherever it stands."""
    below = "reconciler.engine.compare"

    found = circle({**(texts := sources()), below: f"{texts[below]}\n{back}\n"})

    assert {below, "reconciler.engine.planner"} <= {*found}
