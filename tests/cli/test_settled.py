"""The short way to "No changes": what ends it, and that it never tells anything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from reconciler.app.plan import noop_fast_path
from reconciler.app.plan.options import PlanOptions
from reconciler.app.specs import SpecChoice
from reconciler.host.state.notes import remember
from tests.cli.command import Tree, manifest

SPEC = """\
include: [more.yaml]
files:
  /srv/a.conf: {source: a.conf, mode: "0644"}
  /srv/secret: {content: "s3cret", mode: "0600", sensitive: true}
services:
  a: {exec_start: [/usr/bin/true]}
"""
MORE = "groups: {ml: {gid: 2000}}\nusers: {ada: {groups: [ml]}}\n"


@pytest.fixture
def spec(tree: Tree) -> Path:
    """A spec with an include and a source, applied."""
    tree.put("/bin/bash", "", 0o755)
    (tree.root / "home").mkdir()
    tree.spec("version: 1\nhost: h1\n" + MORE, "more.yaml")
    (tree.base / "a.conf").write_text("a = 1\n")
    path = tree.spec(SPEC)

    assert 0 == tree.apply(path).code
    return path


def short(tree: Tree, spec: Path | str, **options: object) -> bool:
    """Whether the short way answers."""
    root = str(tree.root)
    found = noop_fast_path.settled_plan(SpecChoice(str(spec), root=root), PlanOptions(root, **options))  # type: ignore[arg-type]  # keywords of it
    return found is not None


def test_after_an_apply_the_short_way_answers(tree: Tree, spec: Path) -> None:
    """One apply is enough, the answer is the one of the long way, and a plan writes nothing."""
    before = tree.manifest()
    said = tree.plan(spec, "--detailed-exitcode")

    assert short(tree, spec)
    assert (0, "No changes. Your host matches the configuration.\n") == (said.code, said.out)
    assert tree.plan(spec, "--json").code == 0
    assert before == tree.manifest()


def test_a_second_apply_writes_nothing(tree: Tree, spec: Path) -> None:
    """The note is part of the first apply: the second one finds it as it would write it."""
    before = manifest(tree.state / "settled")
    tree.apply(spec)

    assert before == manifest(tree.state / "settled")


def _append(name: str) -> Callable[[Tree], None]:
    def change(tree: Tree) -> None:
        path = tree.base / name
        path.write_text(path.read_text() + "\n")

    return change


def _program(tree: Tree) -> None:
    note = tree.state / "settled"
    note.write_text(json.dumps(json.loads(note.read_text()) | {"program": "another"}))


def _garbage(tree: Tree) -> None:
    (tree.state / "settled").write_text('{"format": 1}')


def _link(tree: Tree) -> None:
    (tree.state / "settled").rename(tree.state / "elsewhere")
    (tree.state / "settled").symlink_to("elsewhere")


def _hostname(tree: Tree) -> None:
    tree.put("/etc/hostname", "another\n")


def _witness(tree: Tree) -> None:
    (tree.state / "witness").write_text("no witness")


CHANGES: dict[str, Callable[[Tree], object]] = {
    "a byte of the spec": _append("host.yaml"),
    "a byte of what it includes": _append("more.yaml"),
    "a byte of a source": _append("a.conf"),
    "a source is gone": lambda tree: (tree.base / "a.conf").unlink(),
    "a file by hand": lambda tree: tree.path("/srv/a.conf").write_text("a = 2\n"),
    "a secret by hand": lambda tree: tree.path("/srv/secret").write_text("another"),
    "a mode by hand": lambda tree: tree.path("/srv/a.conf").chmod(0o600),
    "a unit by hand": lambda tree: tree.path("/etc/systemd/system/a.service").write_text("[Service]\n"),
    "a link by hand": (
        lambda tree: tree.path("/etc/systemd/system/multi-user.target.wants/a.service").unlink()
    ),
    "a group by hand": (
        lambda tree: tree.path("/etc/group").write_text(
            tree.path("/etc/group").read_text().replace(":ada", ":")
        )
    ),
    "a file is gone": lambda tree: tree.path("/srv/a.conf").unlink(),
    "another program": _program,
    "a damaged note": _garbage,
    "a note that is a link": _link,
    "another host": _hostname,
    "a ledger that cannot be trusted": _witness,
    "no ledger": lambda tree: (tree.state / "state.db").unlink(),
}


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_changes_ends_it(what: str, tree: Tree, spec: Path) -> None:
    """Then the long way answers."""
    CHANGES[what](tree)

    assert not short(tree, spec)


OPTIONS: tuple[dict[str, object], ...] = (
    {"targets": ("files",)},
    {"excludes": ("files",)},
    {"adopt": True},
    {"unprotect": ("groups.ml",)},
    {"allow": ("other-host",)},
    {"fingerprint": True},
    {"snapshot": "x"},
)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: next(iter(options)))
def test_a_plan_of_another_question_goes_the_long_way(
    options: dict[str, object], tree: Tree, spec: Path
) -> None:
    """A plan that is asked more than "is anything to be done" is not answered the short way."""
    assert not short(tree, spec, **options)


def test_an_apply_of_a_part_notes_nothing(tree: Tree) -> None:
    """A part of a spec is not all that it means."""
    path = tree.spec("groups: {ml: {gid: 2000}, other: {gid: 2001}}\n")
    tree.apply(path, "--target", "groups.ml")

    assert not (tree.state / "settled").exists()


WARNED = 'services: {a: {exec_start: [/usr/bin/true], environment: {API_TOKEN: "x"}}}\n'


def test_the_short_way_repeats_warnings(tree: Tree) -> None:
    """A warning of the linter is told by every plan, in the same words, the short way as well as the long."""
    path = tree.spec(WARNED)
    tree.apply(path)
    said = tree.plan(path)
    with mock.patch.object(noop_fast_path, "recall", return_value=b"null"):
        long = tree.plan(path)

    assert short(tree, path)
    assert "secret in the environment" in said.out
    assert long.out == said.out


def test_warnings_that_would_name_another_place_go_the_long_way(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From another directory the files of the spec are called otherwise."""
    path = tree.spec(WARNED)
    tree.apply(path)

    assert short(tree, path)
    monkeypatch.chdir(tmp_path)
    assert not short(tree, path)


def test_standard_input_is_left_to_the_long_way(tree: Tree, spec: Path) -> None:
    """It can be read only once."""
    assert not short(tree, "-")


def test_the_meaning_is_noted_of_the_bytes_that_were_read(tree: Tree, spec: Path) -> None:
    """A spec that is edited while it is applied is not taken for the one that was."""
    longer = SPEC + "directories: {/srv/d: {mode: '0755'}}\n"
    tree.spec(longer)
    real = remember

    def edited(*arguments: object) -> None:
        tree.spec(SPEC + "directories: {/srv/other: {mode: '0755'}}\n")
        real(*arguments)  # type: ignore[arg-type]  # passed on

    with mock.patch.object(noop_fast_path, "remember", edited):
        tree.apply(spec)

    assert not short(tree, spec)
    assert "/srv/other" in tree.plan(spec).out


def test_nothing_of_a_secret_is_noted(tree: Tree, spec: Path) -> None:
    """Neither content nor digest; and nobody else may read the note."""
    note = tree.state / "settled"

    assert "s3cret" not in note.read_text()
    assert 0o600 == note.stat().st_mode & 0o777
