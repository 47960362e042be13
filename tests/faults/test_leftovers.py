"""A file that a killed run left under a temporary name is gone after the next apply, wherever it was."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from reconciler.host.files.temporary_names import is_temporary
from tests.cli.command import Tree, fresh, make_tree

pytestmark = [
    pytest.mark.skipif(
        os.geteuid() != 0,
        reason="needs root: the command in a fresh process applies to a tree with real owners",
    ),
    pytest.mark.slow,
]
WEB = "services:\n  web: {exec_start: [/usr/bin/true], state: stopped}\n"
WITHOUT = 'directories:\n  /srv/x: {mode: "0755"}\n'


def _temporary(tree: Tree) -> list[str]:
    return sorted(path.parent.name for path in tree.root.rglob("*") if is_temporary(path.name))


def _killed(tree: Tree, text: str, failpoint: str) -> None:
    environment = {"RECONCILER_TESTING": "1", "RECONCILER_FAILPOINT": failpoint}
    done = fresh("apply", tree.spec(text), "--root", tree.root, "--auto-approve", env=environment)
    assert -signal.SIGKILL == done.code, done.said


@pytest.mark.parametrize(
    ("before", "after", "failpoint", "where"),
    [
        (WITHOUT, WEB, "publish.ready:1", "system"),
        (WITHOUT, WEB, "publish.ready:2", "multi-user.target.wants"),
        (WEB, WITHOUT, "remove.renamed:1", "multi-user.target.wants"),
        (WEB, WITHOUT, "remove.renamed:2", "system"),
    ],
)
def test_nothing_is_left(before: str, after: str, failpoint: str, where: str, tmp_path: Path) -> None:
    """Killed with a temporary name in a directory, killed again before it was swept, and applied: no such
    name is left anywhere.

    Nor is the directory, if it was to be removed when that had emptied it.
    """
    tree = make_tree(tmp_path)
    first = tree.apply(tree.spec(before))
    _killed(tree, after, failpoint)
    left = _temporary(tree)
    _killed(tree, after, "state.begin.done:1")
    done = tree.apply(tree.spec(after))
    again = tree.plan(tree.spec(after), "--detailed-exitcode")

    assert (0, 0, 0) == (first.code, done.code, again.code), done.said
    assert [where] == left
    assert [] == _temporary(tree)
    assert [] == [
        path
        for path in tree.path("/etc/systemd/system").iterdir()
        if path.is_dir() and not list(path.iterdir())
    ]
