"""A file marked sensitive in a plan from a snapshot: only its content is unknown; mode, owner, group and
protection are told.
"""

from __future__ import annotations

import json

import pytest

from tests.cli.command import Tree, run
from tests.cli.test_snapshot import plan, snapshot

pytestmark = pytest.mark.slow

BEFORE = """\
groups: {g: {}}
files:
  /etc/key: {content: "hidden\\n", mode: "0600", sensitive: true}
"""


def test_its_mode_and_group_are_told_and_counted(tree: Tree) -> None:
    """The change is there, is counted, is that of the host, and says that everybody
    can read a secret then.
    """
    tree.apply(tree.spec(BEFORE))
    spec, taken = BEFORE.replace("0600", "0644").replace("sensitive", "group: g, sensitive"), snapshot(tree)
    here, there = (
        json.loads(plan(tree, spec, taken, "--json").out),
        json.loads(tree.plan(tree.spec(spec), "--json").out),
    )
    text, markdown = plan(tree, spec, taken).out, plan(tree, spec, taken, "--format", "markdown").out

    assert 1 == here["summary"]["change"]
    assert here["resource_changes"][0]["paths"] == there["resource_changes"][0]["paths"]
    assert "0600 -> 0644" in text
    assert "root -> g" in text
    assert "0600 -> 0644" in markdown
    assert "everybody can read a secret" in text
    assert "everybody can read a secret" in markdown
    assert (False, 1) == (here["complete"], markdown.count("only the host"))


def test_its_mark_is_a_protection(tree: Tree) -> None:
    """Whoever takes `sensitive` away reads it under the protection changes."""
    tree.apply(tree.spec(BEFORE))
    spec = BEFORE.replace(", sensitive: true", "")
    here, there = (
        plan(tree, spec, snapshot(tree), "--format", "markdown").out,
        tree.plan(tree.spec(spec), "--format", "markdown").out,
    )
    told = [line for line in there.split("\n") if "sensitive" in line and line.startswith("* ")]

    assert told
    assert all(line in here for line in told), here
    assert "Protection changes" in here
    assert "hidden" not in here


def test_a_plan_that_changes_nothing_says_so_calmly(tree: Tree) -> None:
    """Nothing to do, and once that the content of secrets only the host can compare: no heading, no second
    bullet.
    """
    tree.apply(tree.spec(BEFORE))
    text, markdown = (
        plan(tree, BEFORE, snapshot(tree), *form).out for form in ((), ("--format", "markdown"))
    )

    assert "Nothing to do, as far as a snapshot can tell" in text
    assert "Nothing to do, as far as a snapshot can tell" in markdown
    assert "Incomplete" not in markdown
    assert 1 == markdown.count('files["/etc/key"]')
    assert run("plan", tree.spec(BEFORE), "--snapshot", snapshot(tree), "--detailed-exitcode").code == 1


def test_arguments_of_a_forced_command_stay_on_the_host(tree: Tree) -> None:
    """A snapshot has the program of a foreign ForceCommand, in whatever form it is written, and nothing
    behind it.
    """
    for number, line in enumerate(
        ("ForceCommand /bin/x --t CANARY", "forcecommand=/bin/x CANARY", 'ForceCommand "/bin/x --t CANARY"')
    ):
        tree.put(f"/etc/ssh/sshd_config.d/{number}.conf", f"Match User root\n  {line}\n", 0o600)
    told = snapshot(tree).read_text()

    assert "CANARY" not in told
    assert 3 == told.count("/bin/x ?")


def test_a_file_that_is_no_spec_is_not_quoted(tree: Tree) -> None:
    """Whoever makes root validate or plan /etc/shadow reads nothing of it; a spec with a key too much is
    quoted as ever.
    """
    shadow = tree.spec(b"root:$y$CANARY:19000:0:99999:7:::\nCANARY:*:19000:0:99999:7:::\n", "shadow")
    told = [run("validate", shadow, *form) for form in ((), ("--json",))] + [
        run("plan", shadow, "--root", tree.root)
    ]
    spec = run("validate", tree.spec("colour: red\n"))

    assert [1, 1, 1] == [done.code for done in told]
    assert not [done.said for done in told if "CANARY" in done.said]
    assert "Write `version: 1` first." in told[0].said
    assert "`colour` is not a key" in spec.said


@pytest.mark.parametrize("start", ["", "  ", "\n"])
def test_a_spec_as_json_is_judged_whole(tree: Tree, start: str) -> None:
    """A spec in one line of JSON is a spec: a key too much in it is an error that names the key."""
    text = '{"version": 1, "host": "h1", "groups": {"g": {"colour": "red"}}}\n'
    done = run("validate", tree.spec(f"{start}{text}".encode(), "host.json"))

    assert (1, True) == (done.code, "`colour` is not a key" in done.said)
