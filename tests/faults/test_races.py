"""Somebody else is at it at the same time: a user who swaps directories for links, a program that rewrites a
managed file, a reader.
"""

from __future__ import annotations

import contextlib
import os
import random
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.core.actions import ABSENT, MakeDirectory, SetAccess, WriteFile
from reconciler.core.basics.digest import digest
from reconciler.core.host import ActionFailed, HostError, UnsafePath
from reconciler.host.files import publish
from reconciler.host.files.dir_entry import Place
from reconciler.host.files.homes.home import HomeAction
from reconciler.host.process import failpoints
from reconciler.host.state.store import open_history
from tests.cli.command import Tree, make_tree
from tests.faults.figures import full, note, seeded
from tests.host.hosts_under_test import snapshot, tree, write
from tests.host.test_homes import MINE, UID, Stage, edit

pytestmark = pytest.mark.slow

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: owners, and giving up rights")
SWAPS = {True: 10_000, False: 200}
FLIPS = {True: 1_000, False: 25}
READ_APPLIES = {True: 1_000, False: 60}

# Both a directory and the file in it are swapped, with what leads out of the home.
_SWAPPER = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
pairs = [list(map(os.fsencode, pair.split(":"))) for pair in sys.argv[1:]]
os.setgroups([]); os.setgid(41501); os.setuid(41500)
print("ready", flush=True)
while True:
    for one, other in pairs:
        libc.renameat2(-100, one, -100, other, 2)
"""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Alice's home and root's canaries."""
    found = Stage(tmp_path / "tree")
    tmp_path.chmod(0o755)
    for above in tmp_path.parents[:2]:
        if above.stat().st_uid == os.geteuid():
            above.chmod(above.stat().st_mode | 0o011)
    yield found
    found.host.close()


@contextmanager
def _swapping(*pairs: tuple[Path, Path]) -> Iterator[None]:
    """A process with alice's rights that exchanges these names as fast as it goes."""
    argv = [sys.executable, "-c", _SWAPPER, *(f"{one}:{other}" for one, other in pairs)]
    racer = subprocess.Popen(argv, stdout=subprocess.PIPE)
    try:
        assert racer.stdout is not None
        assert racer.stdout.readline() == b"ready\n"
        yield
        assert racer.poll() is None, "the racer has died"
    finally:
        racer.kill()
        racer.communicate()


def _actions(number: int) -> HomeAction:
    """Each kind of action in a home, in turn."""
    path = f"/home/alice/.ssh/f{number % 7}"
    new = WriteFile(path, b"new", digest(b"new"), "0600", "alice", "", ABSENT, as_user="alice")
    return (
        new,
        edit((f"k{number}",)),
        SetAccess("/home/alice/.ssh", "0700", **MINE),
        MakeDirectory(f"/home/alice/.ssh/d{number % 5}", "0700", **MINE),
        SetAccess("/home/alice/.ssh/authorized_keys", "0600", **MINE),
    )[number % 5]


def _outside(stage: Stage) -> dict[str, tuple[object, ...]]:
    """Everything that is root's, without a look into the home, which changes under our eyes."""
    found = {
        f"{part}/{name}": facts
        for part in ("etc", "canary")
        for name, facts in snapshot(stage.root / part).items()
    }
    return found | {path.name: () for path in stage.root.iterdir()}


def _race(stage: Stage, rounds: int, act: Callable[[int], object]) -> tuple[int, int, int]:
    """Rounds, how many were refused, and how many of root's things were made in the
    home or changed outside.
    """
    stage.give(content=b"")
    for name, target in (("bait", stage.canary), ("bait2", stage.canary / "secret")):
        (stage.home / name).symlink_to(target)
        stage.his(stage.home / name)
    spare = stage.home / "spare"
    spare.mkdir(mode=0o700)
    stage.his(spare)
    before = _outside(stage)
    hers = [os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in (stage.ssh, spare)]
    refused = wrong = 0
    with _swapping((stage.ssh, stage.home / "bait"), (stage.ssh, spare), (stage.file, stage.home / "bait2")):
        for number in range(rounds):
            try:
                act(number)
            except (UnsafePath, ActionFailed):
                refused += 1
            wrong += _roots_own(hers)
            if number % 16 == 0:
                for fd in hers:
                    _empty(fd)
                wrong += before != _outside(stage)
    for fd in hers:
        os.close(fd)
    return rounds, refused, wrong + (before != _outside(stage))


def _roots_own(directories: list[int]) -> int:
    """The number of entries in the user's directories that are not the user's: nothing that root does there
    may stay root's.
    """
    found = 0
    for fd in directories:
        for name in os.listdir(fd):  # noqa: PTH208  # a descriptor
            with contextlib.suppress(FileNotFoundError):
                facts = os.stat(name, dir_fd=fd, follow_symlinks=False)
                found += facts.st_uid != UID
    return found


def _empty(fd: int) -> None:
    for name in os.listdir(fd):  # a descriptor
        with contextlib.suppress(FileNotFoundError):
            is_directory = stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode)
            (os.rmdir if is_directory else os.unlink)(name, dir_fd=fd)


@root_only
@pytest.mark.timeout(900)
def test_a_user_who_swaps_wins_nothing(stage: Stage) -> None:
    """Directories and files of a home are exchanged for links to root's during each action: root's stay, and
    nothing is made as root.
    """
    started = time.monotonic()
    rounds, refused, wrong = _race(stage, SWAPS[full()], lambda number: stage.host.execute(_actions(number)))
    note(
        "race swap",
        points=rounds,
        refused=refused,
        violations=wrong,
        seconds=round(time.monotonic() - started),
    )

    assert 0 == wrong
    assert 0 < refused < rounds


@root_only
def test_the_swaps_catch_one_who_follows(stage: Stage) -> None:
    """The race can be lost: root writing by path, as a shell script would, changes a canary or leaves a file
    of its own.
    """

    def naive(number: int) -> None:
        with contextlib.suppress(OSError):
            (stage.ssh / f"f{number % 7}").write_bytes(b"new")
            with stage.file.open("ab") as file:
                file.write(b"key\n")

    _, _, wrong = _race(stage, 200, naive)

    assert wrong


OLD, NEW = b"old " * 2000, b"new " * 3000


def _flip(target: Path, foreign: bytes, *, over: bool) -> None:
    """Somebody else's version: renamed over the file, or written into it."""
    if over:
        other = target.with_name("other")
        other.write_bytes(foreign)
        other.rename(target)
    else:
        target.write_bytes(foreign)


def _flips(tree: Tree, rounds: int, chance: random.Random) -> tuple[int, int, list[str]]:
    """Rounds in which a file is changed at a random moment of an apply: how often it was refused, and what
    was lost.
    """
    lost, refused, took = [], 0, 0.05
    target = tree.path("/etc/f")
    for number in range(rounds):
        wanted = f"version {number}\n"
        spec = tree.spec(f'files:\n  /etc/f: {{content: "{wanted[:-1]}\\n", mode: "0644"}}\n')
        foreign = f"foreign {number}\n".encode()
        racer = threading.Timer(chance.uniform(0, took), _flip, [target, foreign], {"over": number % 2 == 0})
        if number:
            racer.start()
        started = time.monotonic()
        done = tree.apply(spec, "--adopt")
        took = (took * 3 + time.monotonic() - started) / 4
        if number:
            racer.join()
        there = target.read_bytes() if target.exists() else b""
        refused += done.code != 0
        kept = there == foreign or foreign in _saved(tree) or not number
        if not kept:
            lost.append(f"round {number}: exit {done.code}, there is {there[:30]!r}\n{done.out}{done.err}")
        # Before the write, or between it and the last look at the host.
        if done.code and not any(
            words in done.out + done.err for words in ("changed since", "did not converge: content")
        ):
            lost.append(f"round {number}: refused without saying why\n{done.out}{done.err}")
    return rounds, refused, lost


def _saved(tree: Tree) -> set[bytes]:
    """All that the undo store has, and what was kept beside the file."""
    history = open_history(str(tree.state))
    found = {path.read_bytes() for path in tree.path("/etc").glob(".reconciler.*.kept")}
    if history is None:
        return found
    with history:
        return found | {
            saved.content
            for run in history.runs(3)
            for saved in history.undo(run["run"])
            if saved.content is not None
        }


@pytest.mark.timeout(900)
def test_what_somebody_writes_meanwhile_is_not_lost(tmp_path: Path) -> None:
    """A managed file is rewritten at a random moment of an apply: that version is there afterwards, or in the
    undo store.
    """
    seed, chance = seeded()
    started = time.monotonic()
    rounds, refused, lost = _flips(make_tree(tmp_path), FLIPS[full()], chance)
    note(
        "race flip",
        points=rounds,
        refused=refused,
        violations=len(lost),
        seconds=round(time.monotonic() - started),
    )

    assert [] == lost[:3], f"seed {seed}"


def test_a_flip_at_the_worst_moment_is_reported_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the last look and the rename: the apply fails, names the file and says that it has changed; the
    other's version stays.
    """
    tree = make_tree(tmp_path)
    tree.apply(tree.spec('files:\n  /etc/f: {content: "one\\n", mode: "0644"}\n'))
    monkeypatch.setattr(
        failpoints,
        "hit",
        lambda name: _flip(tree.path("/etc/f"), b"x\n", over=True) if name == "publish.checked" else None,
    )
    done = tree.apply(tree.spec('files:\n  /etc/f: {content: "two\\n", mode: "0644"}\n'))

    assert b"x\n" == tree.path("/etc/f").read_bytes()
    assert 0 != done.code
    assert "/etc/f" in done.out + done.err
    assert "changed since" in done.said


def test_the_flips_catch_a_plain_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The race can be lost: without the exchange the version that was written at the
    worst moment is nowhere.
    """
    monkeypatch.setattr(publish, "exchange", lambda *_: False)
    tree = make_tree(tmp_path)
    tree.apply(tree.spec('files:\n  /etc/f: {content: "one\\n", mode: "0644"}\n'))
    monkeypatch.setattr(
        failpoints,
        "hit",
        lambda name: _flip(tree.path("/etc/f"), b"x\n", over=True) if name == "publish.checked" else None,
    )
    tree.apply(tree.spec('files:\n  /etc/f: {content: "two\\n", mode: "0644"}\n'))

    assert b"x\n" not in {tree.path("/etc/f").read_bytes(), *_saved(tree)}


_READER = """
import os, sys
root, old, new = sys.argv[1], *(bytes.fromhex(text) for text in sys.argv[2:4])
count = wrong = 0
print("ready", flush=True)
while not os.path.exists(root + "/end"):
    for name in os.listdir(root):
        if not (name == "f" or name.startswith(".reconciler.")):
            continue
        try:
            fd = os.open(root + "/" + name, os.O_RDONLY)
        except OSError:
            continue
        count += 1
        mode = os.fstat(fd).st_mode & 0o777
        content = b"".join(iter(lambda: os.read(fd, 1 << 16), b""))
        os.close(fd)
        seen = {old: 0o640, new: 0o600}.get(content)
        if mode & ~0o640 or (name == "f" and seen != mode):
            wrong += 1
            open(root + "/wrong", "w").close()
    if not os.path.exists(root + "/f"):
        wrong += 1
print(count, wrong, flush=True)
"""


def _read_while(place: Path, rounds: int, act: Callable[[Path, bytes], None]) -> tuple[int, int]:
    """How often a file and its temporary ones were opened during so many replacements, and how often
    something was wrong.
    """
    (place / "f").write_bytes(OLD)
    (place / "f").chmod(0o640)
    reader = subprocess.Popen(
        [sys.executable, "-c", _READER, str(place), OLD.hex(), NEW.hex()], stdout=subprocess.PIPE, text=True
    )
    assert reader.stdout is not None
    reader.stdout.readline()
    for number in range(rounds):
        act(place / "f", (NEW, OLD)[number % 2])
    (place / "end").touch()
    count, wrong = map(int, reader.communicate()[0].split())
    return count, wrong


def test_a_reader_sees_the_old_or_the_new(tmp_path: Path) -> None:
    """Whoever opens the file or its temporary name, as fast as it goes: whole content with its own mode,
    never more rights or nothing.
    """
    host = tree(tmp_path)
    place = tmp_path / "tree/d"
    place.mkdir()
    started = time.monotonic()

    def replace(_: Path, content: bytes) -> None:
        before = NEW if content == OLD else OLD
        host.execute(write("/d/f", content, digest(before), {OLD: "0640", NEW: "0600"}[content]))

    rounds = READ_APPLIES[full()]
    count, wrong = _read_while(place, rounds, replace)
    note(
        "race read",
        points=count,
        replacements=rounds,
        violations=wrong,
        seconds=round(time.monotonic() - started),
    )

    assert 0 == wrong
    assert count


def test_the_reader_catches_writing_in_place(tmp_path: Path) -> None:
    """The reader does see what a plain write leaves open for a moment."""
    place = tmp_path / "d"
    place.mkdir()

    def naive(path: Path, content: bytes) -> None:
        path.write_bytes(content)
        # The moment lasts until the reader has had its turn, however busy the machine is.
        end = time.monotonic() + 60
        while not (place / "wrong").exists() and time.monotonic() < end:
            time.sleep(0.001)
        path.chmod({OLD: 0o640, NEW: 0o600}[content])

    assert _read_while(place, 1, naive)[1]


@pytest.mark.parametrize("content", [b"", b"x" * 100_000])
def test_no_moment_with_more_rights(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every failpoint each name in the directory has no more rights than the file
    has before or will have.
    """
    host = tree(tmp_path)
    place = tmp_path / "tree/d"
    place.mkdir()
    (place / "f").write_bytes(OLD)
    (place / "f").chmod(0o600)
    modes: set[int] = set()
    monkeypatch.setattr(
        failpoints,
        "hit",
        lambda _: modes.update(stat.S_IMODE(path.lstat().st_mode) for path in place.iterdir()),
    )
    umask = os.umask(0)
    try:
        host.execute(write("/d/f", content, digest(OLD), "0640"))
    finally:
        os.umask(umask)

    assert {0o600, 0o640} == modes


@pytest.mark.parametrize("most", [1, 7])
def test_a_short_write_is_gone_on_with(most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel may write fewer bytes than it was given: what is put in place is whole."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(data)[:most]))
    host = tree(tmp_path)
    host.execute(write("/f", b"0123456789" * 5))
    monkeypatch.undo()

    assert b"0123456789" * 5 == host.read("/f")


def test_a_write_that_cannot_go_on_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full after half of it, nothing is put in place and no half file stays."""
    real, room = os.write, [25]

    def until_full(fd: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        written = real(fd, bytes(data)[: room[0]])
        room[0] -= written
        return written

    host = tree(tmp_path)
    before = snapshot(tmp_path / "tree")
    monkeypatch.setattr(os, "write", until_full)
    with pytest.raises(HostError, match="no space"):
        host.execute(write("/f", b"0123456789" * 5))
    monkeypatch.undo()

    assert before == snapshot(tmp_path / "tree")


def test_nobody_can_tell_the_temporary_name(tmp_path: Path) -> None:
    """Each is another one: it cannot be waited for, nor be taken by what a killed run left."""
    host = tree(tmp_path)
    with Place(host._paths, "/f") as place:
        names = {place.temporary() for _ in range(1000)}

    assert 1000 == len(names)


def test_the_lock_is_held_from_the_first_effect_to_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every failpoint of an apply, of files and of the ledger, nobody else can take the lock."""
    import fcntl

    from reconciler.host.state import store

    tree = make_tree(tmp_path)
    free: list[str] = []
    points: list[str] = []

    def probe(name: str) -> None:
        fd = os.open(tree.state / "lock", os.O_RDONLY)
        points.append(name)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            free.append(name)
        except BlockingIOError:
            pass
        finally:
            os.close(fd)

    monkeypatch.setattr(failpoints, "hit", probe)
    monkeypatch.setattr(store, "hit", probe)
    for text in ("one", "two"):
        tree.apply(tree.spec(f'files:\n  /etc/f: {{content: "{text}\\n", mode: "0644"}}\n'))
    tree.apply(tree.spec('files:\n  /etc/g: {content: "", mode: "0644"}\n'))

    assert [] == free
    assert {
        "state.begin.begun",
        "write.content",
        "publish.exchanged",
        "remove.renamed",
        "state.end.done",
    } <= set(points)
