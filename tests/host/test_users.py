"""Users on all hosts: useradd, usermod and userdel on the live one, the same text elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.core.actions import Account, AccountOp, MakeDirectory
from reconciler.core.basics.digest import digest
from reconciler.core.host import ActionFailed
from reconciler.formats.accounts.account_files import accounts
from reconciler.host.accounts.offline_edits import today
from tests.host.hosts_under_test import LOGIN_DEFS, MAKERS, Host, write

pytestmark = pytest.mark.slow

every_host = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
FILES = ("passwd", "shadow", "group", "gshadow", "subuid", "subgid")
ALICE = {"home_dir": "/home/alice", "shell": "/bin/bash"}
USER_DEFS = (
    "UID_MIN 41000\nUID_MAX 41003\nSYS_UID_MIN 5101\nSYS_UID_MAX 5103\nSUB_UID_COUNT 10\nSUB_GID_COUNT"
    " 10\nPASS_MAX_DAYS 99999\n"
)
USER_DEFS += (
    "PASS_MIN_DAYS 0\nPASS_WARN_AGE 7\nSUB_UID_MIN 100000\nSUB_GID_MIN 100000\nSUB_UID_MAX"
    " 600100000\nSUB_GID_MAX 600100000\n"
)
USER_DEFS += "USERGROUPS_ENAB yes\n"


def prepared(host: Host) -> Host:
    """The host with the files that users need."""
    more = {"shadow": "root:*:19000:0:99999:7:::\napi:!:19000::::::\n", "subuid": "", "subgid": ""}
    for name, text in more.items():
        host.execute(write(f"/etc/{name}", text.encode(), mode="0640" if name == "shadow" else "0644"))
    before = host.read("/etc/login.defs")
    host.execute(write("/etc/login.defs", (LOGIN_DEFS + USER_DEFS).encode(), digest(before)))
    return host


def do(host: Host, op: AccountOp, name: str, **fields: str) -> None:
    """One account action."""
    host.execute(Account(op, name, tuple((key.replace("_", "-"), value) for key, value in fields.items())))


def texts(host: Host) -> dict[str, str]:
    """The account files, the order of groups in them aside."""
    found = {name: host.read(f"/etc/{name}").decode() for name in FILES}
    return {name: "\n".join(sorted(text.splitlines())) for name, text in found.items()}


def story(host: Host) -> list[dict[str, str]]:
    """The account files after each of many commands. usermod --prefix asks the machine it runs on for groups:
    hence those of any system.
    """
    ops = AccountOp
    seen = []
    for op, name, fields in (
        (
            ops.USERADD,
            "alice",
            {
                "comment": "Alice, research",
                "home_dir": "/home/alice",
                "shell": "/bin/bash",
                "groups": "daemon,shadow",
            },
        ),
        (ops.USERADD, "ml-api", {"system": "yes", "home_dir": "/nonexistent", "shell": "/usr/sbin/nologin"}),
        (
            ops.USERADD,
            "ml-too",
            {
                "gid": "daemon",
                "uid": "41002",
                "home_dir": "/home/x",
                "shell": "/bin/sh",
                "expiredate": "24652",
            },
        ),
        (ops.USERMOD, "alice", {"comment": "", "shell": "/bin/sh", "remove": "shadow"}),
        (ops.USERMOD, "alice", {"append": "shadow", "expiredate": "24652"}),
        (ops.USERMOD, "alice", {"expiredate": "1", "lock": "yes"}),
        (ops.USERMOD, "alice", {"expiredate": "", "unlock": "yes"}),
        (ops.USERMOD, "alice", {"gid": "daemon"}),
        (ops.USERDEL, "ml-api", {}),
        (ops.USERDEL, "alice", {}),
    ):
        do(host, op, name, **fields)
        seen.append(texts(host))
    return seen


def test_every_host_does_what_shadow_utils_do(tmp_path: Path) -> None:
    """After each command the files of all hosts are the same."""
    stories = {}
    for name, make in MAKERS.items():
        (tmp_path / name).mkdir()
        stories[name] = story(prepared(make(tmp_path / name)))
    first = stories.pop("tree")

    for name, other in stories.items():
        assert first == other, name


@every_host
def test_a_new_user(make: Callable[[Path], Host], tmp_path: Path) -> None:
    """Every file gets its line; nothing that works as a password is in it; there is no home yet."""
    host = prepared(make(tmp_path))
    do(host, AccountOp.USERADD, "alice", **ALICE)

    assert host.read("/etc/passwd").decode().endswith("alice:x:41000:41000::/home/alice:/bin/bash\n")
    assert host.read("/etc/shadow").decode().endswith(f"alice:!:{today()}:0:99999:7:::\n")
    assert host.read("/etc/gshadow").decode().endswith("alice:!::\n")
    assert "alice:100000:10\n" == host.read("/etc/subuid").decode()
    assert host.entry("/home/alice") is None


@every_host
@pytest.mark.parametrize("lost", ["shadow", "group", "gshadow", "subuid", "subgid"])
def test_a_half_made_user_is_completed(make: Callable[[Path], Host], lost: str, tmp_path: Path) -> None:
    """Whichever line is missing, useradd and usermod add it; the password that works is still none."""
    host = prepared(make(tmp_path))
    do(host, AccountOp.USERADD, "alice", **ALICE)
    before, text = texts(host), host.read(f"/etc/{lost}")
    for op, fields in ((AccountOp.USERMOD, {"complete": lost}), (AccountOp.USERADD, ALICE)):
        rest = b"".join(line for line in text.splitlines(keepends=True) if not line.startswith(b"alice:"))
        host.execute(write(f"/etc/{lost}", rest, digest(host.read(f"/etc/{lost}")), mode="0640"))
        assert lost in accounts(host).missing("alice")
        do(host, op, "alice", **fields)

        assert before == texts(host)


@every_host
def test_what_cannot_be(make: Callable[[Path], Host], tmp_path: Path) -> None:
    """A taken uid, a group that is not there, a user that is not there: told, and no file is another."""
    host = prepared(make(tmp_path))
    do(host, AccountOp.USERADD, "alice", uid="41001")
    before = texts(host)
    for op, name, fields in (
        (AccountOp.USERADD, "bob", {"uid": "41001"}),
        (AccountOp.USERADD, "alice", {"uid": "41002"}),
        (AccountOp.USERADD, "bob", {"groups": "nowhere"}),
        (AccountOp.USERADD, "bob", {"gid": "nowhere"}),
        (AccountOp.USERMOD, "bob", {"shell": "/bin/sh"}),
        (AccountOp.USERMOD, "alice", {"password": "x"}),
        (AccountOp.USERADD, "bob", {"uid": "-1"}),
    ):
        with pytest.raises(ActionFailed):
            do(host, op, name, **fields)

        assert before == texts(host), (op, name, fields)
    do(host, AccountOp.USERDEL, "bob")


@every_host
def test_a_home_is_filled_from_its_skeleton(make: Callable[[Path], Host], tmp_path: Path) -> None:
    """Files, directories and links are copied with their modes and are the user's; the home is whole before
    it is his.
    """
    host = prepared(make(tmp_path))
    for path in ("/etc/skel", "/etc/skel/.config", "/home"):
        host.execute(MakeDirectory(path, "0755", "root", "root"))
    host.execute(write("/etc/skel/.bashrc", b"# hello\n", mode="0640"))
    host.execute(write("/etc/skel/.config/x", b"x\n", mode="0600"))
    do(host, AccountOp.USERADD, "alice")
    host.execute(MakeDirectory("/home/alice", "0700", "alice", "alice", skeleton="/etc/skel"))
    found = {path: host.entry(f"/home/alice{path}") for path in ("", "/.bashrc", "/.config", "/.config/x")}

    assert ["0700", "0640", "0755", "0600"] == [entry.mode if entry else "" for entry in found.values()]
    assert {("alice", "alice")} == {(entry.owner, entry.group) for entry in found.values() if entry}
    assert b"x\n" == host.read("/home/alice/.config/x")
    with pytest.raises(ActionFailed):
        host.execute(MakeDirectory("/home/alice", "0700", "api", "api", skeleton="/etc/skel/.config"))
