"""`drift: report`: what was changed by hand is told and left, beside what the spec changes of the same
object.
"""

from __future__ import annotations

import json

import pytest

from tests.cli.command import Tree

BEFORE = 'files:\n  /etc/app.conf: {content: "a\\n", mode: "0644"}\n'
AFTER = 'files:\n  /etc/app.conf: {content: "a\\n", mode: "0600", drift: report}\n'


@pytest.mark.parametrize(
    "after", [AFTER, AFTER.replace("drift:", "sensitive: true, drift:")], ids=["open", "becomes a secret"]
)
def test_the_rest_is_changed_all_the_same(after: str, tree: Tree) -> None:
    """The mode is set, the content stays, and is told in this plan and in the next; only where it is told the
    text is shown.
    """
    tree.apply(tree.spec(BEFORE))
    tree.put("/etc/app.conf", "by hand\n")
    spec = tree.spec(after)
    told = json.loads(tree.plan(spec, "--json").out)
    changes = {tuple(entry["change"]["actions"]): entry for entry in told["resource_changes"]}
    done = tree.apply(spec)
    again = tree.plan(spec)

    assert [["content"]] == [item["path"] for item in changes[("no-op",)]["paths"]]
    policy = [["drift"], *([["sensitive"]] if "sensitive" in after else [])]

    assert [["mode"], *policy] == [item["path"] for item in changes[("update",)]["paths"]]
    assert ["SetAccess"] == [step["action"] for step in told["steps"]]
    assert "diff" not in changes[("update",)]["change"]
    assert 0 == done.code, done.said
    assert ("by hand\n", 0o600) == (
        tree.path("/etc/app.conf").read_text(),
        tree.path("/etc/app.conf").stat().st_mode & 0o777,
    )
    assert "only reported (drift: report)" in again.out
    assert "did not converge" not in again.out
