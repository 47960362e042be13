"""A write is done wholly or not at all, and nothing that somebody else wrote meanwhile is lost."""

from __future__ import annotations

import os
import random
import stat
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.core.actions import Account, AccountOp, Action, MakeDirectory, MakeLink, RemovePath, SetAccess
from reconciler.core.basics.digest import digest
from reconciler.core.host import ActionFailed, HostError
from reconciler.host.files import publish, renameat2
from reconciler.host.files.xattrs import bend_acl
from reconciler.host.process import failpoints
from reconciler.host.tree import TreeHost
from tests.host.hosts_under_test import (
    as_ordinary_user,
    base_tree,
    mounted,
    names_in,
    place_for_everybody,
    snapshot,
    tree,
    write,
)

pytestmark = pytest.mark.slow

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, owners")
OLD, NEW, FOREIGN = b"old\n", b"new\n", b"foreign\n"
Racer = Callable[[Path], None]


def _rename_over(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(FOREIGN)
    other.rename(path)


def _write_into(path: Path) -> None:
    path.write_bytes(FOREIGN)


@pytest.mark.parametrize("racer", [_rename_over, _write_into])
@pytest.mark.parametrize("where", ["publish.ready", "publish.checked"])
@pytest.mark.parametrize(
    "action", [write("/d/f", expects=digest(OLD)), MakeLink("/d/f", "x", digest(OLD))], ids=["write", "link"]
)
def test_a_change_before_the_exchange_wins(
    action: Action, where: str, racer: Racer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's version, written between our looks, is what is there afterwards; we are refused and no
    other file is left.
    """
    host = tree(tmp_path)
    target = tmp_path / "tree/d/f"
    target.parent.mkdir()
    target.write_bytes(OLD)
    monkeypatch.setattr(failpoints, "hit", lambda name: racer(target) if name == where else None)

    with pytest.raises(ActionFailed, match="changed since"):
        host.execute(action)

    assert FOREIGN == target.read_bytes()
    assert ["f"] == names_in(target.parent)


@pytest.mark.parametrize("racer", [_rename_over, _write_into])
def test_a_change_after_the_exchange_is_newer_than_ours(
    racer: Racer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once our file is in place, what somebody else writes over it stays."""
    host = tree(tmp_path)
    target = tmp_path / "tree/d/f"
    target.parent.mkdir()
    target.write_bytes(OLD)
    monkeypatch.setattr(
        failpoints, "hit", lambda name: racer(target) if name == "publish.exchanged" else None
    )

    host.execute(write("/d/f", expects=digest(OLD)))

    assert FOREIGN == target.read_bytes()
    assert ["f"] == names_in(target.parent)


@pytest.mark.parametrize("second", [_rename_over, _write_into, Path.unlink])
def test_two_changes_around_the_exchange_both_survive(
    second: Racer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One foreign version before and one after the exchange: the newest has the name, the other is kept; a
    removal brings it back.
    """
    host = tree(tmp_path)
    target = tmp_path / "tree/d/f"
    target.parent.mkdir()
    target.write_bytes(OLD)
    first = b"first foreign\n"
    acts: dict[str, Callable[[], object]] = {
        "publish.checked": lambda: target.write_bytes(first),
        "publish.exchanged": lambda: second(target),
    }
    monkeypatch.setattr(failpoints, "hit", lambda name: acts[name]() if name in acts else None)

    with pytest.raises(ActionFailed):
        host.execute(write("/d/f", expects=digest(OLD)))

    contents = {path.name == "f": path.read_bytes() for path in target.parent.iterdir()}
    assert ({True: first} if second is Path.unlink else {True: FOREIGN, False: first}) == contents


@pytest.mark.parametrize("where", ["publish.ready", "publish.checked"])
def test_what_appears_meanwhile_is_not_replaced(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that was not there when we looked is not overwritten."""
    host = tree(tmp_path)
    target = tmp_path / "tree/f"
    monkeypatch.setattr(failpoints, "hit", lambda name: _write_into(target) if name == where else None)

    with pytest.raises(ActionFailed, match="changed since"):
        host.execute(write("/f"))

    assert FOREIGN == target.read_bytes()
    assert ["etc", "f"] == names_in(tmp_path / "tree")


@pytest.mark.parametrize("racer", [_rename_over, _write_into])
def test_what_changes_is_not_removed(racer: Racer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that changes after the check is put back."""
    host = tree(tmp_path)
    target = tmp_path / "tree/f"
    target.write_bytes(OLD)
    monkeypatch.setattr(failpoints, "hit", lambda name: racer(target) if name == "remove.checked" else None)

    with pytest.raises(ActionFailed, match="changed since"):
        host.execute(RemovePath("/f", digest(OLD)))

    assert FOREIGN == target.read_bytes()
    assert ["etc", "f"] == names_in(tmp_path / "tree")


def test_what_appears_while_removing_is_kept_and_so_is_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two foreign versions during one removal: the newest has the name, the other one a name of its own."""
    host = tree(tmp_path)
    target = tmp_path / "tree/f"
    target.write_bytes(OLD)
    acts: dict[str, Callable[[], object]] = {
        "remove.checked": lambda: _rename_over(target),
        "remove.renamed": lambda: target.write_bytes(b"newest"),
    }
    monkeypatch.setattr(failpoints, "hit", lambda name: acts[name]() if name in acts else None)

    with pytest.raises(ActionFailed, match="kept beside it"):
        host.execute(RemovePath("/f", digest(OLD)))

    kept = [path for path in (tmp_path / "tree").iterdir() if path.name.endswith(".kept")]
    assert target.read_bytes() == b"newest"
    assert [FOREIGN] == [path.read_bytes() for path in kept]


def _race(host: TreeHost, target: Path, rounds: int) -> tuple[int, int]:
    """Let somebody replace the file once at a random moment of each write: how often that was lost, and how
    often we were refused.
    """
    lost = refused = 0
    chance = random.Random(7)  # noqa: S311  # not a secret
    took = 0.001
    for _ in range(rounds):
        target.write_bytes(OLD)
        foreign = target.with_name("other")
        foreign.write_bytes(FOREIGN)
        racer = threading.Timer(chance.uniform(0, 1.3 * took), foreign.rename, [target])
        racer.start()
        started = time.monotonic()
        try:
            host.execute(write("/d/f", expects=digest(OLD)))
            took = (took + time.monotonic() - started) / 2
        except ActionFailed:
            refused += 1
        racer.join()
        lost += target.read_bytes() != FOREIGN
    return lost, refused


def test_a_racing_writer_never_loses(tmp_path: Path) -> None:
    """In hundreds of rounds with a writer at random moments its version is always there at the end."""
    host = tree(tmp_path)
    target = tmp_path / "tree/d/f"
    target.parent.mkdir()

    lost, refused = _race(host, target, 400)

    assert lost == 0
    assert 0 < refused < 400
    assert ["f"] == names_in(target.parent)


def test_the_moment_of_the_race_is_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain rename instead of the exchange does lose the other's version: the tests above can fail."""
    host = tree(tmp_path)
    target = tmp_path / "tree/f"
    target.write_bytes(OLD)
    monkeypatch.setattr(publish, "exchange", lambda *_: False)
    monkeypatch.setattr(
        failpoints, "hit", lambda name: _rename_over(target) if name == "publish.checked" else None
    )

    host.execute(write("/f", expects=digest(OLD)))

    assert NEW == target.read_bytes()


def test_without_renameat2_everything_still_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the C library or the file system has no renameat2, files are made, replaced and removed all the
    same.
    """
    monkeypatch.setattr(renameat2, "_function", lambda: None)
    host = tree(tmp_path)

    host.execute(write("/f", OLD))
    host.execute(write("/f", NEW, digest(OLD)))
    host.execute(MakeLink("/l", "x"))
    host.execute(MakeLink("/l", "y", "link:x"))
    with pytest.raises(ActionFailed):
        host.execute(write("/f", OLD))
    seen = host.read("/f")
    host.execute(RemovePath("/f", digest(NEW)))
    host.execute(RemovePath("/l", "link:y"))

    assert NEW == seen
    assert ["etc"] == names_in(tmp_path / "tree")


HITS = [
    "write.temporary",
    "write.content",
    "write.access",
    "write.attributes",
    "publish.ready",
    "publish.checked",
    "publish.exchanged",
]


@pytest.mark.parametrize("where", HITS)
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_at_any_step_leaves_the_old_file(
    where: str, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong until the file is in place: the tree is as it was, to the inode, without a
    temporary file.
    """
    host = tree(tmp_path)
    (tmp_path / "tree/f").write_bytes(OLD)
    before = snapshot(tmp_path / "tree")

    def fail(name: str) -> None:
        if name == where:
            raise error

    monkeypatch.setattr(failpoints, "hit", fail)
    with pytest.raises((HostError, KeyboardInterrupt)):
        host.execute(write("/f", expects=digest(OLD)))

    assert before == snapshot(tmp_path / "tree")


@pytest.mark.parametrize(
    ("action", "where"),
    [
        (write("/n"), "publish.checked"),
        (MakeLink("/w/l", "x"), "publish.ready"),
        (MakeLink("/w/l", "x"), "publish.checked"),
        (MakeDirectory("/n", "0755", "root", "root"), "mkdir.made"),
        (RemovePath("/f", digest(OLD)), "remove.checked"),
        (SetAccess("/f", "0600", "root", "root"), "access.opened"),
    ],
)
def test_a_failure_of_any_action_leaves_the_tree(
    action: Action, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for the other actions."""
    host = tree(tmp_path)
    (tmp_path / "tree/f").write_bytes(OLD)
    before = snapshot(tmp_path / "tree")

    def fail(name: str) -> None:
        if name == where:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(failpoints, "hit", fail if where != "mkdir.made" else lambda _: None)
    monkeypatch.setattr(os, "listdir", fail_always if where == "mkdir.made" else os.listdir)
    with pytest.raises(ActionFailed):
        host.execute(action)
    monkeypatch.undo()

    assert before == snapshot(tmp_path / "tree")


def fail_always(*_: object) -> list[str]:
    """Any call fails."""
    raise OSError(5, "Input/output error")


@root_only
def test_a_full_disk_leaves_everything(tmp_path: Path) -> None:
    """With no space and with no inode left a write is refused, and neither the target nor the directory has
    changed.
    """
    with mounted("tmpfs", "size=256k,nr_inodes=16", tmp_path / "disk") as disk:
        host = TreeHost(str(base_tree(disk / "tree")), str(disk / "state"))
        host.execute(write("/f", OLD))
        before = snapshot(disk / "tree")
        with pytest.raises(ActionFailed, match="no space"):
            host.execute(write("/f", b"x" * 400_000, digest(OLD)))
        full = snapshot(disk / "tree")
        for number in range(16):
            try:
                (disk / f"filler{number}").touch()
            except OSError:
                break
        with pytest.raises(ActionFailed, match="no space"):
            host.execute(write("/f", NEW, digest(OLD)))
        with pytest.raises(ActionFailed, match="no space"):
            host.execute(MakeLink("/w/l", "x"))
        after = snapshot(disk / "tree")
        host.close()

    assert before == full == after


@root_only
def test_a_read_only_file_system_is_said(tmp_path: Path) -> None:
    """On a read-only file system every action says so."""
    with mounted("tmpfs", "size=1m", tmp_path / "disk") as disk:
        host = TreeHost(str(base_tree(disk / "tree")), str(disk / "state"))
        host.execute(write("/f", OLD))
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        actions: list[Action] = [
            write("/f", expects=digest(OLD)),
            MakeDirectory("/d", "0755", "root", "root"),
            SetAccess("/f", "0600", "root", "root"),
            MakeLink("/l", "x"),
            RemovePath("/f", digest(OLD)),
        ]
        for action in actions:
            with pytest.raises(ActionFailed, match="read-only"):
                host.execute(action)
        host.close()


def test_readers_see_the_old_or_the_new_file(tmp_path: Path) -> None:
    """While a file is replaced again and again, every reader finds one whole version with its own mode."""
    host = tree(tmp_path)
    target = tmp_path / "tree/f"
    versions = {mode: bytes([65 + index]) * 50_000 for index, mode in enumerate((0o600, 0o644))}
    wanted = set(versions.items())
    seen: set[tuple[int, bytes]] = set()
    end = threading.Event()

    def read() -> None:
        while not end.is_set():
            with target.open("rb") as stream:
                mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
                seen.add((mode, stream.read()))

    host.execute(write("/f", versions[0o600], mode="0600"))
    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(300):
        old, new = (0o600, 0o644) if number % 2 == 0 else (0o644, 0o600)
        host.execute(write("/f", versions[new], digest(versions[old]), mode=f"{new:04o}"))
    end.set()
    for reader in readers:
        reader.join()

    assert wanted == seen


def test_the_temporary_file_is_never_open_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At no step is any file of the directory wider than old and new, whatever the umask."""
    host = tree(tmp_path)
    (tmp_path / "tree/d").mkdir()
    modes: list[int] = []

    def look(_: str) -> None:
        modes.extend(stat.S_IMODE(path.lstat().st_mode) for path in (tmp_path / "tree/d").iterdir())

    monkeypatch.setattr(failpoints, "hit", look)
    for mask in (0o000, 0o077, 0o777):
        before = os.umask(mask)
        try:
            host.execute(write(f"/d/{mask}", mode="0400"))
        finally:
            os.umask(before)

    assert len(modes) > 12
    assert all(mode & ~0o600 == 0 for mode in modes)


@root_only
def test_changing_access_never_opens_more_than_before_or_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From root's 0644 to a user's 0600: the user gets it when it is closed to the others already."""
    host = tree(tmp_path)
    (tmp_path / "tree/f").write_bytes(OLD)
    (tmp_path / "tree/f").chmod(0o666)
    calls: list[tuple[str, int]] = []
    fchown = os.fchown

    def spy(fd: int, uid: int, gid: int) -> None:
        calls.append(("chown", stat.S_IMODE(os.fstat(fd).st_mode)))
        fchown(fd, uid, gid)

    monkeypatch.setattr(os, "fchown", spy)
    host.execute(SetAccess("/f", "0600", "api", "api"))

    assert [("chown", 0o600)] == calls


@root_only
def test_attributes_and_acl_survive_but_capabilities_do_not(tmp_path: Path) -> None:
    """The replaced file's user attributes and ACL stay, bent to the new mode; a capability belongs to the old
    program.
    """
    host = tree(tmp_path)
    target = tmp_path / "tree/f"
    target.write_bytes(OLD)
    target.chmod(0o660)
    acl = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", tag, allowed, who)
        for tag, allowed, who in (
            (1, 6, 2**32 - 1),
            (2, 6, 990),
            (4, 4, 2**32 - 1),
            (16, 6, 2**32 - 1),
            (32, 0, 2**32 - 1),
        )
    )
    os.setxattr(target, "system.posix_acl_access", acl)
    os.setxattr(target, "user.note", b"mine")
    os.setxattr(target, "security.capability", bytes.fromhex("0000000200040000000000000000000000000000"))

    host.execute(write("/f", expects=digest(OLD), mode="0640"))

    saved = host.capture(write("/f"))
    assert saved is not None
    assert {"system.posix_acl_access": bend_acl(acl, 0o640), "user.note": b"mine"} == dict(saved.xattrs)
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_an_acl_is_bent_as_chmod_would_do_it() -> None:
    """Owner, mask and others follow the mode, named users and the group stay; without a mask the group
    follows.
    """
    named = [(1, 7, 0), (2, 6, 5), (4, 5, 0), (16, 7, 0), (32, 4, 0)]
    plain = [(1, 7, 0), (4, 7, 0), (32, 7, 0)]

    def pack(entries: list[tuple[int, int, int]]) -> bytes:
        return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)

    assert pack([(1, 6, 0), (2, 6, 5), (4, 5, 0), (16, 4, 0), (32, 0, 0)]) == bend_acl(pack(named), 0o640)
    assert pack([(1, 6, 0), (4, 4, 0), (32, 0, 0)]) == bend_acl(pack(plain), 0o640)


@root_only
def test_a_default_acl_of_the_directory_does_not_change_a_replaced_file(tmp_path: Path) -> None:
    """A file without an ACL has none after it was replaced, though its directory hands one out."""
    host = tree(tmp_path)
    (tmp_path / "tree/d").mkdir()
    (tmp_path / "tree/d/f").write_bytes(OLD)
    default = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", tag, 6, who)
        for tag, who in ((1, 2**32 - 1), (2, 990), (4, 2**32 - 1), (16, 2**32 - 1), (32, 2**32 - 1))
    )
    os.setxattr(tmp_path / "tree/d", "system.posix_acl_default", default)

    host.execute(write("/d/f", expects=digest(OLD), mode="0640"))

    assert [] == os.listxattr(tmp_path / "tree/d/f")
    assert stat.S_IMODE((tmp_path / "tree/d/f").stat().st_mode) == 0o640


def test_leftovers_of_a_killed_run_are_found(tmp_path: Path) -> None:
    """A temporary file that a killed run left is named, other files are not, and it can be saved and removed
    like any file.
    """
    host = tree(tmp_path)
    (tmp_path / "tree/d").mkdir()
    left = "/d/.reconciler.0123456789abcdef.tmp"
    (tmp_path / f"tree{left}").write_bytes(OLD)
    (tmp_path / "tree/d/.hidden.tmp").touch()

    found = host.leftovers(["/d", "/nowhere"])
    saved = host.capture(RemovePath(left, digest(OLD)))
    host.execute(RemovePath(left, digest(OLD)))

    assert (left,) == found
    assert saved is not None
    assert OLD == saved.content
    assert [".hidden.tmp"] == names_in(tmp_path / "tree/d")


def _show(host: TreeHost, path: str) -> tuple[str, str, str] | None:
    entry = host.entry(path)
    return (entry.mode, entry.owner, entry.group) if entry else None


def _record_owners() -> list[object]:
    """The owners and modes that an ordinary user sees, step by step."""
    root = base_tree(Path.cwd() / "tree")
    record = Path.cwd() / "tree.reconciler/owners.jsonl"

    def again() -> TreeHost:
        return TreeHost(str(root), str(record.parent))

    host, seen = again(), list[object]()
    host.execute(Account(AccountOp.GROUPADD, "ml", (("gid", "2000"),)))
    host.execute(MakeDirectory("/srv", "0500", "api", "ml"))
    for action in (
        write("/srv/f", mode="4040", owner="api", group="ml"),
        write("/srv/g"),
        write("/srv/h", owner="api"),
        RemovePath("/srv/h", digest(NEW)),
    ):
        host.execute(action)
    (root / "srv/g").chmod(0)
    host.execute(SetAccess("/srv/g", "0640", "root", "root"))
    host = again()
    seen += [_show(host, path) for path in ("/srv", "/srv/f", "/srv/g", "/srv/h", "/etc/gshadow")]
    (root / "srv/f").chmod(0o644)
    seen.append(_show(host, "/srv/f"))
    for number in range(300):
        host.execute(SetAccess("/srv/f", "4040", "api" if number % 2 else "root", "ml"))
    seen += [_show(host, "/srv/f"), len(record.read_text().splitlines()) < 140]
    with record.open("a") as stream:
        stream.write('\n{"path": "/srv/f", "own')
    again().execute(SetAccess("/srv/g", "0640", "api", "root"))
    seen += [_show(again(), path) for path in ("/srv/f", "/srv/g")]
    (root / "srv/g").unlink()
    again().execute(SetAccess("/srv/f", "4040", "root", "ml"))
    return [*seen, "/srv/g" in record.read_text()]


@root_only
def test_an_ordinary_user_has_owners_on_record() -> None:
    """Without root, owners and modes that we could not work with are kept beside the tree, and hand changes
    of the mode show.
    """
    ours, root = ("4040", "api", "ml"), ("0640", "root", "root")

    with place_for_everybody() as place:
        seen = as_ordinary_user(_record_owners, place)

    assert [
        ("0500", "api", "ml"),
        ours,
        root,
        None,
        root,
        ("0644", "api", "ml"),
        ours,
        True,
        ours,
        ("0640", "api", "root"),
        False,
    ] == seen


def test_content_is_durable_before_its_name_and_the_name_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file is synced before it is put in place and its directory afterwards; the other actions are synced
    as well.
    """
    host = tree(tmp_path)
    order: list[str] = []
    fsync = os.fsync

    def spy(fd: int) -> None:
        order.append("sync directory" if stat.S_ISDIR(os.fstat(fd).st_mode) else "sync file")
        fsync(fd)

    monkeypatch.setattr(os, "fsync", spy)
    monkeypatch.setattr(
        failpoints,
        "hit",
        lambda name: order.append(name) if name in ("publish.ready", "write.renamed", "write.done") else None,
    )
    host.execute(write("/f"))
    written = order.copy()
    syncs = []
    for action in (
        MakeDirectory("/d", "0755", "root", "root"),
        MakeLink("/l", "x"),
        RemovePath("/l", "link:x"),
        SetAccess("/f", "0600", "root", "root"),
    ):
        order.clear()
        host.execute(action)
        syncs.append([step for step in order if step.startswith("sync")])

    assert ["sync file", "publish.ready", "write.renamed", "sync directory", "write.done"] == written
    assert [["sync directory"] * 2, ["sync directory"], ["sync directory"], ["sync file"]] == syncs


def test_a_directory_that_cannot_be_synced_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the last sync fails the write is reported as failed, since it may not survive a power cut."""
    host = tree(tmp_path)
    fsync = os.fsync

    def fail(fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(5, "Input/output error")
        fsync(fd)

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ActionFailed, match="power cut"):
        host.execute(write("/f"))
