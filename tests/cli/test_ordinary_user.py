"""As an ordinary user: trees work in full, the host works as far as it can be read,
and nothing is guessed.
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
import pkgutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import reconciler
from tests.cli.command import Done, Tree, everywhere, make_tree, run
from tests.cli.test_bad_documents import CASES

pytestmark = pytest.mark.slow

NOBODY = 65534
D = "--detailed-exitcode"
SPEC = """\
groups:
  ml: {gid: 2000}
directories:
  /opt: {mode: "0750", group: ml}
files:
  /opt/a: {content: "a\\n", mode: "0640", group: ml}
  /etc/b: {content: "b\\n", mode: "0600"}
services:
  s: {exec_start: [/usr/bin/true], user: root}
"""

LAZY = (
    "deepdiff",
    "jsonschema",
    "difflib",
    "graphlib",
    "sqlite3",
    "select",
    "subprocess",
    "yaml._yaml",
    "encodings.idna",
)
"""Modules that commands import when they need them: a child without rights may not be able to read this
Python's files.
"""


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    for name in (*LAZY, *(found.name for found in pkgutil.walk_packages(reconciler.__path__, "reconciler."))):
        importlib.import_module(name)
    run("schema", "plan")
    run("show", "gone")


@pytest.fixture
def tree() -> Iterator[Tree]:
    """A tree where an ordinary user can reach it: pytest's own directories are closed."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        yield make_tree(Path(name))


def as_nobody(tree: Tree, work: Callable[[], Any]) -> Any:
    """The result of `work` in a child that is an ordinary user and owns the tree's base; in this process when
    nobody here is root.
    """
    if os.geteuid() != 0:
        return work()
    for path in (tree.base, *tree.base.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _in_child(writing, work)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    result, trouble = pickle.loads(answer)  # noqa: S301  # our own child's

    assert "" == trouble
    return result


def _in_child(writing: int, work: Callable[[], Any]) -> None:
    """Never returns."""
    answer: tuple[Any, str] = (None, "")
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        answer = (work(), "")
    except BaseException:  # noqa: BLE001  # told to the parent
        answer = (None, traceback.format_exc())
    finally:
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(answer, pipe)
        os._exit(0)


def test_the_child_has_no_rights(tree: Tree) -> None:
    """The harness really takes root's rights away."""
    secret = tree.put("/root/x", "x", 0)

    assert (False, False) == as_nobody(tree, lambda: (os.geteuid() == 0, os.access(secret, os.R_OK)))


def test_a_tree_works_in_full(tree: Tree) -> None:
    """plan, apply, plan, drift, repair and prune, with owners that the tree cannot hold."""
    spec, smaller = (
        tree.spec(SPEC),
        tree.spec(SPEC.replace('  /etc/b: {content: "b\\n", mode: "0600"}\n', ""), "smaller.yaml"),
    )

    def work() -> list[Any]:
        codes = [
            tree.plan(spec, D).code,
            tree.apply(spec, D).code,
            tree.plan(spec, D).code,
            tree.apply(spec, D).code,
        ]
        tree.path("/opt/a").write_text("by hand\n")
        codes += [tree.drift(spec, D).code, tree.apply(spec, D).code, tree.plan(spec, D).code]
        codes += [tree.plan(smaller, D).code, tree.apply(smaller, D).code, tree.plan(smaller, D).code]
        return [
            *codes,
            tree.path("/opt/a").read_text(),
            tree.path("/etc/b").exists(),
            json.loads(tree.plan(smaller, "--json").out)["complete"],
        ]

    assert [2, 2, 0, 0, 2, 2, 0, 2, 2, 0, "a\n", False, True] == as_nobody(tree, work)


def test_the_same_spec_gives_the_same_files(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The files that an ordinary user makes in a tree are, to the byte, those that root makes."""
    other = make_tree(tmp_path_factory.mktemp("other"))
    done = as_nobody(tree, lambda: tree.apply(tree.spec(SPEC)))

    assert 0 == done.code, done.said
    assert 0 == other.apply(other.spec(SPEC)).code
    names = ("/opt/a", "/etc/b", "/etc/group", "/etc/systemd/system/s.service")
    assert [other.path(name).read_bytes() for name in names] == [
        tree.path(name).read_bytes() for name in names
    ]


@pytest.mark.parametrize(
    "name", ["empty", "duplicate key", "python tag", "octal mode", "include outside the tree", "alias bomb"]
)
def test_bad_input_is_refused_likewise(tree: Tree, name: str) -> None:
    """The refusals do not depend on who asks."""
    text, place, advice = CASES[name]
    spec = tree.spec(text.encode() if isinstance(text, str) else text)

    def work() -> list[tuple[str, Done]]:
        before = tree.manifest_but("shadow")
        done = list(everywhere(tree, spec))
        assert before == tree.manifest_but("shadow")
        return done

    for command, done in as_nobody(tree, work):
        assert (command, 1) == (command, done.code)
        assert f"host.yaml:{place}" in done.err
        assert advice in done.said


@pytest.mark.parametrize("path", ["/opt/closed", "/etc/unreadable"])
def test_what_cannot_be_read_is_said(tree: Tree, path: str) -> None:
    """A part that may not be looked at makes the plan incomplete: it is named with the reason, and `No
    changes` is never said.
    """
    if path == "/opt/closed":
        spec = tree.spec(f'files:\n  {path}/f: {{content: "x", mode: "0644"}}\n')
        tree.path(path).mkdir(parents=True)
        hide = tree.path(path)
    else:
        spec = tree.spec(f'files:\n  {path}: {{content: "x", mode: "0644"}}\n')
        hide = tree.put(path, "x")

    def work() -> list[Done]:
        hide.chmod(0)
        try:
            return [
                tree.plan(spec),
                tree.plan(spec, D),
                tree.plan(spec, "--json"),
                tree.drift(spec),
                tree.apply(spec),
                run("validate", spec),
            ]
        finally:
            hide.chmod(0o755)

    text, detailed, data, drift, apply, validate = as_nobody(tree, work)
    for done in (text, detailed, drift, apply):
        assert "No changes" not in done.out
        assert "No drift.\n" not in done.out
        assert path in done.said
    assert "incomplete" in text.out
    assert "permission denied" in text.said.lower()
    told = json.loads(data.out)
    assert not told["complete"]
    assert path in told["unreadable"][0]["address"]
    assert apply.code in (1, 4)
    assert 0 == validate.code


def test_applying_to_the_host_needs_root(tree: Tree) -> None:
    """As an ordinary user apply says so at once and creates nothing; where the tests run, the host itself
    stays as it is.
    """
    spec = tree.spec("groups: {reconciler-test-never: {}}\n")

    def work() -> tuple[Done, Done]:
        return run("apply", spec, "--auto-approve"), run("apply", spec, "--auto-approve", "--json")

    text, stream = as_nobody(tree, work)
    assert 1 == text.code
    assert "apply needs root" in text.said
    assert "--root DIR" in text.said
    assert ["version", "diagnostic"] == [json.loads(line)["type"] for line in stream.out.splitlines()]


def test_planning_the_host_needs_no_root(tree: Tree) -> None:
    """On the running host what is readable is planned and what is not is named; a state that cannot be read
    makes the plan incomplete.
    """
    spec = tree.spec(
        "groups: {reconciler-test-never: {}}\nfiles:\n  /etc/reconciler-test-never: {content: x, mode:"
        ' "0644"}\n  /root/reconciler-test-never: {content: x, mode: "0644"}\n'
    )
    options = ("--allow", "other-host")
    text, data = as_nobody(tree, lambda: (run("plan", spec, *options), run("plan", spec, "--json", *options)))
    told = json.loads(data.out)

    assert 0 == text.code, text.said
    assert {"groups.reconciler-test-never", 'files["/etc/reconciler-test-never"]'} <= {
        entry["address"] for entry in told["resource_changes"]
    }
    assert "No changes" not in text.out
    assert "Traceback" not in text.said
    if not os.access("/root", os.X_OK) or (os.geteuid() == 0 and not Path("/root").stat().st_mode & 0o001):
        assert not told["complete"]
        assert ['files["/root/reconciler-test-never"]'] == [
            row["address"] for row in told["unreadable"] if row["address"]
        ]


def test_a_snapshot_has_what_could_be_read(tree: Tree) -> None:
    """A file that the user who took a snapshot could not read is unknown to a plan from it, and that plan is
    never "No changes".
    """

    def work() -> Done:
        tree.put("/etc/hostname", "h1\n")
        tree.apply(tree.spec(SPEC))
        tree.path("/etc/b").chmod(0o000)
        taken = tree.base / "s.json"
        assert 0 == run("snapshot", "--root", tree.root, "--out", taken).code
        tree.path("/etc/b").chmod(0o600)
        return run("plan", tree.spec(SPEC), "--snapshot", taken, D)

    done = as_nobody(tree, work)

    assert 1 == done.code
    assert 'files["/etc/b"] unknown: the snapshot does not have the content of /etc/b' in done.said
    assert "No changes" not in done.said
