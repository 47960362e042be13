"""The exit codes of plan, apply and drift, with and without --detailed-exitcode."""

from __future__ import annotations

import json

import pytest

from tests.cli.command import Done, Tree

pytestmark = pytest.mark.slow

D = "--detailed-exitcode"
TWO = 'files:\n  /etc/a: {content: "a\\n", mode: "0644"}\n  /etc/b: {content: "b\\n", mode: "0644"}\n'
BLOCKED = TWO + '  /nowhere/c: {content: c, mode: "0644"}\n'


def _codes(tree: Tree, text: str) -> tuple[int, int, int, int]:
    """plan and drift, each without and with --detailed-exitcode."""
    spec = tree.spec(text)
    return tree.plan(spec).code, tree.plan(spec, D).code, tree.drift(spec).code, tree.drift(spec, D).code


def test_new_then_clean(tree: Tree) -> None:
    """Something to create is 0 or 2; apply is 0 or 2 when it changed something, 0 when not; then everything
    is 0.
    """
    spec = tree.spec(TWO)

    assert (0, 2, 0, 0) == _codes(tree, TWO)
    assert 2 == tree.apply(spec, D).code
    assert (0, 0, 0, 0) == _codes(tree, TWO)
    assert 0 == tree.apply(spec, D).code
    assert "No changes. Your host matches the configuration.\n" == tree.plan(spec).out
    assert "No drift.\n" == tree.drift(spec).out


def test_apply_without_the_option_is_0_when_it_changed_something(tree: Tree) -> None:
    """systemd takes every other number for a failure."""
    assert 0 == tree.apply(tree.spec(TWO)).code


def test_drift(tree: Tree) -> None:
    """A hand edit is drift (2) and a change (2); applying repairs it."""
    tree.apply(tree.spec(TWO))
    tree.path("/etc/a").write_text("by hand\n")

    assert (0, 2, 0, 2) == _codes(tree, TWO)
    assert 2 == tree.apply(tree.spec(TWO), D).code
    assert (0, 0, 0, 0) == _codes(tree, TWO)
    assert "a\n" == tree.path("/etc/a").read_text()


def test_an_intended_change_is_no_drift(tree: Tree) -> None:
    """A change made in the spec alone is 2 for plan and 0 for drift."""
    tree.apply(tree.spec(TWO))

    assert (0, 2, 0, 0) == _codes(tree, TWO.replace("a\\n", "A\\n"))


def test_drift_that_is_only_reported(tree: Tree) -> None:
    """`drift: report` is shown and leaves nothing to do: 2 for drift, 0 for plan, and apply leaves it."""
    text = TWO.replace('a\\n", mode: "0644"', 'a\\n", mode: "0644", drift: report')
    tree.apply(tree.spec(text))
    tree.path("/etc/a").write_text("by hand\n")

    assert (0, 0, 0, 2) == _codes(tree, text)
    assert 0 == tree.apply(tree.spec(text), D).code
    assert "by hand\n" == tree.path("/etc/a").read_text()
    assert "No changes" not in tree.plan(tree.spec(text)).out


def test_a_refused_adoption(tree: Tree) -> None:
    """An object that exists and is not ours is refused (3) and left alone; --adopt, or `adopt: true`, takes
    it over.
    """
    tree.put("/etc/a", "theirs\n")
    spec, before = tree.spec(TWO), tree.manifest()

    assert (3, 3, 3, 3) == _codes(tree, TWO)
    refused = tree.apply(spec)
    assert 3 == refused.code
    assert "--adopt" in refused.said
    assert before == tree.manifest()
    assert 2 == tree.plan(spec, D, "--adopt").code
    assert 0 == tree.apply(spec, "--adopt").code
    assert "a\n" == tree.path("/etc/a").read_text()
    assert (0, 0, 0, 0) == _codes(tree, TWO)


def test_what_exists_and_is_equal_needs_no_adoption(tree: Tree) -> None:
    """A file that is as declared already is recorded without a word, and is ours from then on."""
    tree.put("/etc/a", "a\n")
    tree.put("/etc/b", "b\n")

    assert (0, 0, 0, 0) == _codes(tree, TWO)
    assert 0 == tree.apply(tree.spec(TWO), D).code
    tree.path("/etc/a").write_text("by hand\n")
    assert (0, 2, 0, 2) == _codes(tree, TWO)


def test_a_blocked_resource(tree: Tree) -> None:
    """A resource that cannot be applied is an error of the plan (1); apply does the rest and ends with 6, and
    with 4 when nothing else was to do.
    """
    spec = tree.spec(BLOCKED)
    done = tree.plan(spec)

    assert 1 == done.code
    assert "directory /nowhere does not exist" in done.said
    assert "host.yaml:6:3" in done.said
    assert 6 == tree.apply(spec).code
    assert tree.path("/etc/a").exists()
    assert 4 == tree.apply(spec, D).code
    assert "No changes" not in tree.plan(spec).out


def test_what_a_blocked_plan_says_is_what_apply_does(tree: Tree) -> None:
    """A plan with an error does not say that apply does nothing, if apply does the rest."""
    spec = tree.spec(BLOCKED)
    data = json.loads(tree.plan(spec, "--json").out)
    text = tree.plan(spec).out

    assert data["errored"]
    assert data["applyable"]
    assert "does nothing" not in text
    assert "would do nothing" not in text


def test_what_a_refused_plan_says_is_what_apply_does(tree: Tree) -> None:
    """A refused plan says that apply does nothing."""
    tree.put("/etc/a", "theirs\n")
    spec = tree.spec(TWO)

    assert not json.loads(tree.plan(spec, "--json").out)["applyable"]
    assert "apply does nothing until this is resolved" in tree.plan(spec).said


def test_dependants_of_what_is_blocked(tree: Tree) -> None:
    """A resource that needs a blocked one is blocked with it, with the reason, and the rest is applied."""
    text = (
        'directories:\n  /nowhere/d: {mode: "0755"}\n'
        'files:\n  /nowhere/d/f: {content: x, mode: "0644"}\n  /etc/a: {content: a, mode: "0644"}\n'
    )
    done = tree.apply(tree.spec(text))

    assert 6 == done.code
    assert 'needs directories["/nowhere/d"], which is blocked' in done.said
    assert tree.path("/etc/a").exists()


@pytest.mark.parametrize("what", ["directory", "link"])
def test_something_else_in_the_way(tree: Tree, what: str) -> None:
    """Where a directory is, no file is written (1, then 4); a link is replaced only when adopted."""
    tree.put("/srv/target", "theirs\n")
    path = tree.path("/etc/a")
    if what == "directory":
        path.mkdir()
    else:
        path.symlink_to("/srv/target")
    spec = tree.spec('files:\n  /etc/a: {content: a, mode: "0644"}\n')
    codes = tree.plan(spec, "--adopt").code, tree.apply(spec, "--adopt").code

    assert ((1, 4) if what == "directory" else (0, 0)) == codes
    assert path.is_dir() if what == "directory" else path.read_text() == "a"
    assert "theirs\n" == tree.path("/srv/target").read_text()


def _said_once(done: Done, text: str) -> None:
    assert 1 == done.out.count(text), done.out


def test_output_of_an_apply(tree: Tree) -> None:
    """The plan first, then the result; with nothing to do only that."""
    spec = tree.spec(TWO)
    done = tree.apply(spec)

    _said_once(done, "Plan: 2 to add, 0 to change, 0 to destroy.")
    assert done.out.endswith("Apply complete! Resources: 2 added, 0 changed, 0 destroyed.\n")
    assert "No changes. Your host matches the configuration.\n" == tree.apply(spec).out


def test_the_spec_on_standard_input(tree: Tree) -> None:
    """`-` reads the spec from standard input; --auto-approve is needed, for nobody can be asked."""
    text = f"version: 1\nhost: h1\n{TWO}".encode()

    assert 2 == tree.plan("-", D, stdin=text).code
    assert 0 == tree.apply("-", stdin=text).code
    assert "a\n" == tree.path("/etc/a").read_text()
    assert 0 == tree.plan("-", D, stdin=text).code
