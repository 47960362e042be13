"""docs/systemd.md names a test for each line.

It is there, and one of them has a booted host for a judge unless what is true is refused.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs/systemd.md"
_NAMED = re.compile(r"`(tests/[a-z_/]+\.py)::(test_\w+)(?:\[([^`\]]+)\])?`")
_BOOTED = ("tests/booted/", "tests/formats/test_nasty_booted.py")
_LEAST = 35


def rows(page: str) -> list[tuple[str, str, str]]:
    """The lines of the tables: what is true, what is done, what shows it."""
    cells = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in page.splitlines()
        if line.startswith("| ")
    ]
    return [(one[0], one[1], one[2]) for one in cells if one[0] != "Fact"]


ROWS = rows(PAGE.read_text())


@cache
def names_in(file: str) -> frozenset[str]:
    """The names of the tests of a file."""
    tree = ast.parse((REPOSITORY / file).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_each_line_is_shown(row: tuple[str, str, str]) -> None:
    """The tests that it names are there; one is on a booted host, or what is true is refused."""
    _, done, shown = row
    named = _NAMED.findall(shown)

    assert named
    assert shown.count("::") == len(named)
    for file, name, case in named:
        assert name in names_in(file), f"{file} has no {name}"
        assert not case or (REPOSITORY / f"tests/cases/{case}.yaml").exists(), case
    assert any(file.startswith(_BOOTED) for file, _, _ in named) or "refused" in done


def test_no_line_went() -> None:
    """It is a list that grows."""
    assert len(ROWS) >= _LEAST
    assert len({row[0] for row in ROWS}) == len(ROWS)


def test_a_test_that_is_gone_would_be_noticed() -> None:
    """A name that does not exist is found to be missing."""
    (row,) = rows("| a | b | `tests/booted/test_spine.py::test_that_was_never_written` |")
    with pytest.raises(AssertionError, match="has no test_that_was_never_written"):
        test_each_line_is_shown(row)
