"""The digest of the program, and the directories that it is run from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import reconciler
from reconciler.host.process.program_digest import program_digest, program_directories

SOURCES = ("_version.py", "host/tree.py", "host/process/run.py", "policy/access/people/groups.py")
"""Python files of a package, from the top to the deepest folder."""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package with a file at every depth."""
    package = tmp_path / "reconciler"
    for name in SOURCES:
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text("x = 1\n")
    return package


@pytest.mark.parametrize("name", SOURCES)
def test_a_change_at_any_depth_is_another_program(package: Path, name: str) -> None:
    """A source file that changes anywhere in the package changes the digest."""
    before = program_digest(str(package))
    assert program_digest(str(package)) == before
    (package / name).write_text("x = 22\n")
    assert program_digest(str(package)) != before


def test_a_library_beside_the_package_counts(package: Path) -> None:
    """A library that is installed beside the package changes the digest."""
    before = program_digest(str(package))
    (package.parent / "library.py").write_text("")
    os.utime(package.parent, ns=(1, 1))
    assert program_digest(str(package)) != before


def test_compiled_files_do_not_count(package: Path) -> None:
    """The cache that the interpreter writes leaves the digest as it is."""
    before = program_digest(str(package))
    (package / "host/__pycache__").mkdir()
    (package / "host/__pycache__/tree.py").write_text("")
    assert program_digest(str(package)) == before


def test_the_program_is_the_whole_package() -> None:
    """The first directory that the program is run from is that of the package, not of a folder in it."""
    assert reconciler.__file__ is not None
    assert program_directories("")[0] == str(Path(reconciler.__file__).resolve().parent)
