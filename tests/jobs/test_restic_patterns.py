"""A pattern of `exclude` leaves out the same files with restic as with tar: both programs are asked."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from reconciler.formats.backups import restic_patterns
from reconciler.host.archives import tar
from reconciler.host.archives.tar import Contents
from tests.jobs.repositories import PROGRAM

pytestmark = pytest.mark.slow

NAMES = (
    *("a", "ab", "a.tmp", "x*y", "[a]", "[ab", "!keep", "^b", "back\\slash", "q?", "]", "-dash", "ä"),
    *("cache/a", "cache/deep/a.tmp", "deep/cache/b", "deep/er/a.tmp", "sub dir/a b"),
)
PATTERNS = (
    *("*.tmp", "cache", "deep/cache", "TOP/deep/*", "TOP/cache", "TOP/*/cache", "TOP/**/b", "**", "*/a"),
    *("[ab]", "[!a]", "[^a]", "[a-b]b", "[", "[ab", "[a]", "[]]", "[!]]", "!keep", "\\!keep", "x\\*y", "x*y"),
    *("back\\\\slash", "back\\slash", "q\\?", "?", "*", "sub dir", "a b", "ä", "-*", "a**", "***", "de*/er"),
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files with names that patterns are about."""
    top = tmp_path_factory.mktemp("tree") / "top"
    for name in NAMES:
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    return top


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, restic_template: Path) -> Path:
    """A repository for these tests: the template stays empty for all others."""
    top = tmp_path_factory.mktemp("patterns")
    shutil.copytree(restic_template.parent, top, dirs_exist_ok=True)
    return top / restic_template.name


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern(pattern: str, tree: Path, repository: Path, tmp_path: Path) -> None:
    """Files and directories that stay are the same."""
    pattern = pattern.replace("TOP", str(tree))
    with (tmp_path / "archive").open("w+b") as file:
        tar.create(file.fileno(), Contents((str(tree),), (pattern,), compress="none"))
        file.seek(0)
        with tarfile.open(fileobj=io.BytesIO(file.read())) as archive:
            by_tar = {f"/{member.name}" for member in archive}

    assert {path for path in by_tar if path.startswith(str(tree))} == _by_restic(pattern, tree, repository)


def _by_restic(pattern: str, tree: Path, repository: Path) -> set[str]:
    argv = [PROGRAM, "--no-cache", f"--password-file={repository.parent}/pass", f"--repo={repository}"]
    excluded = f"--exclude={restic_patterns.pattern(pattern)}"
    made = subprocess.run(
        [*argv, "backup", "--json", excluded, tree], check=True, capture_output=True, text=True
    )
    ident = json.loads(made.stdout.splitlines()[-1])["snapshot_id"]
    listed = subprocess.run([*argv, "ls", "--json", ident], check=True, capture_output=True, text=True)
    nodes = [json.loads(line) for line in listed.stdout.splitlines()[1:]]
    return {node["path"] for node in nodes if node["path"].startswith(str(tree))}
