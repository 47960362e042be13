"""One pass over the file systems: what it sees, what it leaves alone, and that nobody leads it astray."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.formats.file_scan import (
    MOST,
    FileScan,
    Scope,
    parse_scan,
    parse_scope,
    scan_text,
    scope_text,
)
from reconciler.host.scan import child
from reconciler.host.scan.places import choose, parse_mounts
from reconciler.host.scan.walk import Walk

ME = os.geteuid()
NOBODY = 65534
OWN = Scope(uids=frozenset((0, ME)), gids=frozenset((0, os.getegid())))
needs_root = pytest.mark.skipif(ME != 0, reason="needs root")


def walked(
    top: Path,
    scope: Scope = OWN,
    paths: tuple[str, ...] = ("/",),
    clock: Callable[[], float] = time.monotonic,
) -> FileScan:
    """A pass over a tree, in this process."""
    places = choose(paths, scope.skip, ())
    return Walk(replace(scope, paths=paths), places, top=str(top), clock=clock).run()


def paths(scan: FileScan, predicate: str) -> list[str]:
    """The paths that were kept of a predicate."""
    return sorted(seen.path for seen in scan.of(predicate))


@pytest.fixture
def top(tmp_path: Path) -> Iterator[Path]:
    """A tree; rm(1) removes one of any depth."""
    tree = tmp_path / "tree"
    tree.mkdir()
    yield tree
    subprocess.run(["rm", "-rf", "--", tree], check=True)


def plant(path: Path, mode: int = 0o644, content: str = "") -> Path:
    """A file with a mode, and the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(mode)
    return path


def test_each_predicate_sees_its_objects(top: Path) -> None:
    """A file is seen by each predicate that it is for, also by two; what is well is seen by none."""
    plant(top / "well/fine")
    plant(top / "open", 0o666)
    plant(top / "both", 0o4777)
    plant(top / "group", 0o2755)
    (top / "loose").mkdir()
    (top / "loose").chmod(0o777)
    (top / "tmp").mkdir()
    (top / "tmp").chmod(0o1777)
    (top / "link").symlink_to("open")
    plant(top / "home/ann/.bashrc", 0o664)
    plant(top / "home/ann/notes", 0o664)
    plant(top / "home/ann/.ssh/id_ed25519", 0o644)
    plant(top / "home/ann/.aws/credentials", 0o644)
    plant(top / "home/ann/.kube/config", 0o640)
    plant(top / "home/ann/.pgpass", 0o600)
    plant(top / "srv/app/credentials", 0o644)
    plant(top / "srv/app/tls.pem", 0o644)
    scan = walked(top, Scope(uids=OWN.uids, gids=OWN.gids, homes={"/home/ann": ME}))

    assert paths(scan, "world-writable") == ["/both", "/open"]
    assert paths(scan, "setuid") == ["/both", "/group"]
    assert paths(scan, "open-directory") == ["/loose"]
    assert paths(scan, "dot-file") == ["/home/ann/.bashrc"]
    assert paths(scan, "credential") == [
        "/home/ann/.aws/credentials",
        "/home/ann/.ssh/id_ed25519",
        "/srv/app/tls.pem",
    ]
    assert paths(scan, "unowned") == paths(scan, "capability") == paths(scan, "device") == []
    assert (scan.partial, scan.unread, scan.counts["setuid"]) == ("", 0, 2)


@needs_root
def test_owners_capabilities_and_devices(top: Path) -> None:
    """Numbers without a name, file capabilities and device nodes are seen, with what they are."""
    os.chown(plant(top / "left/file"), 4242, 0)
    os.chown(plant(top / "left/container"), 100_007, 0)
    (top / "left/link").symlink_to("nowhere")
    os.chown(top / "left/link", 0, 4242, follow_symlinks=False)
    value = bytes.fromhex("0100000200200000000000000000000000000000")
    os.setxattr(plant(top / "ping", 0o755), "security.capability", value)
    os.setxattr(plant(top / "attributes", 0o755), "user.note", b"x")
    os.mknod(top / "disk", 0o20640, os.makedev(1, 3))
    scan = walked(top, replace(OWN, ranges=((100_000, 165_535),)))

    assert paths(scan, "unowned") == ["/left/file", "/left/link"]
    assert [(seen.path, seen.capability) for seen in scan.of("capability")] == [("/ping", value.hex())]
    assert [(seen.path, seen.type, seen.mode, seen.number) for seen in scan.of("device")] == [
        ("/disk", "char", "0640", "1:3")
    ]


def test_whether_others_get_there(top: Path) -> None:
    """A file below a directory that others may not enter is seen as such."""
    plant(top / "closed/deep/file", 0o666)
    plant(top / "public/file", 0o666)
    (top / "closed").chmod(0o700)
    scan = walked(top)

    assert {seen.path: seen.open for seen in scan.of("world-writable")} == {
        "/closed/deep/file": False,
        "/public/file": True,
    }


def test_no_link_is_followed(top: Path) -> None:
    """A link to a directory outside, or in a circle, is one object; a place that is a link is not read."""
    plant(top.parent / "outside/secret", 0o666)
    (top / "out").symlink_to(top.parent / "outside")
    (top / "circle").symlink_to(top)
    scan = walked(top)
    refused = walked(top, paths=("/out",))

    assert (scan.files, scan.counts) == (2, {})
    assert (refused.files, refused.unread, refused.unread_at[0][0]) == (0, 1, "/out")


def test_a_directory_that_becomes_a_link_is_not_entered(top: Path) -> None:
    """Its owner exchanges it for a link after it was listed: what the link leads to is not read."""
    plant(top.parent / "outside/secret", 0o666)
    (top / "a").mkdir()
    (top / "z").mkdir()

    asked: list[int] = []

    def exchange() -> float:
        asked.append(1)
        if len(asked) == 2:  # the first time is before the pass
            (top / "z").rmdir()
            (top / "z").symlink_to(top.parent / "outside")
        return 0.0

    scan = walked(top, clock=exchange)

    assert (top / "z").is_symlink()
    assert (scan.counts, scan.files, scan.unread) == ({}, 2, 0)


def test_what_vanishes_is_no_error(top: Path) -> None:
    """Files and directories that are gone when their turn comes are not missed."""
    for name in ("a", "b"):
        plant(top / name / "file", 0o666)

    asked: list[int] = []

    def remove() -> float:
        asked.append(1)
        if len(asked) == 2:  # the first time is before the pass
            shutil.rmtree(top / "b")
        return 0.0

    scan = walked(top, clock=remove)

    assert paths(scan, "world-writable") == ["/a/file"]
    assert (scan.unread, scan.partial) == (0, "")


def test_a_deep_tree_is_left_with_a_word(top: Path) -> None:
    """Three thousand directories in each other: the pass ends, keeps few descriptors, and says where it did
    not go.
    """
    fd = os.open(top, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    before = len([*Path("/proc/self/fd").iterdir()])
    scan = walked(top)

    assert scan.unread_at == (("/d" * 400, "it is too deep"),)
    assert scan.unread == 1
    assert len([*Path("/proc/self/fd").iterdir()]) == before


def test_names_of_any_bytes(top: Path) -> None:
    """A name may have line ends, quotes and bytes that are no UTF-8: it is the same after a trip as JSON."""
    name = b"new\nline \xff\"'\\ \xe2\x80\xae"
    os.close(os.open(os.fsencode(top) + b"/" + name, os.O_CREAT | os.O_WRONLY, 0o600))
    Path(os.fsdecode(os.fsencode(top) + b"/" + name)).chmod(0o606)
    scan = walked(top)
    text = scan_text(scan)

    assert os.fsencode(scan.of("world-writable")[0].path) == b"/" + name
    assert text.isascii()
    assert "\n" not in text
    assert parse_scan(text) == scan


def test_no_file_is_opened(top: Path) -> None:
    """A fifo, a socket and a file without any right are looked at, never opened: nothing can hold up the
    pass.
    """
    os.mkfifo(top / "fifo", 0o666)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(top / "socket"))
    plant(top / "none", 0o000)
    scan = walked(top)

    assert (scan.files, scan.counts) == (3, {})


def test_the_budget(top: Path) -> None:
    """A pass that has used up its files or its seconds says so, and where; what it saw until then is there."""
    for name in ("a", "b", "c"):
        plant(top / name / "file", 0o666)
    few = walked(top, Scope(uids=OWN.uids, gids=OWN.gids, files=5))
    clock = iter((0.0, 1.0, 2.0, 999.0))
    late = walked(top, Scope(uids=OWN.uids, gids=OWN.gids, seconds=60), clock=lambda: next(clock))

    assert (few.partial, few.stopped_at, paths(few, "world-writable")) == (
        "files",
        "/b",
        ["/a/file", "/b/file"],
    )
    assert (late.partial, late.stopped_at) == ("time", "/b")


def test_one_directory_can_be_huge(top: Path) -> None:
    """A directory is read a part at a time, and of what there is too much of the number is kept."""
    for number in range(MOST + 50):
        os.close(os.open(top / str(number), os.O_CREAT | os.O_WRONLY))
        (top / str(number)).chmod(0o666)
    scan = walked(top)
    stopped = walked(top, Scope(uids=OWN.uids, gids=OWN.gids, files=1000))

    assert (scan.files, len(scan.of("world-writable")), scan.left_out("world-writable")) == (1050, MOST, 50)
    assert (stopped.partial, stopped.files) == ("files", 1000)


@needs_root
def test_what_an_ordinary_user_cannot_read_is_counted(top: Path) -> None:
    """A directory without the right to read, or without the right to look, is not read: that is said."""
    top.parent.chmod(0o755)
    plant(top / "unreadable/file", 0o666)
    plant(top / "blind/file", 0o666)
    (top / "unreadable").chmod(0o711)
    (top / "blind").chmod(0o744)
    fd = os.open(top, os.O_RDONLY)
    receiver, sender = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            os.write(sender, scan_text(walked(Path(f"/proc/self/fd/{fd}"))).encode())
        finally:
            os._exit(0)
    os.close(sender)
    os.waitpid(pid, 0)
    with os.fdopen(receiver) as answer:
        scan = parse_scan(answer.read())
    os.close(fd)

    assert sorted(scan.unread_at) == [("/blind", "Permission denied"), ("/unreadable", "Permission denied")]
    assert (scan.unread, scan.counts) == (2, {})


def test_what_is_skipped_is_said(top: Path) -> None:
    """A directory on the list is not entered, and named if it is there; a path below it can be asked for."""
    plant(top / "var/lib/docker/overlay2/x/diff/su", 0o4755)
    plant(top / "dev/shm/file", 0o666)
    scan = walked(top, Scope(uids=OWN.uids, gids=OWN.gids), paths=("/", "/dev/shm"))

    assert [path for path, _ in scan.skipped] == ["/dev", "/var/lib/docker"]
    assert scan.counts == {"world-writable": 1}


_MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:21 / /proc rw - proc proc rw
24 22 0:6 / /dev rw - devtmpfs devtmpfs rw
25 24 0:24 / /dev/shm rw - tmpfs tmpfs rw
26 22 8:2 / /home rw - xfs /dev/sda2 rw
27 26 0:50 / /home/ann/far\\040away rw - nfs4 far:/x rw
28 22 0:51 / /mnt/old rw - fuse.sshfs far:/x rw
29 22 8:1 /srv/www /var/www rw - ext4 /dev/sda1 rw
30 22 8:1 /var/lib/docker/volumes/v /data rw - ext4 /dev/sda1 rw
31 22 0:52 / /var/lib/docker/overlay2/1/merged rw - overlay overlay rw
32 22 7:1 / /snap/core/1 ro - squashfs /dev/loop1 ro
33 22 8:3 / /disk rw - ext4 /dev/sdb1 rw
34 22 8:3 /part /part rw - ext4 /dev/sdb1 rw
35 22 8:1 /home/ann /old-home rw - ext4 /dev/sda1 rw
36 22 8:1 / /again rw - ext4 /dev/sda1 rw
37 26 0:60 / /home rw - nfs4 far:/home rw
38 22 8:1 /etc/hosts /etc/hosts rw - ext4 /dev/sda1 rw
"""


def test_the_file_systems_that_are_read() -> None:
    """Local ones, each once: no network, no containers, nothing that is bound a second time, unless its first
    place is hidden or skipped. Of two mounts at one point the upper one counts.
    """
    scope = Scope()
    places = choose(scope.paths, scope.skip, parse_mounts(_MOUNTS))

    assert dict(places.paths) == {
        "/": "ext4",
        "/dev/shm": "tmpfs",
        "/disk": "ext4",
        "/data": "ext4",
        "/old-home": "ext4",
        "/etc/hosts": "ext4",
    }
    assert {path for path, why in places.skipped.items() if "local" in why} == {
        "/home",
        "/home/ann/far away",
        "/mnt/old",
    }
    assert {"www"} <= places.closed["/var"]
    assert {"disk", "part", "again", "home", "proc", "dev", "snap"} <= places.closed["/"]


def test_paths_that_are_asked_for() -> None:
    """A path is read whatever its file system; one below another is not read twice, unless it is skipped
    there.
    """
    mounts = parse_mounts(_MOUNTS)
    places = choose(("/home", "/srv", "/srv/www/", "/dev"), Scope().skip, mounts)

    assert dict(places.paths) == {"/home": "nfs4", "/srv": "ext4", "/dev": "devtmpfs", "/dev/shm": "tmpfs"}


@needs_root
def test_binds_in_a_circle_are_read_once(top: Path) -> None:
    """The tree is bound into itself, and a disk in memory is there: each file is seen once."""
    plant(top / "file", 0o666)
    (top / "again").mkdir()
    (top / "disk").mkdir()
    program = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r})\n"
        "from reconciler.formats.file_scan import Scope, scan_text\nfrom reconciler.host.scan.child import scan\n"
        f"print(scan_text(scan(Scope(paths=({str(top)!r},)))))"
    )
    script = (
        f"mount --bind {top} {top}/again && mount -t tmpfs tmpfs {top}/disk && touch {top}/disk/file &&"
        f' chmod 666 {top}/disk/file && exec "$0" -c "$1"'
    )
    argv = ["unshare", "--mount", "sh", "-euc", script, sys.executable, program]
    scan = parse_scan(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)

    assert paths(scan, "world-writable") == [f"{top}/disk/file", f"{top}/file"]


def test_the_pass_gives_way(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs in a process of its own with nice 19 and the idle class of the disk; ours stays as it was."""
    own = os.getpriority(os.PRIO_PROCESS, 0)

    def told(walk: Walk) -> FileScan:
        disk = subprocess.run(["ionice", "-p", str(os.getpid())], capture_output=True, text=True, check=True)
        return FileScan(
            stopped_at=f"{os.getpriority(os.PRIO_PROCESS, 0)} {disk.stdout.strip()} {os.getpid()}"
        )

    monkeypatch.setattr(Walk, "run", told)
    nice, disk, pid = child.scan(OWN, str(top)).stopped_at.split(" ")

    assert (nice, disk) == ("19", "idle")
    assert int(pid) != os.getpid()
    assert os.getpriority(os.PRIO_PROCESS, 0) == own


def test_a_pass_that_is_killed_is_not_whole(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that is killed, fails or hangs leaves a pass that says so, and no process."""
    monkeypatch.setattr(child, "_GRACE", 0.2)

    def killed(_: Walk) -> None:
        os.kill(os.getpid(), 9)

    def hung(_: Walk) -> None:
        time.sleep(60)

    for end in (killed, hung):
        monkeypatch.setattr(Walk, "run", end)
        scan = child.scan(Scope(seconds=0), str(top))

        assert scan.partial.startswith("the process that looks at the files was killed")
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)


def test_values_and_their_text() -> None:
    """Scope and outcome come back from their JSON; what is neither is refused."""
    scope = Scope(paths=("/srv",), homes={"/home/ann": 1000}, uids=frozenset((0, 1000)))

    assert parse_scope(scope_text(scope)) == scope
    assert parse_scan(scan_text(FileScan())) == FileScan()
    for text in (
        "",
        "[]",
        "{}",
        '{"seen": {}}',
        '{"seen": {"x": [{"no": 1}]}, "unread_at": [], "skipped": []}',
    ):
        with pytest.raises(ValueError, match=r"."):
            parse_scan(text)
        with pytest.raises(ValueError, match=r"."):
            parse_scope(text)
