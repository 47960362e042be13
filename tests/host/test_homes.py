"""Nothing outside of a user's home, and nothing of root's in it, can be made to change by what the user puts
there.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.actions import ABSENT, EditLines, MakeDirectory, SetAccess, WriteFile
from reconciler.core.basics.digest import digest
from reconciler.core.host import ActionFailed, HostError, UnsafePath
from reconciler.host.files.homes import as_user
from reconciler.host.files.homes.home import HomeAction
from reconciler.host.live import LiveHost
from reconciler.host.process import failpoints
from tests.host.hosts_under_test import base_tree, snapshot

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: owners, and giving up rights"),
    pytest.mark.slow,
]

UID, GID = 41500, 41501
SECRET = b"root's own\n"
F = "/home/alice/.ssh/authorized_keys"
MINE: dict[str, Any] = {"owner": "alice", "group": "", "as_user": "alice"}


class Stage:
    """A tree with alice's home and root's canaries outside of it, which nothing may change."""

    def __init__(self, root: Path) -> None:
        self.root = base_tree(root)
        with (root / "etc/passwd").open("a") as file:
            file.write(f"alice:x:{UID}:{GID}::/home/alice:/bin/bash\n")
        with (root / "etc/group").open("a") as file:
            file.write(f"alice:x:{GID}:\n")
        self.home = root / "home/alice"
        self.ssh = self.home / ".ssh"
        self.file = self.ssh / "authorized_keys"
        self.home.mkdir(parents=True, mode=0o750)
        self.canary = root / "canary"
        self.canary.mkdir(mode=0o700)
        (self.canary / "secret").write_bytes(SECRET)
        (self.canary / "authorized_keys").write_bytes(SECRET)
        (self.canary / "secret").chmod(0o600)
        os.chown(self.home, UID, GID)
        self.host = LiveHost(str(root))

    def his(self, *paths: Path) -> None:
        """Give them to alice."""
        for path in paths:
            os.chown(path, UID, GID, follow_symlinks=False)

    def give(self, mode: int = 0o700, content: bytes | None = None) -> None:
        """An .ssh of his own, with a file in it."""
        self.ssh.mkdir(mode=mode)
        self.ssh.chmod(mode)
        self.his(self.ssh)
        if content is not None:
            self.file.write_bytes(content)
            self.his(self.file)

    def outside(self) -> dict[str, tuple[object, ...]]:
        """Everything that must not change."""
        return {
            name: facts for name, facts in snapshot(self.root).items() if not name.startswith("home/alice")
        }


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A fresh stage."""
    found = Stage(tmp_path / "tree")
    yield found
    found.host.close()


def edit(
    add: tuple[str, ...] = ("new",), remove: tuple[str, ...] = (), expects: str = ABSENT, path: str = F
) -> EditLines:
    """An edit of alice's keys."""
    return EditLines(path, add, remove, "0600", expects=expects, **MINE)


def write(content: bytes = b"new\n", expects: str = ABSENT, path: str = F) -> WriteFile:
    """A whole new file."""
    return WriteFile(path, content, digest(content), "0600", "alice", "", expects, as_user="alice")


ACTIONS: dict[str, Callable[[str], HomeAction]] = {
    "edit": lambda expects: edit(expects=expects),
    "edit of nothing": lambda expects: edit((), (), expects),
    "write": lambda expects: write(expects=expects),
    "access": lambda _: SetAccess(F, "0600", **MINE),
    "directory": lambda _: MakeDirectory(F, "0700", **MINE),
    "access of the directory": lambda _: SetAccess("/home/alice/.ssh", "0700", **MINE),
    "the directory": lambda _: MakeDirectory("/home/alice/.ssh", "0700", **MINE),
}


def _ssh_link(stage: Stage, target: Path | str) -> None:
    stage.ssh.symlink_to(target)
    stage.his(stage.ssh)


def _file_link(stage: Stage, target: Path | str) -> None:
    stage.give()
    stage.file.symlink_to(target)
    stage.his(stage.file)


def _socket(stage: Stage) -> None:
    stage.give()
    with socket.socket(socket.AF_UNIX) as sock:
        before = Path.cwd()
        os.chdir(stage.ssh)
        sock.bind("authorized_keys")
        os.chdir(before)


def _made(stage: Stage, make: Callable[[Path], object], *, own: bool = True) -> None:
    stage.give()
    make(stage.file)
    if own:
        stage.his(stage.file)


def _ssh_fifo(stage: Stage) -> None:
    os.mkfifo(stage.ssh)
    stage.his(stage.ssh)


def _ssh_file(stage: Stage) -> None:
    stage.ssh.write_bytes(b"x")
    stage.his(stage.ssh)


def _foreign(stage: Stage, path: Path) -> None:
    stage.give(0o777, b"x")
    os.chown(path, 41999, 41999)


def _linked(path: Path, other: Path) -> None:
    path.write_bytes(b"x")
    path.chmod(0o600)
    os.link(path, other)


def _renamed(stage: Stage) -> None:
    """Root's secret file in the home, which the user gave another name."""
    stage.give()
    stage.file.write_bytes(SECRET)
    stage.file.chmod(0o600)


def _renamed_directory(stage: Stage) -> None:
    stage.ssh.mkdir(mode=0o700)
    stage.file.write_bytes(SECRET)
    stage.file.chmod(0o644)


LAYOUTS: dict[str, Callable[[Stage], object]] = {
    "directory links to root's": lambda stage: _ssh_link(stage, stage.canary),
    "directory links to root's, relative": lambda stage: _ssh_link(stage, "../../canary"),
    "directory links to /etc": lambda stage: _ssh_link(stage, "/etc"),
    "directory links to nothing": lambda stage: _ssh_link(stage, stage.canary / "new"),
    "directory links to itself": lambda stage: _ssh_link(stage, ".ssh"),
    "directory is a FIFO": _ssh_fifo,
    "directory is a file": _ssh_file,
    "directory is a hard link": lambda stage: os.link(stage.canary / "secret", stage.ssh),
    "directory is a device": lambda stage: os.mknod(stage.ssh, stat.S_IFCHR | 0o666, os.makedev(1, 3)),
    "directory is another user's": lambda stage: _foreign(stage, stage.ssh),
    "directory is root's secret one": _renamed_directory,
    "file links to root's": lambda stage: _file_link(stage, stage.canary / "secret"),
    "file links to root's, relative": lambda stage: _file_link(stage, "../../../canary/secret"),
    "file links to nothing": lambda stage: _file_link(stage, stage.canary / "new"),
    "file links to /etc/passwd": lambda stage: _file_link(stage, "/etc/passwd"),
    "file links to /proc": lambda stage: _file_link(stage, "/proc/self/fd/0"),
    "file is a hard link to root's": lambda stage: _made(
        stage, lambda path: os.link(stage.canary / "secret", path), own=False
    ),
    "file is a hard link to his own": lambda stage: _made(
        stage, lambda path: _linked(path, stage.home / "y")
    ),
    "file is a FIFO": lambda stage: _made(stage, os.mkfifo),
    "file is a character device": lambda stage: _made(
        stage, lambda path: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    ),
    "file is a block device": lambda stage: _made(
        stage, lambda path: os.mknod(path, stat.S_IFBLK | 0o666, os.makedev(7, 99))
    ),
    "file is a socket": _socket,
    "file is a directory": lambda stage: _made(stage, Path.mkdir),
    "file is a full directory": lambda stage: _made(stage, lambda path: (path / "a").mkdir(parents=True)),
    "file is another user's": lambda stage: _foreign(stage, stage.file),
    "file is root's secret": _renamed,
}


def _in_the_way(layout: str, action: str) -> bool:
    """A file is not in the way of what is done to its directory, nor a directory of his own of what is done
    to directories.
    """
    if action in ("access of the directory", "the directory"):
        return layout.startswith("directory")
    return (layout, action) not in (
        ("file is a directory", "access"),
        ("file is a directory", "directory"),
        ("file is a full directory", "access"),
    )


PAIRS = [(layout, action) for layout in LAYOUTS for action in ACTIONS if _in_the_way(layout, action)]


@pytest.mark.parametrize(("layout", "action"), PAIRS)
def test_refused_and_nothing_changes(layout: str, action: str, stage: Stage) -> None:
    """Whatever is in the way, the action is refused in time; root's files and the
    obstacle stay as they are.
    """
    LAYOUTS[layout](stage)
    before, home = stage.outside(), snapshot(stage.home)
    found = stage.host.entry(F) if not layout.startswith("directory") else None
    expects = (
        f"link:{found.target}"
        if found and found.target
        else digest(stage.file.read_bytes())
        if stage.file.is_file()
        else ABSENT
    )

    with pytest.raises(HostError):
        stage.host.execute(ACTIONS[action](expects))

    assert before == stage.outside()
    assert home == snapshot(stage.home)


def test_the_canaries_would_notice(stage: Stage) -> None:
    """The comparison itself works: a naive write through a link is seen."""
    LAYOUTS["file links to root's"](stage)
    before = stage.outside()
    with stage.file.open("ab") as file:
        file.write(b"x")

    assert before != stage.outside()


def test_a_whole_new_home(stage: Stage) -> None:
    """Directory and file are the user's, with their modes, and nothing else is left."""
    before = stage.outside()
    stage.host.execute(MakeDirectory("/home/alice/.ssh", "0700", **MINE))
    stage.host.execute(edit(("one", "two")))
    stage.host.execute(edit(("three",), ("one",), digest(b"one\ntwo\n")))

    assert b"two\nthree\n" == stage.file.read_bytes()
    assert (0o600, UID, GID) == (
        stat.S_IMODE(stage.file.stat().st_mode),
        stage.file.stat().st_uid,
        stage.file.stat().st_gid,
    )
    assert (0o700, UID, GID) == (
        stat.S_IMODE(stage.ssh.stat().st_mode),
        stage.ssh.stat().st_uid,
        stage.ssh.stat().st_gid,
    )
    assert ["authorized_keys"] == [path.name for path in stage.ssh.iterdir()]
    assert before == stage.outside()


def test_roots_open_files_become_his(stage: Stage) -> None:
    """A file that root made there carelessly, and everybody may read, is brought to the user's name."""
    stage.ssh.mkdir(mode=0o755)
    stage.ssh.chmod(0o755)
    stage.file.write_bytes(b"old\r\n")
    stage.file.chmod(0o644)
    stage.host.execute(SetAccess("/home/alice/.ssh", "0700", **MINE))
    stage.host.execute(edit((), (), digest(b"old\r\n")))

    assert (0o700, UID) == (stat.S_IMODE(stage.ssh.stat().st_mode), stage.ssh.stat().st_uid)
    assert (0o600, UID) == (stat.S_IMODE(stage.file.stat().st_mode), stage.file.stat().st_uid)
    assert b"old\r\n" == stage.file.read_bytes()


def test_an_edit_that_changes_nothing_keeps_the_inode(stage: Stage) -> None:
    """A file that has the lines, mode and owner already is not written."""
    stage.give(content=b"one\ntwo")
    stage.file.chmod(0o600)
    before = snapshot(stage.home)
    stage.host.execute(edit(("one",), ("three",), digest(b"one\ntwo")))

    assert before == snapshot(stage.home)


def test_the_child_has_the_users_rights_only(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids, groups, mask and descriptors of the process that writes are those of the user; of ours it has
    nothing open.
    """
    stage.give()
    secret = os.open(stage.canary / "secret", os.O_RDONLY)
    os.set_inheritable(secret, True)  # noqa: FBT003  # takes no keyword
    perform = as_user._perform

    def telling(walk: object, ownership: object, action: HomeAction) -> None:
        ids = [*os.getresuid(), *os.getresgid(), *os.getgroups()]
        opened = sorted(str(fd.readlink()) for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink())
        capabilities = [
            line.split()[1]
            for line in Path("/proc/self/status").read_text().splitlines()
            if line.startswith("Cap")
        ]
        dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
        raise ActionFailed(json.dumps([ids, opened, capabilities[:3], dumpable, os.umask(0)]))

    monkeypatch.setattr(as_user, "_perform", telling)
    with pytest.raises(ActionFailed) as caught:
        stage.host.execute(edit())
    os.close(secret)
    monkeypatch.setattr(as_user, "_perform", perform)
    ids, opened, capabilities, dumpable, umask = json.loads(caught.value.summary)

    assert [UID] * 3 + [GID] * 4 == ids
    assert {str(stage.home), "/dev/null"} == {
        name for name in opened if not name.startswith(("pipe:", "/proc/"))
    }
    assert 1 == sum(name.startswith("pipe:") for name in opened)
    assert ["0" * 16] * 3 == capabilities
    assert 0 == dumpable
    assert 0o077 == umask


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGSTOP])
def test_a_user_who_meddles_with_the_child_only_fails_it(
    sign: signal.Signals, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user may kill or stop the process that has his id: then the action failed, in time, and no child is
    left.
    """
    stage.give(content=b"old\n")
    monkeypatch.setattr(as_user, "_SECONDS", 0.5)
    parent = os.getpid()

    def meddle(name: str) -> None:
        if name == "publish.ready" and os.getpid() != parent:
            os.kill(os.getpid(), sign)

    monkeypatch.setattr(failpoints, "hit", meddle)

    with pytest.raises(ActionFailed, match="not confirmed"):
        stage.host.execute(edit(expects=digest(b"old\n")))

    assert b"old\n" == stage.file.read_bytes()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


POINTS = ("edit.read", "write.temporary", "write.content", "write.access", "publish.ready", "publish.checked", "publish.exchanged",
          "write.renamed", "write.done")  # fmt: skip


@pytest.mark.parametrize("point", POINTS)
def test_a_crash_leaves_the_old_or_the_new(point: str, stage: Stage) -> None:
    """Killed at any moment, child and all, the file has the old or the new content whole, and the same action
    succeeds afterwards.
    """
    stage.give(content=b"old\n")
    environment = {**os.environ, "RECONCILER_TESTING": "1", "RECONCILER_FAILPOINT": f"{point}:1"}
    done = subprocess.run(
        [sys.executable, "-c", _script(), str(stage.root)], env=environment, capture_output=True, check=False
    )
    content = stage.file.read_bytes()

    assert -signal.SIGKILL == done.returncode, done.stderr
    assert content in (b"old\n", b"old\nnew\n")
    stage.host.execute(edit(expects=digest(content)))
    assert b"old\nnew\n" == stage.file.read_bytes()


def test_a_user_swapping_directory_and_link_wins_nothing(stage: Stage) -> None:
    """While hundreds of writes go on, `.ssh` is exchanged for a link to root's directory as fast as it goes:
    no canary changes.
    """
    stage.give(content=b"")
    bait = stage.home / "bait"
    bait.symlink_to(stage.canary)
    stage.his(bait)
    before = stage.outside()
    # By name, this test itself would lose the race.
    his = os.open(stage.ssh, os.O_RDONLY | os.O_DIRECTORY)
    racer = subprocess.Popen([sys.executable, "-c", _RACER, str(stage.ssh), str(bait)])
    refused = 0
    try:
        time.sleep(0.05)
        for number in range(120):
            actions = (
                write(b"x"),
                edit((str(number),)),
                SetAccess("/home/alice/.ssh", "0700", **MINE),
                edit((), (), digest(b"x")),
            )
            try:
                stage.host.execute(actions[number % 4])
            except (UnsafePath, ActionFailed):
                refused += 1
            if number % 8 == 0:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink("authorized_keys", dir_fd=his)
    finally:
        os.close(his)
        racer.kill()
        racer.wait()

    assert 0 < refused < 120
    assert before == stage.outside()


_RACER = """
import ctypes, os, sys
rename = ctypes.CDLL(None).renameat2
one, other = map(os.fsencode, sys.argv[1:])
while True:
    rename(-100, one, -100, other, 2)
"""


def _script() -> str:
    expects = digest(b"old\n")
    return (
        "import sys; from reconciler.host.live import LiveHost; from reconciler.core.actions import"
        f" EditLines;LiveHost(sys.argv[1]).execute(EditLines({F!r}, ('new',), (), '0600', 'alice', '',"
        f" {expects!r}, 'alice'))"
    )
