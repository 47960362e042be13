"""The engines of jobs: one table knows them, and nothing else asks which one a job has."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from reconciler.formats.backups.job import ENGINES, Job, Keep, Restic
from reconciler.jobs import engines
from tests.jobs.places import REPOSITORY

JOBS = REPOSITORY / "reconciler" / "jobs"
APART = {
    JOBS / "jobfile.py": "a tree has archives of tar alone",
    JOBS / "health" / "lost_job.py": "makes the job",
}
"""Modules that may look at the fields of restic, each with the reason."""


def choosing(tree: ast.AST) -> Iterator[int]:
    """The lines that look at a job's `restic`, or import a module of an engine."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "restic":
            yield node.lineno
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            ("reconciler.jobs.restic", "reconciler.jobs.tar")
        ):
            yield node.lineno


def test_every_engine_has_a_row() -> None:
    """A job file can name no engine that the table has not, and a job has the one that its file names."""
    plain = Job("a", ("/a",), ("/b",), Keep())

    assert sorted(ENGINES) == sorted(engines._ENGINES)
    assert ["tar", "restic"] == [plain.engine, replace(plain, restic=Restic("h", "/p")).engine]
    assert "reconciler.jobs.tar.engine" == engines.engine_of(plain).__name__  # type: ignore[attr-defined]  # a module


def test_nothing_else_chooses() -> None:
    """What differs with the engine is asked of the table."""
    inside = (JOBS / "restic", JOBS / "tar")
    modules = [path for path in JOBS.rglob("*.py") if path.parent not in inside and path not in APART]
    modules += (REPOSITORY / "reconciler" / "app" / "backup").rglob("*.py")
    lines = {
        path.name: [*choosing(ast.parse(path.read_text()))] for path in modules if path != JOBS / "engines.py"
    }

    assert {} == {name: places for name, places in lines.items() if places}
    assert len([*choosing(ast.parse(Path(engines.__file__).read_text()))]) == len(ENGINES)
