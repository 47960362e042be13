"""Restoring in place: everything is as in the archive afterwards, what was there is kept, and no user can lead
root elsewhere.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from jsonschema import Draft202012Validator

from reconciler.core.host import HostError
from reconciler.formats.backups.kept_directory import PREFIX
from reconciler.host.archives import compare_trees, replace_files
from reconciler.host.archives.compare_trees import What
from reconciler.host.archives.private_directory import Refused
from reconciler.host.process import failpoints
from reconciler.jobs import jobfile
from reconciler.jobs.restoring.in_place import Preview, Replaced, restore_in_place
from reconciler.render.backup_views.schema import backup_schema
from tests.cli.command import ENTRY, ENVIRONMENT, run
from tests.jobs.places import REPOSITORY, Place
from tests.jobs.places import manifest as facts

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: owners, and it is root's command"),
]


def differences(one: Path, other: Path) -> str:
    """The judge: what rsync would copy or delete."""
    argv = ["rsync", "-aHAXni", "--delete", "--exclude=*.tmp", "--checksum", f"{one}/", f"{other}/"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def model(place: Place) -> Path:
    """A copy of the source as it is in the archive, which is made."""
    os.chown(place.source / "numbers", 1, 2)
    (place.source / "sub" / "deep").mkdir(parents=True)
    (place.source / "sub" / "deep" / "file").write_text("deep")
    (place.source / "sub").chmod(0o2751)
    subprocess.run(["setfacl", "-m", "u:daemon:rwx", place.source / "sub"], check=True)
    place.run()
    copy = place.top / "model"
    subprocess.run(["cp", "-a", place.source, copy], check=True)
    return copy


def put_back(place: Place, *paths: str, delete: bool = False, agrees: bool = True) -> Replaced:
    """A restore in place that is agreed to."""
    return restore_in_place(place.job, "", paths, lambda _: agrees, delete=delete, lock_directory=place.locks)


def damage(place: Place) -> None:
    """Everything that can happen to a tree."""
    source = place.source
    (source / "numbers").write_bytes(b"new content")
    (source / "empty").rmdir()
    (source / "empty").write_text("a file now")
    (source / "link").unlink()
    (source / "link").symlink_to("/etc/shadow")
    (source / "sparse").unlink()
    (source / "sparse").mkdir()
    (source / "sparse" / "below").write_text("a directory now")
    shutil.rmtree(source / "-rf [x] *")
    (source / "sub").chmod(0o700)
    (source / "sub" / "more").write_text("only here")
    times = (source / "sub" / "deep" / "file").stat()
    (source / "sub" / "deep" / "file").write_text("DEEP")
    os.utime(source / "sub" / "deep" / "file", ns=(times.st_atime_ns, times.st_mtime_ns))


def test_everything_is_as_it_was(place: Place, model: Path) -> None:
    """Content, types, owners, modes, ACLs, links, times, also where the time hides a change; what only the
    host has stays, and what was there before lies beside it.
    """
    damage(place)
    before = facts(place.source)
    done = put_back(place)

    assert (True, ()) == (done.was_done, done.problems)
    (place.source / "sub" / "more").rename(place.top / "more")
    subprocess.run(["touch", "-r", model / "sub", place.source / "sub"], check=True)
    assert "" == differences(model, place.source)
    assert "only here" == (place.top / "more").read_text()
    (kept,) = done.before
    old = Path(kept + str(place.source))
    assert b"new content" == (old / "numbers").read_bytes()
    assert "a directory now" == (old / "sparse" / "below").read_text()
    assert "/etc/shadow" == str((old / "link").readlink())
    assert "DEEP" == (old / "sub" / "deep" / "file").read_text()
    assert before["empty"] == facts(old)["empty"]
    assert 0o700 == Path(kept).parent.stat().st_mode & 0o777


def test_what_is_kept_undoes_it(place: Place, model: Path) -> None:
    """Copied back over the host with rsync, the kept tree makes everything as it was before the restore."""
    damage(place)
    (place.source / "-rf [x] *").mkdir()
    shutil.copytree(place.source, place.top / "before", symlinks=True)
    done = put_back(place)
    (kept,) = done.before
    subprocess.run(["rsync", "-aHAX", "--checksum", "--force", f"{kept}/", "/"], check=True)

    for name in ("numbers", "sub/deep/file", "empty", "sparse/below"):
        assert (place.top / "before" / name).read_bytes() == (place.source / name).read_bytes()
    assert model.exists()


def test_a_second_time_there_is_nothing_to_do(place: Place, model: Path) -> None:
    """The comparison finds no difference after a restore, and no directory is left."""
    damage(place)
    (kept,) = put_back(place).before
    shutil.rmtree(Path(kept).parent)
    done = put_back(place)

    assert (False, (), ()) == (done.was_done, done.preview.changes, done.before)
    assert [] == left(place)
    assert model.exists()


def left(place: Place) -> list[Path]:
    """The scratch directories that are still there."""
    return [path for path in place.top.rglob(f"{PREFIX}*") if path.is_dir()]


def test_nobody_agrees(place: Place, model: Path) -> None:
    """Then the host is as it was, to the byte, and nothing is left of the scratch."""
    damage(place)
    before = facts(place.source)
    done = put_back(place, agrees=False)

    assert (False, ()) == (done.was_done, done.before)
    assert done.preview.changes
    assert before == facts(place.source)
    assert [] == left(place)
    assert model.exists()


def test_the_list_names_each_change(place: Place, model: Path) -> None:
    """The preview names what would be new, replaced and taken away, and what stays; with --delete it is taken away, but neither
    a socket, nor what the job leaves out, nor its destination.
    """
    damage(place)
    place = place.having(destinations=(str(place.destination), str(place.source / "inside")))
    (place.source / "inside").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(place.source)
        listening.bind("socket")
        os.chdir(REPOSITORY)
        seen: list[Preview] = []

        def look(preview: Preview) -> bool:
            seen.append(preview)
            return False

        for delete in (False, True):
            restore_in_place(place.job, "", [], look, delete=delete, lock_directory=place.locks)
    what = {change.path.removeprefix(f"{place.source}"): change.what for change in seen[0].changes}
    lost = [change.path for change in seen[1].changes if change.what is What.LOST]

    assert {
        "": What.ATTRIBUTES,
        "/-rf [x] *": What.NEW,
        "/empty": What.CONTENT,
        "/link": What.CONTENT,
        "/numbers": What.CONTENT,
        "/other name": What.CONTENT,
        "/sparse": What.CONTENT,
        "/sub": What.ATTRIBUTES,
        "/sub/deep/file": What.CONTENT,
    } == what
    assert (f"{place.source}/sub/more",) == seen[0].not_archived
    assert [f"{place.source}/sub/more"] == lost
    assert model.exists()


def test_with_delete_the_tree_is_the_archive(place: Place, model: Path) -> None:
    """A file that was made since is taken away, and kept."""
    damage(place)
    done = put_back(place, delete=True)

    assert () == done.problems
    assert "" == differences(model, place.source)
    assert "only here" == Path(f"{done.before[0]}{place.source}/sub/more").read_text()
    assert (place.source / "cache.tmp").exists()


def test_a_part_leaves_the_rest_alone(place: Place, model: Path) -> None:
    """Only what was asked for is put back."""
    damage(place)
    before = facts(place.source)
    put_back(place, f"{place.source}/sub/deep/file")
    after = facts(place.source)

    assert facts(model)["sub/deep/file"] == after["sub/deep/file"]
    assert {name for name in before if before[name] != after.get(name)} == {"sub/deep/file", "sub/deep"}


def test_a_lost_source_comes_back(place: Place, model: Path) -> None:
    """With the directories that lead there."""
    shutil.rmtree(place.source)
    done = put_back(place)

    assert () == done.problems
    assert "" == differences(model, place.source)
    assert () == done.before


@pytest.mark.parametrize("path", ["/etc", "{top}", "{source}/../x", "relative"])
def test_paths_of_no_source(place: Place, model: Path, path: str) -> None:
    """They are refused: with --delete all that lies beside a source would go."""
    with pytest.raises(Refused):
        put_back(place, path.format(top=place.top, source=place.source), delete=True)
    assert model.exists()


def test_a_hard_link_comes_back_as_one_file(place: Place, model: Path) -> None:
    """One of two names was replaced by a file of its own: both are one again."""
    (place.source / "other name").unlink()
    shutil.copy2(place.source / "numbers", place.source / "other name")
    os.chown(place.source / "other name", 1, 2)
    put_back(place)

    assert (place.source / "other name").samefile(place.source / "numbers")
    assert "" == differences(model, place.source)


def test_no_link_of_a_user_is_followed(place: Place, model: Path) -> None:
    """A user has put a link in the place of a directory of theirs, before or after the list was shown: nothing
    is written where it leads, and it is told.
    """
    victim = place.top / "victim"
    victim.mkdir()

    def plant() -> None:
        (place.source / "sub").rename(place.top / "away")
        (place.source / "sub").symlink_to(victim)

    (place.source / "sub" / "deep" / "file").write_text("changed")

    def agree(_: Preview) -> bool:
        plant()
        return True

    done = restore_in_place(place.job, "", [], agree, delete=False, lock_directory=place.locks)
    assert [] == list(victim.iterdir())
    assert done.problems
    with pytest.raises(HostError):
        put_back(place, f"{place.source}/sub/deep/file")
    assert [] == list(victim.iterdir())
    assert model.exists()


def test_a_race_at_every_step(place: Place, model: Path) -> None:
    """A user swaps a directory for a link, and back, at each step of the exchange: nothing ever lands where
    the link leads, and every file has either its old or its new content.
    """
    victim = place.top / "victim"
    victim.mkdir(mode=0o711)
    for number in range(30):
        (place.source / "sub" / f"f{number}").write_text("new")
    place.run()
    for number in range(30):
        (place.source / "sub" / f"f{number}").write_text("old")
    away = place.top / "away"

    def swap(_: str) -> None:
        sub = place.source / "sub"
        if sub.is_symlink():
            sub.unlink()
            away.rename(sub)
        else:
            sub.rename(away)
            sub.symlink_to(victim)

    failpoints.watch(swap)
    try:
        put_back(place)
    finally:
        failpoints.watch(None)
    tree = away if away.exists() else place.source / "sub"

    assert [] == list(victim.iterdir())
    assert 0o711 == victim.stat().st_mode & 0o777
    assert {"new", "old"} >= {(tree / f"f{number}").read_text() for number in range(30)}
    assert model.exists()


@pytest.mark.parametrize("module", [compare_trees, replace_files])
def test_a_race_between_a_look_and_an_open(
    place: Place, model: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType
) -> None:
    """The directory becomes a link after it was seen to be a directory, and before it is opened."""
    (place.source / "sub" / "deep" / "file").unlink()
    victim = place.top / "victim"
    shutil.copytree(place.source / "sub", victim)
    look = compare_trees.stat_at

    def look_and_swap(directory: int, name: str) -> os.stat_result | None:
        status = look(directory, name)
        if name == "sub" and not (place.source / "sub").is_symlink():
            (place.source / "sub").rename(place.top / "away")
            (place.source / "sub").symlink_to(victim)
        return status

    monkeypatch.setattr(module, "stat_at", look_and_swap)
    done = put_back(place)

    assert done.problems
    assert [] == list((victim / "deep").iterdir())
    assert model.exists()


def test_another_directory_does_not_get_the_attributes(place: Place, model: Path) -> None:
    """A directory that was swapped for another one between list and exchange keeps its owner and mode."""
    (place.source / "sub").chmod(0o700)
    other = place.top / "other"
    other.mkdir(mode=0o711)

    def agree(_: Preview) -> bool:
        (place.source / "sub").rename(place.top / "away")
        other.rename(place.source / "sub")
        return True

    done = restore_in_place(place.job, "", [], agree, delete=False, lock_directory=place.locks)

    assert 0o711 == (place.source / "sub").stat().st_mode & 0o7777
    assert any("changed meanwhile" in problem for problem in done.problems)
    assert model.exists()


_PROGRAM = """
import sys
sys.path.insert(0, {repository!r})
from reconciler.formats.backups.job import Job, Keep
from reconciler.jobs.restoring.in_place import restore_in_place
restore_in_place({job!r}, "", [], lambda _: True, delete=True, lock_directory={lock!r})
"""


def test_killed_at_every_step(place: Place, model: Path) -> None:
    """Each entry has its old or its new content, the old one is never gone, and the next restore completes
    it.
    """
    points = ("placed:1", "exchanged:1", "exchanged:3", "moved:1", "attributes:1", "replaced:1")
    program = _PROGRAM.format(repository=str(REPOSITORY), job=place.job, lock=place.locks)
    for point in points:
        damage(place)
        armed = {"RECONCILER_TESTING": "1", "RECONCILER_FAILPOINT": f"restore.{point}"}
        subprocess.run([sys.executable, "-c", program], env={**os.environ, **armed}, check=False)
        trees = [place.source, *(Path(f"{path}/files{place.source}") for path in left(place))]
        found = [tree / "numbers" for tree in trees]
        contents = {path.read_bytes() for path in found if path.is_file()}
        assert b"new content" in contents
        assert "only here" in {
            (tree / "sub" / "more").read_text() for tree in trees if (tree / "sub" / "more").exists()
        }
        done = put_back(place, delete=True)
        assert () == done.problems
        assert "" == differences(model, place.source)
        for path in left(place):
            shutil.rmtree(path)


def test_too_little_space_is_refused_first(
    place: Place, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restore must not fill the disk of a running host."""
    monkeypatch.setattr(replace_files.Scratch, "free", lambda _: 1000)
    with pytest.raises(Refused, match="too little space"):
        put_back(place)
    assert [] == left(place)
    assert model.exists()


def test_who_uses_the_files_is_named(place: Place, model: Path) -> None:
    """A program that has a file open is in the list, with its process."""
    with subprocess.Popen(["/bin/sleep", "60"], cwd=place.source / "sub") as sleeping:
        damage(place)
        done = put_back(place, agrees=False)
        sleeping.kill()

    assert [("sleep", (sleeping.pid,))] == [(user.name, user.pids) for user in done.preview.users]
    assert model.exists()


@pytest.fixture
def commanded(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A place whose job the commands find."""
    monkeypatch.setattr(jobfile, "load", lambda _: place.job)
    defaults = {**(restore_in_place.__kwdefaults__ or {}), "lock_directory": place.locks}
    monkeypatch.setattr(restore_in_place, "__kwdefaults__", defaults)
    return place


def test_the_command_shows_and_asks(commanded: Place, model: Path) -> None:
    """Without a terminal nothing is done and the exit code says so; --dry-run shows the same and exits 0;
    --auto-approve does it; each has its document.
    """
    damage(commanded)
    before = facts(commanded.source)
    asked = run("backup", "restore", "datasets", "--in-place")
    shown = run("backup", "restore", "datasets", "--in-place", "--dry-run")
    data = json.loads(run("backup", "restore", "datasets", "--in-place", "--dry-run", "--json").out)

    assert (3, 0) == (asked.code, shown.code)
    assert f"~ {commanded.source}/numbers" in asked.out
    assert f"~ {commanded.source}/numbers" in shown.out
    assert f"{commanded.source}/sub/more" in shown.out
    assert [] == [error.message for error in Draft202012Validator(backup_schema()).iter_errors(data)]
    assert (False, "good") == (data["done"], data["result"])
    assert before == facts(commanded.source)
    done = run("backup", "restore", "datasets", "--in-place", "--auto-approve")
    assert 0 == done.code, done.err
    assert "what was there before is in" in done.out
    assert b"new content" != (commanded.source / "numbers").read_bytes()
    assert model.exists()


def test_a_destination_alone_restores_in_place(place: Place, model: Path) -> None:
    """On a bare host too; only --delete needs the job, which says what is left out."""
    damage(place)
    there = ("--from", place.destination, "--in-place", "--auto-approve")
    assert 3 == run("backup", "restore", *there, "--delete").code
    argv = [sys.executable, "-c", ENTRY, "backup", "restore", *map(str, there)]
    done = subprocess.run(
        argv, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True, check=False
    )

    assert 0 == done.returncode, done.stderr
    assert facts(model)["numbers"] == facts(place.source)["numbers"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--in-place", "--to", "/x"),
        ("--to", "/x", "--delete"),
        ("--to", "/x", "--dry-run"),
        ("--in-place", "--json"),
    ],
)
def test_options_that_contradict_each_other(arguments: tuple[str, ...]) -> None:
    """Each is a typing error."""
    assert 64 == run("backup", "restore", "datasets", *arguments).code


def test_a_chain_is_put_back_in_place(place: Place, model: Path) -> None:
    """The newest of a chain as well: what was deleted before it was made is not brought back."""
    place = place.having(type="incremental")
    (place.source / "since").write_text("before the full one")
    place.run()
    (place.source / "since").unlink()
    assert place.run().manifest.parents
    subprocess.run(["touch", "-r", place.source, model], check=True)
    damage(place)
    done = put_back(place, delete=True)

    assert () == done.problems
    assert "" == differences(model, place.source)


@pytest.mark.parametrize("kind", ["bind", "tmpfs"])
def test_a_source_that_is_a_mount_point(place: Place, kind: str) -> None:
    """A bind mount has the device of what is around it, and names cannot be exchanged with that: the scratch
    is in the mount, and everything comes back, without the scratch being taken for something of it.
    """
    at = place.top / "mounted"
    at.mkdir()
    what = ["--bind", str(place.source)] if kind == "bind" else ["-t", "tmpfs", "tmpfs"]
    subprocess.run(["mount", *what, at], check=True)
    try:
        (at / "file").write_text("old")
        place = place.having(sources=(str(at),))
        place.run()
        (at / "file").write_text("new")
        done = put_back(place, delete=True)
        assert () == done.problems
        assert "old" == (at / "file").read_text()
        (kept,) = done.before
        assert kept.startswith(f"{at}/{PREFIX}")
        assert "new" == Path(f"{kept}{at}/file").read_text()
        assert (False, ()) == (put_back(place, delete=True).was_done, put_back(place).preview.changes)
    finally:
        subprocess.run(["umount", "-l", at], check=True)
