"""Actions of a batch in a tree: accounts are written once, users' files are made by one process."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from reconciler.core.actions import (
    ABSENT,
    Account,
    AccountOp,
    Action,
    EndSessions,
    MakeDirectory,
    PathAction,
    RemovePath,
    RemoveTree,
    SetAccess,
    WriteFile,
)
from reconciler.core.basics.digest import digest
from reconciler.core.host import ACCOUNT_FILES, ActionFailed
from reconciler.host.files.files import Files
from reconciler.host.tree import TreeHost

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: owners, and giving up rights")

LOCK = (("expiredate", "1"), ("lock", "yes"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The account files of a new system."""
    root = tmp_path / "tree"
    (root / "etc").mkdir(parents=True)
    for name, text in {
        "passwd": "root:x:0:0::/root:/bin/sh\n",
        "group": "root:x:0:\n",
        "shadow": "",
        "gshadow": "",
    }.items():
        (root / "etc" / name).write_text(text)
    return root


@pytest.fixture
def host(root: Path, tmp_path: Path) -> Iterator[TreeHost]:
    """The tree."""
    host = TreeHost(str(root), str(tmp_path / "state"))
    yield host
    host.close()


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths at which something is done, as it happens."""
    written: list[str] = []
    execute = Files.execute

    def noted(self: Files, action: PathAction) -> str:
        written.append(action.path)
        return execute(self, action)

    monkeypatch.setattr(Files, "execute", noted)
    return written


def do(host: TreeHost, actions: Sequence[Action]) -> None:
    """Announce the actions, and do them."""
    host.prepare(actions)
    for action in actions:
        host.execute(action)


def test_accounts_of_a_batch_are_written_once(host: TreeHost, written: list[str]) -> None:
    """Each account file is written once for fifty accounts in a row, before what comes after them, and passwd
    last.
    """
    after = WriteFile("/etc/after", b"", digest(b""), "0644", "root", "root", ABSENT)
    do(host, [*(Account(AccountOp.USERADD, f"u{n}", (("system", ""),)) for n in range(50)), after])

    assert {} == host.finish()
    assert len(written) == len(set(written))
    assert ["/etc/group", "/etc/passwd", "/etc/after"] == [path for path in written if "shadow" not in path]
    assert host.read("/etc/passwd").decode().count("\nu") == 50


@pytest.mark.parametrize("many", [3, 30])
def test_accounts_that_leave_with_their_homes_are_written_once(
    host: TreeHost, root: Path, written: list[str], many: int
) -> None:
    """Each account file is written once, though homes, mail and jobs go in between; at the end all of it is on
    disk.
    """
    names = [f"u{n}" for n in range(many)]
    do(host, [Account(AccountOp.USERADD, name) for name in names])
    host.finish()
    for directory in ("home", "var/mail", "var/spool/cron/crontabs"):
        (root / directory).mkdir(parents=True)
    for name in names:
        (root / "home" / name).mkdir()
    written.clear()
    actions: list[Action] = []
    for name in names:
        actions += [
            RemovePath(f"/var/spool/cron/crontabs/{name}", ABSENT),
            RemoveTree(f"/var/mail/{name}"),
            Account(AccountOp.USERMOD, name, LOCK),
            EndSessions(name),
            SetAccess(f"/home/{name}", "0700", "root", "root"),
            RemoveTree(f"/home/{name}"),
            Account(AccountOp.USERDEL, name),
        ]
    do(host, actions)

    assert {} == host.finish()
    accounts = [path for path in written if path.startswith("/etc/")]
    assert ["/etc/shadow", "/etc/gshadow", "/etc/group", "/etc/passwd"] == accounts
    assert "root:x:0:0::/root:/bin/sh\n" == (root / "etc/passwd").read_text()
    assert [] == list((root / "home").iterdir())


@pytest.mark.parametrize(
    "action",
    [
        RemovePath("/etc/rule", "file:0"),
        SetAccess("/srv", "0755", "root", "root"),
        SetAccess("/srv", "0700", "u2", "root"),
        MakeDirectory("/srv/new", "0755", "root", "root"),
    ],
    ids=["rule that goes", "opened", "given away", "new"],
)
def test_other_actions_wait_for_the_accounts_before_them(
    host: TreeHost, root: Path, written: list[str], action: PathAction
) -> None:
    """A rule that goes, what is opened or made, and what somebody gets, come after the account files."""
    (root / "srv").mkdir()
    do(host, [Account(AccountOp.USERADD, "u1"), Account(AccountOp.USERADD, "u2")])
    host.finish()
    written.clear()
    host.prepare([])
    host.execute(Account(AccountOp.USERDEL, "u1"))
    try:
        host.execute(action)
    except ActionFailed:
        assert "/etc/rule" == action.path

    assert ["/etc/passwd", action.path] == written[-2:]


def test_a_leavers_account_is_looked_at_as_it_is_by_now(host: TreeHost, root: Path) -> None:
    """Who reads passwd after a deletion and a home that went sees neither the account nor the home."""
    (root / "home/u1").mkdir(parents=True)
    host.execute(Account(AccountOp.USERADD, "u1"))
    do(host, [RemoveTree("/home/u1"), Account(AccountOp.USERDEL, "u1"), RemoveTree("/home/u1")])

    assert b"u1" not in host.read("/etc/passwd")
    host.finish()


def test_account_files_are_durable_one_after_the_other(
    host: TreeHost, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a batch, what was made before is durable before the first account file, and each of these before
    the next: passwd last.
    """
    story: list[str] = []
    fsync = os.fsync

    def synced(fd: int) -> None:
        name = Path(f"/proc/self/fd/{fd}").readlink().name
        story.append(f"{name}/" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file")
        fsync(fd)

    (root / "srv").mkdir()
    monkeypatch.setattr(os, "fsync", synced)
    write = [WriteFile(f"/srv/{n}", b"", digest(b""), "0644", "root", "root", ABSENT) for n in range(3)]
    do(host, [*write[:2], Account(AccountOp.USERADD, "u1"), write[2]])
    before = list(story)

    assert {} == host.finish()
    assert [*["file"] * 2, "srv/", *["file", "etc/"] * 4, "file"] == before
    assert ["srv/"] == story[len(before) :]


def test_one_process_makes_what_is_users_own(
    host: TreeHost, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty directories in thirty homes are made by one process, and each belongs to whose home it is in."""
    names = [f"u{n}" for n in range(30)]
    (root / "home").mkdir()
    homes = [MakeDirectory(f"/home/{name}", "0750", name, name) for name in names]
    do(host, [*(Account(AccountOp.USERADD, name) for name in names), *homes])
    host.finish()
    forks: list[int] = []
    fork = os.fork

    def counted() -> int:
        forks.append(fork())
        return forks[-1]

    monkeypatch.setattr(os, "fork", counted)
    do(host, [MakeDirectory(f"/home/{name}/work", "0700", name, name, as_user=name) for name in names])

    assert {} == host.finish()
    assert 1 == len(forks)
    owners = [(root / "home" / name / "work").stat().st_uid for name in names]
    assert owners == [(root / "home" / name).stat().st_uid for name in names]
    assert 30 == len(set(owners))


def test_accounts_that_could_not_be_written_are_not_done(
    host: TreeHost, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full when the accounts of a batch are written: `finish` says so, and the next batch begins
    with what is there.
    """
    before = (root / "etc/passwd").read_bytes()
    account = Account(AccountOp.USERADD, "u1", (("system", ""),))
    execute = Files.execute

    def full(self: Files, action: PathAction) -> str:
        if action.path == "/etc/passwd":
            raise ActionFailed("no space left on device", action.path)
        return execute(self, action)

    with monkeypatch.context() as patch:
        patch.setattr(Files, "execute", full)
        do(host, [account])
        assert "no space left" in host.finish()[ACCOUNT_FILES]
    assert before == (root / "etc/passwd").read_bytes()
    host.execute(account)

    assert b"\nu1:" in (root / "etc/passwd").read_bytes(), "without `prepare` it is written at once"
