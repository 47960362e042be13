"""Whole directories that go and come back: what is followed, what is crossed, and what a kill at any place
leaves.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from reconciler.core.actions import Action, ArchiveTree, RemoveTree, RestoreTree, remnant
from reconciler.core.host import ActionFailed, HostError, UnsafePath
from reconciler.host.files.homes import whole_trees
from reconciler.host.live import LiveHost
from reconciler.host.tree import TreeHost
from tests.host.hosts_under_test import base_tree, mounted, names_in

ROUNDS = 10_000 if os.environ.get("RECONCILER_FAULTS") else 150
HOME, ARCHIVE = "/home/alice", "alice-1000.tar.gz"
ARCHIVE_IT, REMOVE_IT = ArchiveTree(HOME, ARCHIVE), RemoveTree(HOME, ARCHIVE)
RESTORE_IT = RestoreTree(HOME, ARCHIVE, "0710", "api", "api")
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="owners and devices need root")


@pytest.fixture
def host(tmp_path: Path) -> TreeHost:
    """A tree with a home in it and something outside that must stay."""
    root = base_tree(tmp_path / "tree")
    state = tmp_path / "tree.reconciler"
    state.mkdir(mode=0o700)
    furnish(root)
    return TreeHost(str(root), str(state))


def furnish(root: Path) -> None:
    """A home full of things that have misled others."""
    home = root / "home/alice"
    (home / "deep").mkdir(parents=True)
    outside = root / "srv/theirs"
    outside.mkdir(parents=True)
    (outside / "data").write_text("theirs\n")
    (home / "to-directory").symlink_to(outside)
    (home / "to-absolute").symlink_to("/etc")
    (home / "deep/up").symlink_to("../../..")
    (home / "deep/file").write_bytes(bytes(range(256)) * 300)
    (home / "deep/other-name").hardlink_to(home / "deep/file")
    (home / "-rf").write_text("a name\n")
    (home / "new\nline").write_text("a name\n")
    (home / "deep/closed").mkdir()
    (home / "deep/closed/inside").write_text("x")
    os.mkfifo(home / "pipe")
    os.setxattr(home / "deep/file", "user.note", b"kept")
    if os.geteuid() == 0:
        (home / "deep/closed").chmod(0)
        (home / "deep/file").chmod(0o4755)
        os.chown(home / "deep/other-name", 990, 990)


def picture(root: Path, *, top: bool = True) -> dict[str, Any]:
    """Everything below a directory; of `top` also its own mode."""
    found: dict[str, Any] = {}
    for directory, subdirectories, files in os.walk(root):
        for name in (*subdirectories, *files, *(["."] if top or directory != str(root) else [])):
            path = Path(directory) / name
            facts = path.lstat()
            plain = stat.S_ISREG(facts.st_mode)
            content = path.read_bytes() if plain else str(path.readlink()) if path.is_symlink() else ""
            xattrs = os.listxattr(path, follow_symlinks=False)
            found[str(path.relative_to(root))] = (
                facts.st_mode,
                facts.st_uid,
                facts.st_gid,
                facts.st_nlink if plain else 0,
                content,
                xattrs,
            )
    return found


def home_of(host: TreeHost) -> Path:
    """The home on the disk of this machine."""
    return Path(host.root) / "home/alice"


def do(host: TreeHost, *actions: Action) -> str:
    """Execute them; what was said of the last."""
    said = ""
    for action in actions:
        said = host.execute(action).note
    return said


def test_a_home_goes_into_an_archive_and_comes_back(host: TreeHost) -> None:
    """Content, modes, owners, attributes, links and hard links are as they were; the archive is root's alone,
    and says where it is.
    """
    was = picture(home_of(host), top=False)
    said = do(host, ARCHIVE_IT)
    archive = Path(f"{host.root}.reconciler/archive/{ARCHIVE}")

    assert str(archive) in said
    assert (0o600, 0o700) == (
        stat.S_IMODE(archive.stat().st_mode),
        stat.S_IMODE(archive.parent.stat().st_mode),
    )
    do(host, REMOVE_IT)

    assert [] == names_in(home_of(host).parent)
    assert "theirs\n" == (Path(host.root) / "srv/theirs/data").read_text()
    assert (Path(host.root) / "etc/passwd").exists()
    do(host, RESTORE_IT)

    assert was == picture(home_of(host), top=False)
    assert ("0710", "api", "api") == ((entry := host.entry(HOME)) and (entry.mode, entry.owner, entry.group))


def test_what_is_gone_already_is_success(host: TreeHost) -> None:
    """A second removal, and one below a directory that is not there, do nothing and succeed."""
    do(host, ARCHIVE_IT, REMOVE_IT)

    assert "was gone already" == do(host, REMOVE_IT)
    assert "was gone already" == do(host, RemoveTree("/nowhere/alice"))


def test_an_archive_is_never_replaced(host: TreeHost) -> None:
    """The same home again is the same archive; another one moves the older aside."""
    do(host, ARCHIVE_IT)
    first = Path(f"{host.root}.reconciler/archive/{ARCHIVE}").read_bytes()

    assert do(host, ARCHIVE_IT).startswith("was kept already")
    (home_of(host) / "new").write_text("new\n")
    do(host, ARCHIVE_IT)

    assert first == Path(f"{host.root}.reconciler/archive/{ARCHIVE}.1").read_bytes()
    assert first != Path(f"{host.root}.reconciler/archive/{ARCHIVE}").read_bytes()


def test_nothing_is_removed_without_its_archive(host: TreeHost) -> None:
    """If the archive that was to be made is not there, the home stays."""
    was = picture(home_of(host))
    with pytest.raises(ActionFailed, match="there is no archive of it"):
        do(host, REMOVE_IT)

    assert was == picture(home_of(host))


@pytest.mark.parametrize("path", ["/", "/home", "/etc"])
def test_what_lies_at_the_top_never_goes(host: TreeHost, path: str) -> None:
    """Whatever asks for it: a directory of the system itself is refused."""
    with pytest.raises(HostError):
        do(host, RemoveTree(path))

    assert home_of(host).is_dir()


@pytest.mark.parametrize("action", [ARCHIVE_IT, RemoveTree(HOME)], ids=["archive", "remove"])
def test_a_link_is_not_a_home(host: TreeHost, action: Action) -> None:
    """Where the home should be is a link to somewhere: nothing there is read or removed."""
    home = home_of(host)
    home.rename(home.parent / "real")
    home.symlink_to(home.parent / "real")
    was = picture(home.parent)
    with pytest.raises(UnsafePath):
        do(host, action)

    assert was == picture(home.parent)


@root_only
@pytest.mark.parametrize("action", [ARCHIVE_IT, RemoveTree(HOME)], ids=["archive", "remove"])
def test_no_mount_is_crossed(host: TreeHost, action: Action) -> None:
    """A file system that is mounted in a home stops both before anything is done, and is named."""
    with mounted("tmpfs", "size=1m", home_of(host) / "mnt") as there:
        (there / "data").write_text("on another disk\n")
        was = picture(home_of(host))
        with pytest.raises(UnsafePath, match="mnt is a mount point"):
            do(host, action)

        assert was == picture(home_of(host))


def test_a_very_deep_tree_goes(host: TreeHost) -> None:
    """A path that is too long for the kernel, and deeper than there are descriptors, is taken apart all the
    same.
    """
    fd = os.open(home_of(host), os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d" * 20, dir_fd=fd)
        inner = os.open("d" * 20, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)
    do(host, RemoveTree(HOME))

    assert not home_of(host).exists()


@pytest.mark.slow
@root_only
def test_a_full_disk_removes_nothing(tmp_path: Path) -> None:
    """If the archive does not fit, it is thrown away, the home stays, and the message says why; with space it
    goes on.
    """
    root = base_tree(tmp_path / "tree")
    furnish(root)
    (root / "home/alice/noise").write_bytes(os.urandom(2_000_000))
    with mounted("tmpfs", "size=1m,mode=0700", tmp_path / "tree.reconciler") as state:
        host, was = TreeHost(str(root), str(state)), picture(root / "home")
        with pytest.raises(ActionFailed, match="No space left"):
            do(host, ARCHIVE_IT)

        assert was == picture(root / "home")
        assert [] == names_in(state / "archive")
        subprocess.run(["mount", "-o", "remount,size=8m", str(state)], check=True)
        do(host, ARCHIVE_IT, REMOVE_IT)

        assert [ARCHIVE] == names_in(state / "archive")


# ---------------------------------------------------------------------------------------------------- kills

_CHILD = """
import sys
from reconciler.core.actions import *
from reconciler.host.tree import TreeHost
host = TreeHost(sys.argv[1], sys.argv[1] + ".reconciler")
for action in eval(sys.argv[2]):
    host.execute(action)
"""


def killed(host: TreeHost, failpoint: str, *actions: Action) -> int:
    """The exit status of a process that does this and is killed there."""
    environment = {"RECONCILER_TESTING": "1", "RECONCILER_FAILPOINT": failpoint, "PATH": os.environ["PATH"]}
    argv = [sys.executable, "-c", _CHILD, host.root, repr(actions)]
    return subprocess.run(argv, env=environment, cwd=Path(__file__).parents[2], check=False).returncode


_ARCHIVING = [
    "archive.begun:1",
    "archive.written:1",
    "archive.compared:1",
    "archive.done:1",
    "backup.chunk:1",
]
_REMOVING = ["tree.renamed:1", "tree.step:1", "tree.step:2", "tree.done:1"]


@pytest.mark.slow
@pytest.mark.parametrize("failpoint", [*_ARCHIVING, *_REMOVING])
def test_a_kill_anywhere_loses_nothing(host: TreeHost, failpoint: str) -> None:
    """Killed while it archives or removes, and done again: one whole archive of the whole home, and nothing
    of the home left.
    """
    was = picture(home_of(host), top=False)

    assert -9 == killed(host, failpoint, ARCHIVE_IT, REMOVE_IT)
    if home_of(host).exists():
        do(host, ARCHIVE_IT)
    do(host, REMOVE_IT)

    assert [] == names_in(home_of(host).parent)
    assert [ARCHIVE] == names_in(Path(f"{host.root}.reconciler/archive"))
    do(host, RESTORE_IT)

    assert was == picture(home_of(host), top=False)


@pytest.mark.slow
@pytest.mark.parametrize("failpoint", ["restore.unpacked:1", "restore.done:1"])
def test_a_killed_restore_is_whole_or_not_there(host: TreeHost, failpoint: str) -> None:
    """Killed while it unpacks, the home is not there yet; the next one makes it whole and leaves nothing
    beside it.
    """
    was = picture(home_of(host), top=False)
    do(host, ARCHIVE_IT, REMOVE_IT)

    assert -9 == killed(host, failpoint, RESTORE_IT)
    if failpoint.startswith("restore.unpacked"):
        assert not home_of(host).exists()
        do(host, RESTORE_IT)

    assert was == picture(home_of(host), top=False)
    assert ["alice"] == names_in(home_of(host).parent)


# ------------------------------------------------------------------------------------- races and planted bugs


def race(host: TreeHost, rounds: int) -> None:
    """Remove a home again and again while somebody swaps a directory in it and a link to what is outside."""
    outside = Path(host.root) / "srv/theirs"
    was = picture(outside)
    for n in range(rounds):
        home = home_of(host)
        home.mkdir(exist_ok=True)
        for k in range(4):
            (home / f"d{k}/in").mkdir(parents=True)
            (home / f"d{k}/in/data").write_text("his\n")
        running = threading.Event()
        racer = threading.Thread(target=_swap, args=(home.parent, outside, running, n))
        racer.start()
        running.wait()
        with suppress(HostError):  # told, and tried again
            host.execute(RemoveTree(HOME))
        racer.join()
        subprocess.run(["rm", "-rf", "--one-file-system", *map(str, home.parent.iterdir())], check=True)

        assert was == picture(outside), f"round {n}"


def _swap(parent: Path, outside: Path, running: threading.Event, seed: int) -> None:
    running.set()
    for k in range(12):
        for top in (parent / "alice", parent / remnant(HOME).rpartition("/")[2]):
            at = top / f"d{(k + seed) % 4}"
            try:
                at.rename(top / f"moved{k}")
                at.symlink_to(outside)
            except OSError:
                continue


@pytest.mark.slow
def test_a_racer_gains_nothing(host: TreeHost) -> None:
    """However directories become links while a home is taken apart, nothing outside of it is touched."""
    race(host, ROUNDS)


def _following(parent: int, name: str, path: str) -> Any:
    return _opened_following(parent, name)


class _opened_following:  # noqa: N801  # stands for a function
    def __init__(self, parent: int, name: str) -> None:
        self.fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=parent)

    def __enter__(self) -> int:
        return self.fd

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)


def _by_path(parent: int, name: str, path: str) -> None:
    subprocess.run(["rm", "-rf", f"/proc/self/fd/{parent}/{name}"], check=True, pass_fds=(parent,))


@pytest.mark.parametrize(
    ("name", "instead", "test"),
    [
        pytest.param("_directory", _following, test_a_link_is_not_a_home, id="follows links"),
        pytest.param(
            "_refuse_unkept",
            lambda *_: None,
            test_nothing_is_removed_without_its_archive,
            id="removes without an archive",
        ),
        pytest.param(
            "_move_aside",
            lambda store, name: os.unlink(name, dir_fd=store),
            test_an_archive_is_never_replaced,
            id="replaces archives",
        ),
        pytest.param(
            "_differences", lambda *_: ["always"], test_an_archive_is_never_replaced, id="archives again"
        ),
        pytest.param(
            "_differences",
            lambda *_: [],
            test_an_archive_is_never_replaced,
            id="takes any archive for its own",
        ),
    ],
)
def test_a_planted_bug_is_found(host: TreeHost, name: str, instead: Any, test: Callable[..., None]) -> None:
    """The tests above fail for an executor that follows links, removes what is not kept, or replaces
    archives.
    """
    arguments = (host, RemoveTree(HOME)) if test is test_a_link_is_not_a_home else (host,)
    with mock.patch.object(whole_trees, name, instead):
        try:
            test(*arguments)
        except (AssertionError, BaseException) as problem:  # noqa: BLE001  # pytest's own Failed is one
            caught = not isinstance(problem, KeyboardInterrupt)
        else:
            caught = False

    assert caught


@root_only
def test_the_live_host_does_the_same(tmp_path: Path) -> None:
    """The live host keeps archives in its own state directory, and removes as the tree does."""
    root = base_tree(tmp_path / "live")
    furnish(root)
    (root / "var/lib/reconciler").mkdir(parents=True, mode=0o700)
    host = LiveHost(str(root))
    for action in (ARCHIVE_IT, REMOVE_IT):
        host.execute(action)

    assert [ARCHIVE] == names_in(root / "var/lib/reconciler/archive")
    assert not (root / "home/alice").exists()
