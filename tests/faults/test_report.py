"""The page about reliability has a place for figures, and names files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.faults.mutants import planted_table
from tests.faults.report import PAGE, REPOSITORY, put, read, table

pytestmark = pytest.mark.slow


def test_figures_are_added_up_and_put_in_place(tmp_path: Path) -> None:
    """Parts of one harness are one line; what stood between the marks goes, all else stays."""
    for part in (0, 1):
        (tmp_path / f"damage-cut-{part}.json").write_text(
            '{"points": 5, "noticed": 4, "violations": 0, "seconds": 2}'
        )
    page = PAGE.read_text("utf-8")
    twice = put(put(page, "figures", table(read(tmp_path))), "figures", "x")

    assert "| damage cut | 10 | 0 | 4 | 8 noticed |" in table(read(tmp_path))
    assert put(page, "figures", "x") == twice
    with pytest.raises(ValueError, match="no place"):
        put("a page", "planted", "x")


def test_the_planted_bugs_are_those_that_are_planted() -> None:
    """The table of the page is that of the mutants."""
    page = PAGE.read_text("utf-8")

    assert put(page, "planted", planted_table()) == page, "run: python -m tests.faults.report"


def test_every_file_that_is_named_exists() -> None:
    """A promise whose test was renamed is noticed."""
    named = set(re.findall(r"tests/[a-z_/]+\.py", PAGE.read_text("utf-8")))

    assert len(named) > 10
    assert [] == sorted(name for name in named if not (REPOSITORY / name).exists())
