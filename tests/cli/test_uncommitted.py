"""A spec that was applied from a work tree is called by its commit only where that commit holds it; and a
change that another branch takes back is told.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from reconciler.app.plan.noop_fast_path import settled_plan
from reconciler.app.plan.options import PlanOptions
from reconciler.app.specs import SpecChoice
from reconciler.core.revision import UNCOMMITTED
from reconciler.host.spec_source import git as host_git
from tests.cli.command import Tree, run
from tests.cli.repository import Repository, git

INCLUDING = 'include: [more.yaml]\nfiles:\n  /etc/a: {source: ../a, mode: "0644"}\n'


@pytest.fixture
def repository(tree: Tree) -> Repository:
    """A spec with an include and a source, committed; nothing is changed since."""
    made = Repository(tree)
    tree.spec(INCLUDING, "repo/hosts/h1.yaml")
    (made.folder / "a").write_text("a\n")
    (made.folder / "hosts/more.yaml").write_text(
        'version: 1\nfiles: {/etc/more: {content: "m\\n", mode: "0644"}}\n'
    )
    git(made.folder, "add", ".")
    git(made.folder, "commit", "--quiet", "-m", "third")
    made.second = git(made.folder, "rev-parse", "HEAD")
    return made


def spec_of(tree: Tree, spec: Path, *options: str) -> dict[str, Any]:
    """The `spec` object of a plan as JSON."""
    found: dict[str, Any] = json.loads(tree.plan(spec, "--json", *options).out)["spec"]
    return found


CHANGES = {
    "the spec": ("hosts/h1.yaml", "# a note\n"),
    "an included file": ("hosts/more.yaml", "# a note\n"),
    "a source": ("a", "another line\n"),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("staged", [False, True], ids=["not added", "added"])
def test_a_changed_file_marks_the_commit(name: str, staged: bool, tree: Tree, repository: Repository) -> None:
    """In the plan, the JSON, the comment, the history, and one run; committed, it is clean again."""
    path, text = CHANGES[name]
    with (repository.folder / path).open("a") as file:
        file.write(text)
    if staged:
        git(repository.folder, "add", ".")
    marked = repository.second[:12] + UNCOMMITTED
    shown = [tree.plan(repository.spec).out, tree.plan(repository.spec, "--format", "markdown").out]
    data = spec_of(tree, repository.spec)
    applied = tree.apply(repository.spec)
    told = [run("history", "--root", tree.root).out, run("show", "1", "--root", tree.root).out]
    past = [
        json.loads(run(*words, "--root", tree.root, "--json").out) for words in (("history",), ("show", "1"))
    ]
    (row,) = past[0]

    assert 0 == applied.code
    assert [True] * 4 == [marked in text for text in (*shown, *told)]
    assert (repository.second, True) == (data["commit"], data["dirty"])
    assert [(repository.second, True)] * 2 == [(one["commit"], one["dirty"]) for one in (row, past[1])]
    git(repository.folder, "commit", "--quiet", "-am", "now it is")
    assert (git(repository.folder, "rev-parse", "HEAD"), False) == tuple(
        list(spec_of(tree, repository.spec).values())[:2]
    )


def test_a_clean_tree_and_what_the_spec_does_not_read(tree: Tree, repository: Repository) -> None:
    """Files that no spec names may lie about; nothing is marked, before and after an apply."""
    (repository.folder / "b").write_text("changed, and not named\n")
    (repository.folder / "new").write_text("new\n")
    before = spec_of(tree, repository.spec)
    applied = tree.apply(repository.spec)

    assert 0 == applied.code
    assert (repository.second, False) == (before["commit"], before["dirty"])
    assert before == spec_of(tree, repository.spec)
    assert UNCOMMITTED not in run("history", "--root", tree.root).out


def test_a_file_that_was_never_added(tree: Tree, repository: Repository) -> None:
    """A file that the commit does not have at all, such as an ignored one, is not in it."""
    (repository.folder / "hosts/more.yaml").rename(repository.folder / "hosts/other.yaml")
    tree.spec(INCLUDING.replace("more.yaml", "other.yaml"), "repo/hosts/h1.yaml")

    assert spec_of(tree, repository.spec)["dirty"]


def test_a_commit_that_is_named_is_clean(tree: Tree, repository: Repository) -> None:
    """--commit reads the commit, whatever lies in the work tree."""
    (repository.folder / "a").write_text("dirty\n")

    assert not spec_of(tree, repository.spec, "--commit", "HEAD")["dirty"]


def test_no_repository_no_mark(tree: Tree) -> None:
    """Without a commit there is nothing to be marked."""
    spec = tree.spec('files: {/etc/a: {content: "a\\n", mode: "0644"}}\n')

    assert (None, False) == tuple(list(spec_of(tree, spec).values())[:2])


def test_an_empty_plan_starts_no_git(tree: Tree, repository: Repository) -> None:
    """The short way to "No changes" says what the apply found out, marked or not."""
    for dirty in (False, True):
        if dirty:
            (repository.folder / "a").write_text("dirty\n")
        assert 0 == tree.apply(repository.spec).code
        with mock.patch.object(host_git, "_git", side_effect=AssertionError("git was started")):
            said = tree.plan(repository.spec)
            found = settled_plan(
                SpecChoice(str(repository.spec), root=str(tree.root)), PlanOptions(str(tree.root))
            )

        assert 0 == said.code
        assert found is not None
        assert found.plan is not None
        assert repository.second + (UNCOMMITTED if dirty else "") == found.plan.spec_commit


def test_an_older_tree_is_refused_though_it_is_dirty(tree: Tree, repository: Repository) -> None:
    """The mark changes nothing about what is older, on either side; the same commit
    is not older than itself.
    """
    (repository.folder / "a").write_text("dirty\n")
    assert 0 == tree.apply(repository.spec).code
    git(repository.folder, "checkout", "--quiet", "--force", repository.first)
    with repository.spec.open("a") as file:
        file.write("# a note\n")
    refused = tree.plan(repository.spec)
    git(repository.folder, "checkout", "--quiet", "--force", repository.second)

    assert 3 == refused.code
    assert repository.first[:12] + UNCOMMITTED in refused.said
    assert repository.second[:12] + UNCOMMITTED in refused.said
    assert 0 == tree.apply(repository.spec).code


@pytest.mark.parametrize("gone", [False, True], ids=["another branch", "a forced push"])
def test_a_commit_that_does_not_descend_is_told(gone: bool, tree: Tree, repository: Repository) -> None:
    """With both commits, in plan and apply, but not refused; once applied it is not told any more, nor where
    nothing is to be done.
    """
    assert 0 == tree.apply(repository.spec).code
    git(repository.folder, "checkout", "--quiet", "-b", "side", repository.first)
    side = repository.commit(tree, "side")
    if gone:
        git(
            repository.folder,
            "branch",
            "--quiet",
            "-D",
            "master" if "master" in git(repository.folder, "branch") else "main",
        )
        git(repository.folder, "reflog", "expire", "--expire=all", "--all")
        git(repository.folder, "gc", "--quiet", "--prune=now")
    planned, applied = tree.plan(repository.spec), tree.apply(repository.spec)
    words = f"The host runs {repository.second[:12]}, which the branch of {side[:12]} does not have"

    assert [0, 0] == [planned.code, applied.code]
    assert [True, True] == [words in done.said for done in (planned, applied)]
    assert words not in tree.plan(repository.spec).said
    assert words not in tree.apply(repository.spec).said


def test_nothing_is_told_where_nothing_is_to_be_done(tree: Tree, repository: Repository) -> None:
    """A branch that was rebased and says the same takes nothing back."""
    assert 0 == tree.apply(repository.spec).code
    git(repository.folder, "commit", "--quiet", "--amend", "-m", "other words")

    assert "The host runs" not in tree.plan(repository.spec, "--verbose").said
    assert "The host runs" not in tree.apply(repository.spec).said
