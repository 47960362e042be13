"""Root never walks through a link, opens a device, or changes a file by its other name."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.core.actions import Action, MakeDirectory, MakeLink, RemovePath, SetAccess
from reconciler.core.basics.digest import digest
from reconciler.core.host import ActionFailed, FileType, HostError, Unreadable, UnsafePath
from reconciler.host.files.safe_path import SafeRoot
from reconciler.host.live import LiveHost
from tests.host.hosts_under_test import as_ordinary_user, names_in, place_for_everybody, snapshot, tree, write

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: devices, owners")


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A directory outside of the tree that must be the same, to the inode, after the test."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (outside / "secret").chmod(0o600)
    (outside / "empty").mkdir()
    before = snapshot(outside)
    yield outside
    assert before == snapshot(outside)


ACTIONS: dict[str, Callable[[str], Action]] = {
    "write": write,
    "replace": lambda path: write(path, expects=digest(b"secret")),
    "directory": lambda path: MakeDirectory(path, "0777", "root", "root"),
    "access": lambda path: SetAccess(path, "0777", "api", "api"),
    "link": lambda path: MakeLink(path, "x"),
    "link over": lambda path: MakeLink(path, "x", digest(b"secret")),
    "remove": lambda path: RemovePath(path, digest(b"secret"), prune_parent=True),
    "remove directory": lambda path: RemovePath(path, "directory", prune_parent=True),
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("name", ["secret", "new", "empty", "empty/new", "new/new"])
@pytest.mark.parametrize("relative", [True, False], ids=["relative", "absolute"])
def test_links_on_the_way_are_refused(
    action: str, name: str, *, relative: bool, canary: Path, tmp_path: Path
) -> None:
    """No action reaches what a link in the path leads to; the refusal names the link."""
    host = tree(tmp_path)
    (tmp_path / "tree/l").symlink_to("../outside" if relative else canary)

    with pytest.raises(UnsafePath, match="/l is a link"):
        host.execute(ACTIONS[action](f"/l/{name}"))


@pytest.mark.parametrize("action", ACTIONS)
def test_a_link_as_the_last_name_is_never_followed(action: str, canary: Path, tmp_path: Path) -> None:
    """An action on the link itself fails, for it expects something else there, and
    its target is as before.
    """
    host = tree(tmp_path)
    (tmp_path / "tree/l").symlink_to(canary / "secret")

    with pytest.raises(HostError):
        host.execute(ACTIONS[action]("/l"))

    assert str((tmp_path / "tree/l").readlink()) == str(canary / "secret")


def test_reading_does_not_follow_links(canary: Path, tmp_path: Path) -> None:
    """Neither content nor names nor facts come through a link."""
    host = tree(tmp_path)
    (tmp_path / "tree/l").symlink_to(canary)
    (tmp_path / "tree/s").symlink_to(canary / "secret")

    for question in (
        lambda: host.read("/s"),
        lambda: host.read("/l/secret"),
        lambda: host.entry("/l/secret"),
        lambda: host.names("/l"),
    ):
        with pytest.raises(UnsafePath):
            question()


def test_the_refusal_says_what_to_write_instead(tmp_path: Path) -> None:
    """A link on the way is named together with the path that it stands for, seen from the tree's root."""
    host = tree(tmp_path)
    (tmp_path / "tree/usr/lib/systemd").mkdir(parents=True)
    (tmp_path / "tree/lib").symlink_to("usr/lib")
    (tmp_path / "tree/abs").symlink_to("/lib/systemd")

    with pytest.raises(UnsafePath) as plain:
        host.entry("/lib/systemd/x")
    with pytest.raises(UnsafePath) as twice:
        host.entry("/abs/x")

    assert plain.value.detail == "/lib is a link; write /usr/lib/systemd instead of /lib/systemd"
    assert twice.value.instead == "/usr/lib/systemd"


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    """Links in a circle are refused like others."""
    host = tree(tmp_path)
    (tmp_path / "tree/a").symlink_to("b")
    (tmp_path / "tree/b").symlink_to("a")

    with pytest.raises(UnsafePath, match="leads nowhere"):
        host.entry("/a/x")


def test_dot_dot_in_a_link_does_not_leave_the_tree(tmp_path: Path) -> None:
    """A link that climbs above the root is refused, and its advice stays in the tree."""
    host = tree(tmp_path)
    (tmp_path / "tree/up").symlink_to("../../../../../etc")

    with pytest.raises(UnsafePath, match="write /etc instead"):
        host.entry("/up/passwd")


@pytest.mark.parametrize("action", ACTIONS)
def test_fifos_are_left_alone(action: str, tmp_path: Path) -> None:
    """A FIFO is neither opened, which would hang, nor replaced."""
    host = tree(tmp_path)
    os.mkfifo(tmp_path / "tree/p", 0o600)

    with pytest.raises(HostError):
        host.execute(ACTIONS[action]("/p"))
    with pytest.raises(UnsafePath):
        host.read("/p")

    entry = host.entry("/p")
    assert entry is not None
    assert (FileType.OTHER, "0600", "root") == (entry.type, entry.mode, entry.owner)


@root_only
@pytest.mark.parametrize("action", ACTIONS)
def test_devices_are_left_alone(action: str, tmp_path: Path) -> None:
    """A device is neither opened nor replaced."""
    host = tree(tmp_path)
    os.mknod(tmp_path / "tree/d", 0o600 | stat.S_IFCHR, os.makedev(1, 3))

    with pytest.raises(HostError):
        host.execute(ACTIONS[action]("/d"))
    with pytest.raises(UnsafePath):
        host.read("/d")

    assert stat.S_ISCHR((tmp_path / "tree/d").stat().st_mode)


def test_access_of_a_file_with_other_names_is_refused(tmp_path: Path) -> None:
    """A hard link in a writable directory does not hand a foreign file to somebody else."""
    host = tree(tmp_path)
    victim = tmp_path / "victim"
    victim.write_text("x")
    victim.chmod(0o600)
    os.link(victim, tmp_path / "tree/h")

    with pytest.raises(UnsafePath, match="hard links"):
        host.execute(SetAccess("/h", "0666", "api", "api"))

    assert (0o600, os.geteuid()) == (stat.S_IMODE(victim.stat().st_mode), victim.stat().st_uid)


def test_writing_a_file_with_other_names_leaves_those_alone(tmp_path: Path) -> None:
    """A write replaces the name; the other names keep content, mode and owner."""
    host = tree(tmp_path)
    victim = tmp_path / "victim"
    victim.write_bytes(b"old\n")
    victim.chmod(0o600)
    os.link(victim, tmp_path / "tree/h")
    before = victim.stat()

    host.execute(write("/h", expects=digest(b"old\n"), mode="0666"))

    after = victim.stat()
    assert (b"old\n", before.st_mode, before.st_ino) == (victim.read_bytes(), after.st_mode, after.st_ino)
    assert host.read("/h") == b"new\n"


def test_swapping_a_directory_for_a_link_never_leads_out(canary: Path, tmp_path: Path) -> None:
    """While somebody swaps a directory with a link to outside, writes land in the
    directory or are refused.
    """
    host = tree(tmp_path)
    inside, link, spare = tmp_path / "tree/d", tmp_path / "link", tmp_path / "spare"
    inside.mkdir()
    link.symlink_to(canary)
    end = threading.Event()

    def swap() -> None:
        while not end.is_set():
            for old, new in ((inside, spare), (link, inside), (inside, link), (spare, inside)):
                old.rename(new)
                end.wait(0.0005)

    racer = threading.Thread(target=swap)
    racer.start()
    done = refused = 0
    try:
        while done + refused < 400 or (not (done and refused) and done + refused < 20_000):
            try:
                host.execute(write(f"/d/{done}"))
                done += 1
                host.execute(SetAccess(f"/d/{done - 1}", "0666", "root", "root"))
            except (UnsafePath, ActionFailed):
                refused += 1
    finally:
        end.set()
        racer.join()

    assert done
    assert refused
    assert ["empty", "secret"] == names_in(canary)


def test_descriptors_are_bounded_and_given_back(tmp_path: Path) -> None:
    """Looking at files in a thousand directories keeps a few hundred descriptors at most, and close gives
    them all back.
    """
    for number in range(1000):
        (tmp_path / f"t/{number}").mkdir(parents=True)
        (tmp_path / f"t/{number}/f").write_text("x")
    before = len(list(Path("/proc/self/fd").iterdir()))
    with SafeRoot(str(tmp_path)) as root:
        for number in range(1000):
            root.read(f"/t/{number}/f")
        during = len(list(Path("/proc/self/fd").iterdir()))

    assert during - before < 300
    assert before == len(list(Path("/proc/self/fd").iterdir()))


def test_a_cached_directory_is_not_used_after_a_change(tmp_path: Path) -> None:
    """After a write the path is walked afresh: a directory that was replaced meanwhile is seen."""
    host = tree(tmp_path)
    (tmp_path / "tree/d").mkdir()
    host.entry("/d/f")
    (tmp_path / "tree/d").rename(tmp_path / "tree/old")
    (tmp_path / "tree/d").mkdir()

    host.execute(write("/d/f"))

    assert (tmp_path / "tree/d/f").exists()
    assert not (tmp_path / "tree/old/f").exists()


def test_deep_and_long_paths(tmp_path: Path) -> None:
    """A name that no file system takes is refused in words, a deep path is walked."""
    host = tree(tmp_path)
    deep = ""
    for _ in range(60):
        deep += "/d"
        host.execute(MakeDirectory(deep, "0755", "root", "root"))
    host.execute(write(f"{deep}/f"))

    assert host.read(f"{deep}/f") == b"new\n"
    with pytest.raises(HostError, match="too long"):
        host.execute(write("/" + "n" * 256))
    with pytest.raises(HostError, match="too long"):
        host.entry("/" + "n" * 256)


@root_only
def test_what_may_not_be_read_is_unreadable() -> None:
    """An ordinary user gets Unreadable for a closed file or directory, never an answer."""

    def ask() -> list[object]:
        host = LiveHost(str(Path.cwd()))
        refused: list[object] = []
        for question in (
            lambda: host.read("/secret"),
            lambda: host.entry("/closed/x"),
            lambda: host.names("/closed"),
            lambda: host.read("/closed/x"),
        ):
            try:
                question()
            except Unreadable as error:
                refused.append(error.summary)
        entry = host.entry("/secret")
        return [*refused, entry.mode if entry else None]

    with place_for_everybody() as place:
        (place / "closed").mkdir(mode=0o700)
        (place / "secret").write_text("secret")
        (place / "secret").chmod(0o600)
        answers = as_ordinary_user(ask, place)

    assert [*["cannot be read"] * 4, "0600"] == answers


def homes(tmp_path: Path, target: str) -> SafeRoot:
    """A tree whose /home is a link, with two places where it may lead."""
    (tmp_path / "disk/home").mkdir(parents=True)
    (tmp_path / "open/home").mkdir(parents=True)
    (tmp_path / "open").chmod(0o777)
    for place in ("disk", "open"):
        (tmp_path / place / "home/notes").write_text(place)
    (tmp_path / "turn").symlink_to("disk")
    (tmp_path / "home").symlink_to(target)
    return SafeRoot(str(tmp_path))


@pytest.mark.parametrize("target", ["/disk/home", "disk/home"])
def test_homes_may_be_on_another_disk(target: str, tmp_path: Path) -> None:
    """The link at /home is followed inside the tree, for reading and for what is made there; the link itself
    is still one.
    """
    with homes(tmp_path, target) as root:
        assert b"disk" == root.read("/home/notes")
        assert ["notes"] == root.names("/disk/home")
        assert stat.S_ISLNK(root.stat("/home").st_mode)  # type: ignore[union-attr]  # it is there
        assert root.stat("/home/none") is None
        with pytest.raises(UnsafePath, match="/home is a link"):
            root.names("/home")


@pytest.mark.parametrize(
    "target",
    ["/open/home", "/turn/home", "../disk/home", "/disk/../disk/home", "/none", "/", "/disk/home/notes"],
)
def test_homes_that_somebody_else_could_turn(target: str, tmp_path: Path) -> None:
    """Where others can write on the way, or another link is on it, or it leads nowhere or out of the tree, it
    is a link like any other.
    """
    with homes(tmp_path, target) as root, pytest.raises(UnsafePath, match="/home is a link"):
        root.read("/home/notes")


@pytest.mark.parametrize("where", ["", "disk", "disk/home"])
def test_homes_need_every_directory_closed(where: str, tmp_path: Path) -> None:
    """The directory of the link, and each one on the way to the homes."""
    with homes(tmp_path, "/disk/home") as root:
        (tmp_path / where).chmod(0o1777)
        with pytest.raises(UnsafePath, match="/home is a link"):
            root.read("/home/notes")


@root_only
@pytest.mark.parametrize("where", ["home", "disk", "disk/home"])
def test_homes_are_roots_alone(where: str, tmp_path: Path) -> None:
    """A link, or a directory on the way, that belongs to somebody else is not trusted."""
    with homes(tmp_path, "/disk/home") as root:
        os.chown(tmp_path / where, 12345, 12345, follow_symlinks=False)
        with pytest.raises(UnsafePath, match="/home is a link"):
            root.read("/home/notes")


def test_only_homes_are_followed(tmp_path: Path) -> None:
    """Not /srv, and not a link of that name further down."""
    with homes(tmp_path, "/disk/home") as root:
        (tmp_path / "srv").symlink_to("disk")
        (tmp_path / "disk/deep").mkdir()
        (tmp_path / "disk/deep/home").symlink_to("/disk/home")
        for path in ("/srv/home/notes", "/disk/deep/home/notes"):
            with pytest.raises(UnsafePath, match="is a link"):
                root.read(path)


@pytest.mark.parametrize(
    "path", ["/proc/sys/kernel/pid_max", "/proc/sys/vm/overcommit_ratio", "/proc/filesystems"]
)
def test_files_without_a_size_are_read_whole(path: str) -> None:
    """A file below /proc is read to its end: its files have no size."""
    with SafeRoot("/") as root:
        assert Path(path).read_bytes() == root.read(path)
