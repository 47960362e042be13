"""A state that cannot be trusted: nothing is removed, everything else converges, and afterwards it can be
trusted again.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.cli.main import run
from reconciler.host.state.schema import SCHEMA
from tests.ordinary import minimal_tree

ONE = (
    'version: 1\nhost: demo\nfiles:\n  /etc/a: {content: "A\\n", mode: "0644"}\n  /etc/b: {content: "b\\n",'
    ' mode: "0644"}\n'
)


def _older(tree: Path, spec: Path) -> None:
    """The database of before the last apply is put back from a copy."""
    state, copy = tree.with_name("tree.reconciler") / "state.db", tree.with_name("copy")
    shutil.copy(state, copy)
    spec.write_text(spec.read_text().replace('"b\\n"', '"B\\n"'))
    run(["apply", str(spec), "--root", str(tree), "--auto-approve"])
    shutil.copy(copy, state)


def _changed(tree: Path, _: Path) -> None:
    """A row of the ledger speaks of another file."""
    with sqlite3.connect(tree.with_name("tree.reconciler") / "state.db") as raw:
        raw.execute("UPDATE ledger SET row = replace(row, '/etc/b', '/etc/c') WHERE name = '/etc/b'")
    raw.close()


def _cut_off(tree: Path, _: Path) -> None:
    path = tree.with_name("tree.reconciler") / "state.db"
    path.write_bytes(path.read_bytes()[:-4096])


def _another_machine(tree: Path, _: Path) -> None:
    (tree / "etc/machine-id").write_text("f" * 32 + "\n")


HARMS: dict[str, Callable[[Path, Path], object]] = {
    "the witness is gone": lambda tree, _: (tree.with_name("tree.reconciler") / "witness").unlink(),
    "the key is gone": lambda tree, _: (tree.with_name("tree.reconciler") / "key").unlink(),
    "the database is gone": lambda tree, _: (tree.with_name("tree.reconciler") / "state.db").unlink(),
    "an older database": _older,
    "a changed row": _changed,
    "a truncated database": _cut_off,
    "another machine": _another_machine,
}


@pytest.mark.parametrize("harm", HARMS)
def test_no_damage_prunes_or_bricks(tmp_path: Path, capsys: pytest.CaptureFixture[str], harm: str) -> None:
    """Whatever is the matter with it: nothing is removed, protected or not, a changed file is brought about,
    the next plan is empty.
    """
    spec, tree = tmp_path / "host.yaml", tmp_path / "tree"
    minimal_tree(tree, "demo")
    spec.write_text(ONE + '  /etc/kept: {content: "kept\\n", mode: "0644", protect: true}\n')
    run(["apply", str(spec), "--root", str(tree), "--auto-approve"])
    HARMS[harm](tree, spec)
    spec.write_text(
        'version: 1\nhost: demo\nfiles:\n  /etc/a: {content: "changed\\n", mode: "0644", adopt: true}\n'
    )
    capsys.readouterr()
    codes = [run(["apply", str(spec), "--root", str(tree), "--auto-approve"])]
    told = capsys.readouterr().out
    codes.append(run(["plan", str(spec), "--root", str(tree), "--detailed-exitcode"]))

    assert [0, 0] == codes
    assert "nothing is removed" in told
    assert ("changed\n", "kept\n") == ((tree / "etc/a").read_text(), (tree / "etc/kept").read_text())
    assert (tree / "etc/b").read_text() in ("b\n", "B\n")
    assert "No changes. Your host matches the configuration.\n" == capsys.readouterr().out


@pytest.mark.parametrize("harm", ["witness", "key"])
def test_a_damaged_ledger_converges_and_prunes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], harm: str
) -> None:
    """With a part of the state gone, a changed file is still brought about, a removed one stays, and the next
    plan is empty.
    """
    spec, tree = tmp_path / "host.yaml", tmp_path / "tree"
    minimal_tree(tree, "demo")
    spec.write_text(ONE)
    first = run(["apply", str(spec), "--root", str(tree), "--auto-approve"])
    (tmp_path / "tree.reconciler" / harm).unlink()
    spec.write_text('version: 1\nhost: demo\nfiles:\n  /etc/a: {content: "changed\\n", mode: "0644"}\n')
    capsys.readouterr()
    second = run(["apply", str(spec), "--root", str(tree), "--auto-approve"])
    told = capsys.readouterr().out
    third = run(["plan", str(spec), "--root", str(tree), "--detailed-exitcode"])

    assert [0, 0, 0] == [first, second, third]
    assert "nothing is removed" in told
    assert "changed\n" == (tree / "etc/a").read_text()
    assert "b\n" == (tree / "etc/b").read_text()
    assert "No changes. Your host matches the configuration.\n" == capsys.readouterr().out


def test_without_any_ledger_nothing_is_ours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the ledger gone altogether, what differs is refused until --adopt says whose it is, and nothing is
    removed.
    """
    spec, tree = tmp_path / "host.yaml", tmp_path / "tree"
    minimal_tree(tree, "demo")
    spec.write_text(ONE)
    run(["apply", str(spec), "--root", str(tree), "--auto-approve"])
    (tmp_path / "tree.reconciler/state.db").unlink()
    spec.write_text('version: 1\nhost: demo\nfiles:\n  /etc/a: {content: "changed\\n", mode: "0644"}\n')
    refused = run(["apply", str(spec), "--root", str(tree), "--auto-approve"])
    left = (tree / "etc/a").read_text()
    adopted = run(["apply", str(spec), "--root", str(tree), "--auto-approve", "--adopt"])
    capsys.readouterr()
    again = run(["plan", str(spec), "--root", str(tree), "--detailed-exitcode"])

    assert (3, "A\n", 0, 0) == (refused, left, adopted, again)
    assert "changed\n" == (tree / "etc/a").read_text()
    assert "b\n" == (tree / "etc/b").read_text()
    assert "No changes." in capsys.readouterr().out


def test_a_newer_state_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A state that a newer version has written is neither replaced nor put aside: the apply is refused and
    says what to do.
    """
    spec, tree = tmp_path / "host.yaml", tmp_path / "tree"
    minimal_tree(tree, "demo")
    spec.write_text(ONE)
    run(["apply", str(spec), "--root", str(tree), "--auto-approve"])
    state = tmp_path / "tree.reconciler"
    with sqlite3.connect(state / "state.db") as raw:
        raw.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    raw.close()
    before = {path.name: path.read_bytes() for path in state.iterdir() if path.name != "lock"}
    spec.write_text('version: 1\nhost: demo\nfiles:\n  /etc/a: {content: "changed\\n", mode: "0644"}\n')
    capsys.readouterr()
    refused = run(["apply", str(spec), "--root", str(tree), "--auto-approve", "--adopt"])

    assert 1 == refused
    assert "update the tool" in capsys.readouterr().err
    assert before == {path.name: path.read_bytes() for path in state.iterdir() if path.name != "lock"}
    assert "A\n" == (tree / "etc/a").read_text()
