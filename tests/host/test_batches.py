"""Actions that were announced together are done in fewer steps, and promise what they promise one by one."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.actions import (
    ABSENT,
    Action,
    Check,
    EditLines,
    MakeDirectory,
    MakeLink,
    RemovePath,
    SetAccess,
    WriteFile,
)
from reconciler.core.basics.digest import digest
from reconciler.core.host import ActionFailed, Unreadable, UnsafePath
from reconciler.host.files.homes import as_user
from reconciler.host.files.homes.home import HomeAction, HomeRoot
from reconciler.host.live import LiveHost
from reconciler.host.process import failpoints
from reconciler.host.process.run import Result
from reconciler.host.validators import logrotate, validators
from tests.host.hosts_under_test import base_tree

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: owners, and giving up rights")

UID = 41500
KEYS = "/home/alice/.ssh/authorized_keys"
HIS: dict[str, Any] = {"owner": "alice", "group": "", "as_user": "alice"}


@pytest.fixture
def host(tmp_path: Path) -> Iterator[LiveHost]:
    """A tree with the homes of alice and bob."""
    tmp_path.chmod(0o755)
    base_tree(tmp_path)
    for n, name in enumerate(("alice", "bob")):
        with (tmp_path / "etc/passwd").open("a") as file:
            file.write(f"{name}:x:{UID + n}:{UID + n}::/home/{name}:/bin/bash\n")
        with (tmp_path / "etc/group").open("a") as file:
            file.write(f"{name}:x:{UID + n}:\n")
        home = tmp_path / "home" / name
        home.mkdir(parents=True, mode=0o750)
        os.chown(home, UID + n, UID + n)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    found = LiveHost(str(tmp_path))
    yield found
    found.close()


def write(path: str, content: bytes = b"x", **more: object) -> WriteFile:
    """A new file."""
    return WriteFile(path, content, digest(content), "0644", "root", "root", ABSENT, **more)  # type: ignore[arg-type]  # by name


def ssh() -> tuple[MakeDirectory, EditLines]:
    """The actions that give alice a key."""
    return MakeDirectory("/home/alice/.ssh", "0700", **HIS), EditLines(
        KEYS, ("key",), (), "0600", expects=ABSENT, **HIS
    )


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what is made durable, as it happens."""
    found: list[str] = []
    fsync = os.fsync

    def spy(fd: int) -> None:
        name = Path(f"/proc/self/fd/{fd}").readlink().name
        found.append(f"{name}/" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file")
        fsync(fd)

    monkeypatch.setattr(os, "fsync", spy)
    return found


@pytest.fixture
def forks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The children that were made."""
    found: list[int] = []
    fork = os.fork

    def spy() -> int:
        found.append(fork())
        return found[-1]

    monkeypatch.setattr(os, "fork", spy)
    return found


def test_a_directory_is_made_durable_once_for_all_that_is_in_it(host: LiveHost, synced: list[str]) -> None:
    """Each file is synced before it has its name, each directory once, and before `finish` returns."""
    actions: list[Action] = [write("/one/a"), write("/one/b"), MakeLink("/one/c", "a"), write("/two/a")]
    host.prepare(actions)
    for action in actions:
        host.execute(action)
    before = list(synced)
    lost = host.finish()

    assert ["file"] * 3 == before
    assert ["one/", "two/"] == synced[3:]
    assert {} == lost


def test_what_was_put_in_place_is_durable_before_something_goes(host: LiveHost, synced: list[str]) -> None:
    """A file that replaces a removed one survives a power cut for sure before the removal can."""
    host.execute(write("/two/old"))
    synced.clear()
    actions: list[Action] = [write("/one/new"), RemovePath("/two/old", digest(b"x"))]
    host.prepare(actions)
    for action in actions:
        host.execute(action)
    first = list(synced)
    host.finish()

    assert ["file", "one/"] == first
    assert ["file", "one/", "two/"] == synced


def test_without_announcement_each_action_is_durable_at_once(host: LiveHost, synced: list[str]) -> None:
    """Who announces nothing, or has finished, gets the promise with each action."""
    host.prepare([write("/one/a"), write("/one/b")])
    host.finish()
    host.execute(write("/one/a"))

    assert ["file", "one/"] == synced


def test_a_directory_that_cannot_be_made_durable_is_told_of_all_in_it(
    host: LiveHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An action of a batch fails when its directory could not be synced, and no other does."""
    actions = [write("/one/a"), write("/one/b"), write("/two/a")]
    host.prepare(actions)
    for action in actions:
        host.execute(action)
    fsync = os.fsync

    def fail(fd: int) -> None:
        if Path(f"/proc/self/fd/{fd}").readlink().name == "one":
            raise OSError(5, "Input/output error")
        fsync(fd)

    monkeypatch.setattr(os, "fsync", fail)
    lost = host.finish()

    assert ["/one/a", "/one/b"] == list(lost)
    assert (
        "done, but it may not survive a power cut: /one/a: its directory: Input/output error"
        == lost["/one/a"]
    )


def test_descriptors_are_given_back(host: LiveHost) -> None:
    """A batch leaves no descriptor open."""
    actions = [write("/one/a"), write("/two/a")]
    host.entry("/one")
    host.forget()
    before = len(list(Path("/proc/self/fd").iterdir()))
    host.prepare(actions)
    for action in actions:
        host.execute(action)
    host.finish()

    assert before == len(list(Path("/proc/self/fd").iterdir()))


BOBS: dict[str, Any] = {"owner": "bob", "group": "", "as_user": "bob"}


def test_one_child_does_what_comes_next_to_each_other(
    host: LiveHost, forks: list[int], tmp_path: Path
) -> None:
    """Consecutive actions in homes, whoever owns them, are done by one process, and each result belongs to
    the owner of its home.
    """
    actions: list[Action] = [
        *ssh(),
        MakeDirectory("/home/bob/.ssh", "0700", **BOBS),
        write("/one/a"),
        MakeDirectory("/home/bob/a", "0700", **BOBS),
    ]
    host.prepare(actions)
    for action in actions:
        host.execute(action)
    host.finish()

    assert 2 == len(forks)
    assert b"key\n" == (tmp_path / KEYS[1:]).read_bytes()
    assert [UID, UID + 1, UID + 1] == [
        (tmp_path / "home" / name).stat().st_uid for name in ("alice/.ssh", "bob/.ssh", "bob/a")
    ]


@pytest.mark.parametrize(("who", "expected"), [("alice", [0, UID, 0, UID]), ("bob", [UID + 1] * 4)])
def test_each_user_in_turn_has_his_own_rights_only(
    who: str, expected: list[int], host: LiveHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a child for two users the effective ids, groups and capabilities are those of whose turn it is; the
    last one has no others.
    """
    perform = as_user._perform

    def telling(walk: HomeRoot, ownership: Any, action: HomeAction) -> None:
        if action.as_user != who:
            perform(walk, ownership, action)
            return
        status = {
            line.split(":")[0]: line.split()[1:]
            for line in Path("/proc/self/status").read_text().splitlines()
        }
        told = {name: status[name] for name in ("Uid", "Gid", "Groups", "CapEff", "CapPrm")}
        raise ActionFailed(json.dumps(told | {"dumpable": ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)}))

    monkeypatch.setattr(as_user, "_perform", telling)
    actions = [MakeDirectory("/home/alice/a", "0700", **HIS), MakeDirectory("/home/bob/b", "0700", **BOBS)]
    host.prepare(actions)
    with pytest.raises(ActionFailed) as caught:
        [host.execute(action) for action in actions]
    told = json.loads(caught.value.summary)

    assert expected == [int(one) for one in told["Uid"]]
    assert [expected[1]] * 4 == [int(one) for one in told["Gid"]]
    assert [str(expected[1])] == told["Groups"]
    assert ["0" * 16] == told["CapEff"]
    assert who == "alice" or told["CapPrm"] == ["0" * 16]
    assert 0 == told["dumpable"]


def test_whoever_comes_next_nobody_can_do_more_than_he_may(host: LiveHost, tmp_path: Path) -> None:
    """A directory of root's in alice's home stays shut to her, in a child that goes on for bob; he has what
    is his afterwards.
    """
    (tmp_path / "home/alice/shut").mkdir(mode=0o700)
    actions = [
        MakeDirectory("/home/alice/shut/a", "0700", **HIS),
        MakeDirectory("/home/bob/b", "0700", **BOBS),
    ]
    host.prepare(actions)
    with pytest.raises(Unreadable, match="Permission denied"):
        host.execute(actions[0])
    host.execute(actions[1])

    assert not (tmp_path / "home/alice/shut/a").exists()
    assert UID + 1 == (tmp_path / "home/bob/b").stat().st_uid


def test_a_home_that_is_not_there_yet_waits_for_its_turn(
    host: LiveHost, forks: list[int], tmp_path: Path
) -> None:
    """The second user's home, made by the first user's action, is there when the second one's turn comes."""
    (tmp_path / "home/bob").rmdir()
    actions = [MakeDirectory("/home/alice/a", "0700", **HIS), MakeDirectory("/home/bob/b", "0700", **BOBS)]
    host.prepare(actions)
    host.execute(actions[0])
    (tmp_path / "home/bob").mkdir()
    os.chown(tmp_path / "home/bob", UID + 1, UID + 1)
    host.execute(actions[1])

    assert 2 == len(forks)
    assert UID + 1 == (tmp_path / "home/bob/b").stat().st_uid


def test_what_a_child_did_ahead_fails_in_its_turn(host: LiveHost, forks: list[int], tmp_path: Path) -> None:
    """The first action stays done; the failure of the second is raised when that is asked for, with its own
    words.
    """
    directory, edit = ssh()
    host.execute(directory)
    (tmp_path / KEYS[1:]).mkdir()
    os.chown(tmp_path / KEYS[1:], UID, UID)
    forks.clear()
    other = MakeDirectory("/home/alice/papers", "0750", **HIS)
    host.prepare([other, edit])
    host.execute(other)
    with pytest.raises(UnsafePath, match="not a regular file"):
        host.execute(edit)

    assert 1 == len(forks)
    assert (tmp_path / "home/alice/papers").is_dir()


def test_after_a_failure_nothing_more_is_done(host: LiveHost, tmp_path: Path) -> None:
    """The child does not go on to what may need the action that failed."""
    directory, edit = ssh()
    (tmp_path / "home/alice/.ssh").write_bytes(b"")
    os.chown(tmp_path / "home/alice/.ssh", UID, UID)
    other = MakeDirectory("/home/alice/papers", "0750", **HIS)
    host.prepare([directory, other, edit])
    with pytest.raises(UnsafePath, match="not a directory"):
        host.execute(directory)

    assert not (tmp_path / "home/alice/papers").exists()


def test_a_child_killed_at_the_second_action_fails_that_one(
    host: LiveHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An action that the child had confirmed is done; the one it was at is not believed, and not tried behind
    its back.
    """
    parent = os.getpid()

    def kill(name: str) -> None:
        if name == "publish.ready" and os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(failpoints, "hit", kill)
    directory, edit = ssh()
    host.prepare([directory, edit])
    host.execute(directory)
    with pytest.raises(ActionFailed, match="not confirmed"):
        host.execute(edit)


def test_an_access_is_never_done_ahead(host: LiveHost, forks: list[int], tmp_path: Path) -> None:
    """A change of access may be root's to make: it is looked at when its turn has come."""
    directory, _ = ssh()
    access = SetAccess("/home/alice/.ssh", "0711", **HIS)
    host.prepare([directory, access])
    host.execute(directory)
    before = stat.S_IMODE((tmp_path / "home/alice/.ssh").stat().st_mode)
    host.execute(access)

    assert (0o700, 0o711) == (before, stat.S_IMODE((tmp_path / "home/alice/.ssh").stat().st_mode))
    assert 2 == len(forks)


POLICIES = [
    write(f"/etc/logrotate.d/p{n}", b"/var/log/p%d.log {\n    daily\n}\n" % n, check=Check.LOGROTATE)
    for n in range(3)
]
SEEN = "".join(f"rotating pattern: /var/log/p{n}.log  after 1 days\n" for n in range(3)).encode()


@pytest.mark.parametrize(
    ("said", "accepted"),
    [
        (SEEN, 3),
        (SEEN + b"error: p1:2 unknown option 'dally' -- ignoring line\n", 0),
        (SEEN.replace(b"p2", b"p9"), 0),
        (SEEN + b"error: stat of /var/log/p1.log failed: No such file or directory\n", 3),
    ],
    ids=["all are taken", "an error", "one is not seen", "a log that is not there yet"],
)
def test_policies_are_judged_together_only_if_all_are_well(
    said: bytes, accepted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One call for all of them; with the least doubt none counts as judged, and each is judged by itself."""
    calls: list[list[str]] = []

    def run(argv: list[str], **_: object) -> Result:
        calls.append(argv)
        return Result(0, b"", said)

    monkeypatch.setattr(logrotate, "run", run)
    monkeypatch.setattr(logrotate, "_including", lambda *_: b"")
    monkeypatch.setattr(os, "listdir", lambda _: [])
    found = validators.judged(POLICIES)

    assert accepted == len(found)
    assert 1 == len(calls)
