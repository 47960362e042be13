from __future__ import annotations

from pathlib import Path

import pytest

from tests.jobs.places import Place, make_place
from tests.jobs.repositories import ResticPlace, make_restic_place, make_template


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A job with something to back up."""
    return make_place(tmp_path / "host")


@pytest.fixture(scope="session")
def restic_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty repository, to be copied."""
    return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def restic_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restic_template: Path) -> ResticPlace:
    """A job of restic's with something to back up, and an empty repository."""
    return make_restic_place(tmp_path / "host", monkeypatch, restic_template)


@pytest.fixture
def new_restic_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ResticPlace:
    """A job of restic's whose repository is not there yet."""
    return make_restic_place(tmp_path / "host", monkeypatch, None)
