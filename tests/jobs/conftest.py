from __future__ import annotations

from pathlib import Path

import pytest

from tests.jobs.places import Place, make_place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A job with something to back up."""
    return make_place(tmp_path / "host")
