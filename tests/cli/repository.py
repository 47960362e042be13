"""A Git repository with a spec in it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.cli.command import Tree


def git(folder: Path, *arguments: str) -> str:
    """The output of git."""
    identity = {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "T"), ("EMAIL", "t@example.org"))
    }
    environment = identity | {"PATH": os.defpath, "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(
        ["git", "-C", str(folder), *arguments], env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


class Repository:
    """A repository with the spec in a folder: two commits, and a work tree that is neither."""

    def __init__(self, tree: Tree) -> None:
        self.folder = tree.base / "repo"
        self.spec = self.folder / "hosts/h1.yaml"
        self.folder.mkdir()
        git(self.folder, "init", "--quiet")
        self.first = self.commit(tree, "first")
        self.second = self.commit(tree, "second")
        self.write(tree, "dirty")

    def write(self, tree: Tree, text: str) -> None:
        """Change the work tree: the content and a source file."""
        tree.spec(
            f'files:\n  /etc/a: {{content: "{text}\\n", mode: "0644"}}\n  /etc/b: {{source: ../b, mode:'
            ' "0644"}\n',
            "repo/hosts/h1.yaml",
        )
        (self.folder / "b").write_text(f"source {text}\n")

    def commit(self, tree: Tree, text: str) -> str:
        """Write and commit; the full id."""
        self.write(tree, text)
        git(self.folder, "add", ".")
        git(self.folder, "commit", "--quiet", "-m", text)
        return git(self.folder, "rev-parse", "HEAD")
