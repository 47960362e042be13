"""The snapshot file of tar, made ready for the next archive of a chain."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from reconciler.host.archives.snapshot_file import NotASnapshot, prepare


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree that tar has seen: `snapshot` is what it noted."""
    for name in ("stays", "moves/below", "goes"):
        (tmp_path / "top" / name).mkdir(parents=True)
    argv = ["tar", "--create", "--file=/dev/null", f"--listed-incremental={tmp_path}/snapshot"]
    subprocess.run([*argv, "--directory=/", str(tmp_path / "top")[1:]], check=True, capture_output=True)
    return tmp_path


def prepared(tree: Path) -> bytes:
    """The file that tar is given."""
    content = (tree / "snapshot").read_bytes()
    return prepare(content, [str(tree / "top")], "", one_file_system=True).content


def known(tree: Path) -> set[str]:
    """The directories that tar will take for known."""
    top = str(tree / "top")[1:]
    return {
        name
        for name in ("stays", "moves", "moves/below", "goes")
        if f"\0{top}/{name}\0".encode() in prepared(tree)
    }


def test_an_untouched_tree_is_known(tree: Path) -> None:
    """Nothing but the time is changed."""
    assert {"stays", "moves", "moves/below", "goes"} == known(tree)
    before, after = (tree / "snapshot").read_bytes(), prepared(tree)
    assert before.split(b"\0", 2)[2].count(b"\0") == after.split(b"\0", 2)[2].count(b"\0")


def test_what_moved_or_went_is_not_known(tree: Path) -> None:
    """Nor is what is below it, though a link leads there from where it was."""
    (tree / "top/moves").rename(tree / "top/moved")
    (tree / "top/moves").symlink_to("moved")
    (tree / "top/goes").rmdir()

    assert {"stays"} == known(tree)


def test_the_time_is_a_full_second_before(tree: Path) -> None:
    """Files of that second are archived once more: some file systems keep no finer times."""
    header, nanoseconds, _ = prepared(tree).split(b"\0", 2)
    first = (tree / "snapshot").read_bytes().split(b"\0", 2)

    assert b"0" == nanoseconds
    assert int(first[0].split(b"\n")[1]) - int(header.split(b"\n")[1]) in (0, 1)


@pytest.mark.parametrize(
    "content", [b"", b"GNU tar-1.34-1\n1\0", b"GNU tar-1.34-2\nx\0000\0", b"GNU tar-1.34-2\n1\0000\000a\0b"]
)
def test_what_is_no_snapshot_file(content: bytes) -> None:
    """An older format or half a file: the next archive is a full one."""
    with pytest.raises(NotASnapshot):
        prepare(content, ["/"], "", one_file_system=True)
