"""A refusal comes before the first effect: the tree and our state are as they were, to the inode and the
time.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import Manifest, Tree, make_tree

pytestmark = pytest.mark.slow

FILES = "".join(f'  /etc/f{number}: {{content: "", mode: "0644"}}\n' for number in range(8))
REFUSED = {
    "what is not ours": (
        f'files:\n{FILES}  /etc/theirs: {{content: "ours\\n", mode: "0644"}}\n  /etc/new: {{content: "",'
        ' mode: "0644"}\n'
    ),
    "too much destroyed": 'files:\n  /etc/f1: {content: "changed\\n", mode: "0644"}\n',
    "another host's spec": "version: 1\nhost: h2\nfiles:\n" + FILES.replace("f1", "new"),
    "an empty spec": "version: 1\nhost: h1\n",
}


def _all_but_the_lock(tree: Tree) -> Manifest:
    """The lock says who had it."""
    return {
        path: facts
        for path, facts in tree.manifest().items()
        if path not in (str(tree.state / "lock"), str(tree.state))
    }


@pytest.mark.parametrize("why", REFUSED)
def test_nothing_is_touched(why: str, tmp_path: Path) -> None:
    """Refused with exit code 3, whatever else the spec asks for."""
    tree = make_tree(tmp_path)
    tree.put("/etc/hostname", "h1\n")
    tree.put("/etc/theirs", "theirs\n")
    first = tree.apply(tree.spec(f"files:\n{FILES}"))
    before = _all_but_the_lock(tree)
    done = tree.apply(tree.spec(REFUSED[why]))

    assert (0, 3) == (first.code, done.code), done.said
    assert before == _all_but_the_lock(tree)
