"""Golden output: `golden("name", text)` compares with golden/name.txt.

With RECONCILER_UPDATE_GOLDEN=1 in the environment files that differ are rewritten, and the test still fails:
look at `git diff`, then run again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

_FOLDER = Path(__file__).parent / "golden"


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """A comparison with a stored text."""

    def compare(name: str, actual: str) -> None:
        path = _FOLDER / f"{name}.txt"
        expected = path.read_text(encoding="utf-8") if path.exists() else ""
        if expected != actual and os.environ.get("RECONCILER_UPDATE_GOLDEN") == "1":
            path.write_text(actual, encoding="utf-8", newline="\n")
            pytest.fail(f"rewrote {path}; check the difference and run again")

        assert expected == actual

    return compare
