"""Files for sudo, cron, sshd and logrotate without their programs at hand: on a tree, and what is said of
sensitive ones.
"""

from __future__ import annotations

import pytest

from tests.cli.command import Tree, run

HEAD = "files:\n"


def test_a_line_that_cannot_be_read_on_a_tree_is_a_warning(tree: Tree) -> None:
    """visudo cannot be asked about another tree: the line is named, with what to
    ask, and the plan goes on.
    """
    tree.path("/etc/sudoers.d").mkdir(parents=True)
    spec = tree.spec(
        HEAD + '  /etc/sudoers.d/x: {content: "# ours\\nfoo ALL=(ALL NOPASSWD ALL\\n", mode: "0440"}\n'
    )
    done = tree.plan(spec)

    assert done.code == 0, done.said
    assert "/etc/sudoers.d/x: line 2 cannot be read" in " ".join(done.said.split())


def test_a_name_that_sshd_passes_over_is_a_warning(tree: Tree) -> None:
    """A name that sshd passes over is no error, as the Include line of a host may differ."""
    done = run(
        "validate", tree.spec(HEAD + '  /etc/ssh/sshd_config.d/ours: {content: "Port 22\\n", mode: "0644"}\n')
    )

    assert done.code == 0, done.said
    assert "only names that end in .conf are read" in " ".join(done.said.split())


@pytest.mark.parametrize(("sensitive", "shown"), [("true", False), ("false", True)])
def test_a_line_of_a_sensitive_file_is_not_quoted(sensitive: str, shown: bool, tree: Tree) -> None:
    """Only the number of the line is told."""
    said = f'{{content: "hunter2 * * * * root true\\n", mode: "0644", sensitive: {sensitive}}}'
    done = run("validate", tree.spec(f"{HEAD}  /etc/cron.d/x: {said}\n"))

    assert done.code == 1, done.said
    assert "(line 1)" in done.said
    assert shown == ("hunter2" in done.said)
