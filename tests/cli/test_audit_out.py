"""The reports that `audit --out` writes: their forms, and where they do not go."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from reconciler.host.documents import no_place, save_private
from tests.cli.command import Done, Tree, run

NOBODY = 65534


def audit(tree: Tree, *options: object) -> Done:
    """The audit of a part of a tree."""
    return run("audit", "--root", tree.root, "--only", "accounts", *options)


def test_each_file_has_the_form_of_its_ending(tree: Tree) -> None:
    """One run writes all of them, prints the text, and its exit code is that of the audit."""
    names = ("a.html", "a.sarif", "a.sarif.json", "a.json", "a.xml", "a.md", "a.txt")
    files = {name: tree.base / name for name in names}
    plain = audit(tree)

    done = audit(tree, *(word for file in files.values() for word in ("--out", file)))

    assert done == plain
    text = {name: file.read_text() for name, file in files.items()}
    assert text["a.html"].startswith("<!doctype html>")
    assert text["a.sarif"] == text["a.sarif.json"]
    assert json.loads(text["a.sarif"])["version"] == "2.1.0"
    assert json.loads(text["a.json"])["format_version"] == "1.0"
    assert ET.fromstring(text["a.xml"]).tag == "testsuites"  # noqa: S314  # our own text
    assert text["a.md"].startswith("<!-- reconciler audit ")
    assert text["a.txt"] == plain.out
    assert {0o600} == {file.stat().st_mode & 0o7777 for file in files.values()}


def test_the_form_that_is_named_counts(tree: Tree) -> None:
    """--format is the form of the file, whatever its ending; the text is printed."""
    done = audit(tree, "--format", "sarif", "--out", tree.base / "report.json")

    assert json.loads((tree.base / "report.json").read_text())["version"] == "2.1.0"
    assert done.out.startswith("Audit of ")


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--out", "x.doc"], 64, "name the form with --format"),
        (["--format", "html", "--out", "x.html", "--out", "y.html"], 64, "--format is the form of one file"),
        (["--out", "nowhere/x.html"], 1, "the directory nowhere is not there; make it first"),
        (["--out", "host.yaml/x.html"], 1, "host.yaml is no directory"),
        (["--out", "tree", "--format", "html"], 1, "a directory is there; name another file"),
        (["--out", "link.html"], 1, "a link is there; name another file"),
        (["--out", "pipe.html"], 1, "a device or a pipe is there; name another file"),
    ],
)
def test_a_report_that_cannot_be_written(tree: Tree, options: list[str], code: int, words: str) -> None:
    """It is told before the audit runs, and nothing is left behind or written over."""
    (tree.base / "host.yaml").write_text("kept\n")
    (tree.base / "link.html").symlink_to(tree.base / "host.yaml")
    os.mkfifo(tree.base / "pipe.html")
    before = sorted(tree.base.rglob("*"))
    places = [str(tree.base / word) if before_it == "--out" else word for before_it, word in pairs(options)]

    done = audit(tree, *places)

    assert (done.code, done.out) == (code, "")
    assert words in done.said
    assert sorted(tree.base.rglob("*")) == before
    assert (tree.base / "host.yaml").read_text() == "kept\n"


def pairs(words: list[str]) -> list[tuple[str, str]]:
    """Each word with the one before it."""
    return list(zip(["", *words], words, strict=False))


def test_a_disk_that_is_full_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The older report stays whole, and no temporary file does."""
    file = tmp_path / "report.html"
    assert save_private(str(file), b"old") == ""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    assert save_private(str(file), b"new") == f"{file}: No space left on device"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert file.read_bytes() == b"old"


def _of_somebody(base: Path) -> None:
    (base / "way").symlink_to(base / "etc")
    os.chown(base / "way", NOBODY, NOBODY, follow_symlinks=False)


def _in_an_open_directory(base: Path) -> None:
    (base / "way").symlink_to(base / "etc")
    base.chmod(0o777)


def _in_somebodys_directory(base: Path) -> None:
    (base / "way").symlink_to(base / "etc")
    os.chown(base, NOBODY, NOBODY)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be led astray")
@pytest.mark.parametrize("lay", [_of_somebody, _in_an_open_directory, _in_somebodys_directory])
def test_root_is_not_led_elsewhere(tmp_path: Path, lay: Callable[[Path], None]) -> None:
    """A link that somebody else could have put on the way leads root nowhere."""
    base = tmp_path / "base"
    (base / "etc").mkdir(parents=True)
    lay(base)

    for wrong in (no_place(f"{base}/way/x.html"), save_private(f"{base}/way/x.html", b"x")):
        assert "way is a link that is not root's alone; name the directory that it leads to" in wrong
    assert list((base / "etc").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be led astray")
def test_root_writes_where_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root's own links lead where they lead, the home of a person is a place, and so is a relative one."""
    home = tmp_path / "home"
    (home / "below").mkdir(parents=True)
    (tmp_path / "own").symlink_to("home/below")
    os.chown(home, NOBODY, NOBODY)
    monkeypatch.chdir(home)

    for path in (f"{tmp_path}/own/../a.html", f"{home}/b.html", "c.html", "./below/../d.html"):
        assert save_private(path, b"x") == "", path
    assert sorted(path.name for path in home.iterdir()) == ["a.html", "b.html", "below", "c.html", "d.html"]


def test_a_circle_of_links_ends(tmp_path: Path) -> None:
    """As the kernel does, it is given up."""
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")

    assert "there are too many links on the way" in no_place(f"{tmp_path}/a/x.html")
