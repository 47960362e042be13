"""Which spec is meant by a command that names none."""

from __future__ import annotations

import pytest

from tests.cli.command import Tree, manifest, run

A = 'files:\n  /etc/a: {content: "a\\n", mode: "0644"}\n'
B = A.replace("/etc/a", "/etc/b")


def planned(tree: Tree, *options: object) -> str:
    """The output of `plan` without a spec for this tree."""
    return run("plan", "--root", tree.root, *options).said


def test_the_spec_last_applied_here(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """Applied by a relative path, it is found from anywhere, by every command; the next apply of another one
    replaces it.
    """
    tree.spec(A, "a/host.yaml")
    monkeypatch.chdir(tree.base / "a")
    assert 0 == tree.apply("host.yaml").code
    monkeypatch.chdir("/")

    assert "No changes." in planned(tree)
    assert "as declared" in run("explain", 'files["/etc/a"]', "--root", tree.root).said
    assert 0 == run("status", "--root", tree.root).code
    assert 0 == run("drift", "--root", tree.root).code
    tree.path("/etc/a").unlink()
    assert 0 == run("apply", "--root", tree.root, "--auto-approve").code
    assert tree.path("/etc/a").exists()
    assert 0 == tree.apply(tree.spec(B, "b/host.yaml")).code
    assert str(tree.base / "b/host.yaml") == (tree.state / "spec").read_text()
    assert "No changes." in planned(tree)


def test_an_apply_that_changes_nothing_counts(tree: Tree) -> None:
    """A moved spec is the one that is meant, though nothing was to be done; the same one again leaves our
    state to the byte.
    """
    tree.apply(tree.spec(A, "old.yaml"))
    new = tree.spec(A, "new.yaml")
    tree.apply(new)
    before = manifest(tree.state)
    tree.apply(new)

    assert str(new) == (tree.state / "spec").read_text()
    assert {path: facts for path, facts in before.items() if not path.endswith("/lock")} == {
        path: facts for path, facts in manifest(tree.state).items() if not path.endswith("/lock")
    }


def test_what_did_not_go_ahead_does_not_count(tree: Tree) -> None:
    """A plan, an apply that a guard refuses, and one that nobody approves leave it at the last one."""
    good = tree.spec(A, "good.yaml")
    tree.apply(good)
    other = tree.spec(f"version: 1\nhost: other\n{B}", "other.yaml")
    tree.put("/etc/hostname", "h1\n")
    bad = tree.spec(B, "b.yaml")
    tree.plan(bad)

    assert 3 == tree.apply(other).code
    assert 3 == run("apply", bad, "--root", tree.root).code
    assert str(good) == (tree.state / "spec").read_text()


def test_standard_input_lies_nowhere(tree: Tree) -> None:
    """After a spec from standard input the usual place is meant, and it is said why."""
    tree.apply(tree.spec(A))
    assert 0 == tree.apply("-", stdin=f"version: 1\nhost: h1\n{A}".encode()).code
    said = planned(tree)

    assert (
        "/etc/reconciler/host.yaml does not exist; check the path (no spec was named; this is the usual"
        " place)" in said
    )


def test_a_spec_that_is_gone_is_named(tree: Tree) -> None:
    """No other spec is taken instead: the error names the file, and why it was looked for."""
    spec = tree.spec(A)
    tree.apply(spec)
    spec.unlink()
    done = run("plan", "--root", tree.root)

    assert 1 == done.code
    assert (
        f"{spec} does not exist; check the path (no spec was named; this one was applied last)" in done.said
    )
    assert "was applied last" not in tree.plan(spec).said


@pytest.mark.parametrize("state", ["link", "foreign", "none"])
def test_a_state_that_cannot_be_trusted_names_no_spec(tree: Tree, state: str) -> None:
    """A link in its place, a directory that others can write to, or none at all: the usual place is meant."""
    tree.apply(tree.spec(A))
    if state == "link":
        (tree.state / "spec").rename(tree.base / "elsewhere")
        (tree.state / "spec").symlink_to(tree.base / "elsewhere")
    elif state == "foreign":
        tree.state.chmod(0o777)
    else:
        tree.state.rename(tree.base / "away")

    assert "/etc/reconciler/host.yaml" in planned(tree)


def test_a_path_with_odd_characters(tree: Tree) -> None:
    """It comes back as it was."""
    assert 0 == tree.apply(tree.spec(A, "a b/ho\u0308st'$x.yaml")).code

    assert "No changes." in planned(tree)
