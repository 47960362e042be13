"""Backups of a tree: a job of three lines is tried out without root, and the machine itself is left alone."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.cli.command import Tree, run
from tests.ordinary import ordinary

pytestmark = pytest.mark.slow

THREE_LINES = """\
version: 1
host: gpu-01
backups: {app: {sources: [/srv/app], destinations: [/backup], schedule: daily}}
"""


def applied(tree: Tree, job: str = "sources: [/srv/app], destinations: [/backup], schedule: daily") -> Tree:
    """The tree with a file to back up and one job."""
    tree.put("/srv/app/file", "wanted\n")
    tree.path("/backup").mkdir(mode=0o700)
    assert 0 == tree.apply(tree.spec(f"backups: {{app: {{{job}}}}}\n")).code
    return tree


def backup(tree: Tree, command: str, *arguments: object) -> tuple[int, str]:
    """How a command on the job of a tree ended, and what it said."""
    done = run("backup", command, "app", "--root", tree.root, *arguments)
    return done.code, done.said


def test_three_lines_without_root() -> None:
    """An ordinary user applies a job of three lines to a tree, whoever may write there, runs it, and has every
    file back.
    """
    with ordinary() as user:
        tree = user.place / "tree"
        for directory in ("etc/systemd/system", "srv/app/deep"):
            (tree / directory).mkdir(parents=True)
        (tree / "srv/app/deep/file").write_text("wanted\n")
        for path in (tree, *filter(Path.is_dir, tree.rglob("*"))):
            path.chmod(0o775)  # as with the umask of Debian's users
        (user.place / "host.yaml").write_text(THREE_LINES)
        user.own()

        user.says("reconciler", "apply", "host.yaml", "--root", "tree", "--auto-approve")
        made = user.says("reconciler", "backup", "run", "app", "--root", "tree")
        rows = json.loads(user.says("reconciler", "backup", "list", "--root", "tree", "--json"))
        user.says("reconciler", "backup", "verify", "app", "--root", "tree", "--compare")
        user.says("reconciler", "backup", "restore", "app", "--root", "tree", "--to", "back")

        assert ", verified" in made
        assert [("app", ["/backup"])] == [(row["job"], row["destinations"]) for row in rows]
        assert "wanted\n" == (user.place / "back/srv/app/deep/file").read_text()
        assert 3 == len(list((tree / "backup").iterdir()))


def test_the_page_about_backups_works_without_root() -> None:
    """The lines that the page has for trying a job out, with its three-line form, end with the file."""
    page = (Path(__file__).resolve().parents[2] / "docs/howto/backups.md").read_text()
    (block,) = re.findall(r"```text\n(mkdir -p tree/.*?)```", page, re.DOTALL)
    with ordinary() as user:
        (user.place / "host.yaml").write_text(THREE_LINES.replace("[/backup]", "[/backup/app]"))
        user.own()
        said = [
            user.says(*(words if words[0] == "reconciler" else ["/bin/sh", "-c", line]))
            for line in block.splitlines()
            if (words := line.split())
        ]

        assert "hello\n" == said[-1]


def test_paths_are_those_of_the_tree(tree: Tree) -> None:
    """Run, list, verify, prune, accept and restore read and write in the tree and in our state beside it."""
    applied(tree)
    here = [*Path("/").iterdir()]

    assert (0, True) == ((ran := backup(tree, "run"))[0], "/backup: app-" in ran[1]), ran
    assert 0 == backup(tree, "verify", "--compare")[0]
    tree.put("/srv/app/file", "more\n")
    assert "differs: srv/app/file" in backup(tree, "verify", "--compare")[1]
    assert (0, "nothing to delete") == backup(tree, "prune")
    assert 0 == backup(tree, "accept")[0]
    assert 0 == backup(tree, "restore", "--to", tree.base / "back")[0]
    assert "wanted\n" == (tree.base / "back/srv/app/file").read_text()
    assert here == [*Path("/").iterdir()]
    assert ["backup-app.lock"] == [path.name for path in (tree.state / "run").iterdir()]


def test_a_machine_of_its_own(tree: Tree) -> None:
    """The archives of a tree are marked as those of its machine, not of this one."""
    applied(tree)
    tree.put("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    assert 0 == backup(tree, "run")[0]
    tree.put("/etc/machine-id", "f123456789abcdef0123456789abcdef\n")
    code, said = backup(tree, "run")

    assert (3, True) == (code, "another machine's" in said)


def test_commands_are_not_run(tree: Tree) -> None:
    """`before` would run on this machine: the run is refused, and makes no archive."""
    tree.put("/usr/bin/dump", "#!/bin/sh\n", 0o755)
    applied(tree, "sources: [/srv/app], destinations: [/backup], schedule: daily, before: [[/usr/bin/dump]]")
    code, said = backup(tree, "run")

    assert (3, True) == (code, "would run on this machine" in said)
    assert [] == [*tree.path("/backup").iterdir()]


def test_repositories_are_left_alone(tree: Tree) -> None:
    """A job of restic is not looked at: a trial on a tree must touch no repository of this machine."""
    tree.put("/root/pass", "secret\n", 0o600)
    rest = "schedule: daily, engine: restic, password_file: /root/pass"
    applied(tree, f"sources: [/srv/app], destinations: [/backup], {rest}")
    for command in ("run", "verify", "prune"):
        code, said = backup(tree, command)
        assert (3, True) == (code, "try it without `engine: restic`" in said), said


@pytest.mark.parametrize("place", ["/srv/app", "/srv", "/backup", "/etc/reconciler"])
def test_a_link_does_not_lead_out(tree: Tree, tmp_path: Path, place: str) -> None:
    """A link of the tree, at or above a source, a destination or the job, is refused, and nothing is written
    where it leads.
    """
    applied(tree)
    outside = tmp_path / "outside"
    shutil.copytree(tree.path(place), outside)
    before = sorted(outside.rglob("*"))
    shutil.rmtree(tree.path(place))
    tree.path(place).symlink_to(outside)
    code, said = backup(tree, "run")

    assert 3 == code, said
    assert before == sorted(outside.rglob("*"))


def test_a_destination_alone_is_no_tree(tree: Tree) -> None:
    """`--from` and `--in-place` are about this machine: together with `--root` they are mistakes of the
    command line.
    """
    place = run("backup", "restore", "app", "--in-place", "--root", tree.root)

    assert (True, True) == (place.code != 0, "write --to DIR" in place.said)
    assert "leave --root out" in run("backup", "list", "--from", "/backup", "--root", tree.root).said
