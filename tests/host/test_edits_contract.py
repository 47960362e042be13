"""Every host edits lines, and writes below a home as its user, with the same results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.core.actions import ABSENT, Action, EditLines, MakeDirectory, MakeLink, SetAccess, WriteFile
from reconciler.core.basics.digest import digest
from reconciler.host.files.lines import edited
from reconciler.host.simulation.host import SimulatedHost
from tests.host.hosts_under_test import (
    GROUP,
    MAKERS,
    PASSWD,
    Host,
    as_ordinary_user,
    place_for_everybody,
    tree,
    write,
)
from tests.host.test_contract import outcome

pytestmark = pytest.mark.slow

USERS = (
    PASSWD
    + "alice:x:41500:41501::/home/alice:/bin/bash\nbob:x:41502:41502::/home/bob:/bin/bash\nlost:x:41503:41503::/:/bin/sh\n"
)
GROUPS = GROUP + "staff-a:x:41501:\nextra:x:41505:alice\nbob:x:41502:\n"
S = "/home/alice/.ssh"
F = f"{S}/authorized_keys"
OLD = b"# mine\r\none\ntwo"


def _text(path: str, old: str, new: str) -> WriteFile:
    return WriteFile(path, new.encode(), digest(new.encode()), "0644", "root", "root", digest(old.encode()))


READY: list[Action] = [
    _text("/etc/passwd", PASSWD, USERS),
    _text("/etc/group", GROUP, GROUPS),
    MakeDirectory("/home", "0755", "root", "root"),
    MakeDirectory("/home/alice", "0750", "alice", "staff-a"),
    MakeDirectory("/home/bob", "0750", "bob", "bob"),
    MakeDirectory("/srv", "0755", "root", "root"),
]


def ready(host: Host) -> Host:
    """The host with users and homes."""
    for action in READY:
        host.execute(action)
        if not isinstance(host, SimulatedHost):
            host.forget()
    return host


def edit(
    add: tuple[str, ...] = (), remove: tuple[str, ...] = (), expects: str = ABSENT, path: str = F, **more: str
) -> EditLines:
    """An edit of alice's keys with her rights."""
    said = {"mode": "0600", "owner": "alice", "group": "", "as_user": "alice", **more}
    return EditLines(path, add, remove, expects=expects, **said)


def plain(add: tuple[str, ...] = (), remove: tuple[str, ...] = (), expects: str = ABSENT) -> EditLines:
    """An edit of root's file."""
    return EditLines("/srv/f", add, remove, "0644", "root", "root", expects)


def _as(action: WriteFile, user: str = "alice") -> WriteFile:
    return replace(action, owner=user, group="", as_user=user)


MKDIR = MakeDirectory(S, "0700", "alice", "", "alice")
DOT = MakeDirectory(S, "0755", "alice", "staff-a")

CASES: dict[str, tuple[list[Action], list[str]]] = {
    "edit into nothing": ([plain(("one",))], ["/srv/f"]),
    "edit": ([write("/srv/f", OLD), plain(("three", "one"), ("two",), digest(OLD))], ["/srv/f"]),
    "edit that moves a line": ([write("/srv/f", OLD), plain(("one",), ("one",), digest(OLD))], ["/srv/f"]),
    "edit of access only": ([write("/srv/f", OLD, mode="0600", owner="api"), plain((), (), digest(OLD))], ["/srv/f"]),
    "edit that takes out of nothing": ([plain((), ("one",))], ["/srv/f", "/srv"]),
    "edit that makes an empty file": ([plain()], ["/srv/f"]),
    "edit of what has changed": ([write("/srv/f", OLD), plain(("x",), (), digest(b"other"))], ["/srv/f"]),
    "edit of what is gone": ([plain(("x",), (), digest(OLD))], ["/srv/f"]),
    "edit of what appeared": ([write("/srv/f", OLD), plain(("x",))], ["/srv/f"]),
    "edit through a link": ([MakeLink("/srv/f", "/etc/passwd"), plain(("x",), (), "link:/etc/passwd")], ["/srv/f", "/etc/passwd"]),
    "edit of a directory": ([MakeDirectory("/srv/f", "0755", "root", "root"), plain(("x",), (), "directory")], ["/srv/f"]),
    "edit without directory": ([edit(("x",), path="/srv/a/f", as_user="")], ["/srv/a"]),
    "keys from nothing": ([MKDIR, edit(("one", "two"))], [S, F]),
    "keys without a directory": ([edit(("one",))], [S]),
    "keys edited": ([MKDIR, edit(("one",)), edit(("two",), ("one",), digest(b"one\n"))], [S, F]),
    "keys made his": ([DOT, write(F, OLD), SetAccess(S, "0700", "alice", "", "alice"), edit((), (), digest(OLD))], [S, F]),
    "file as user": ([MKDIR, _as(write(F, b"x\n", mode="0640"))], [F]),
    "file of a group of his": ([EditLines("/home/alice/f", ("x",), (), "0640", "alice", "extra", as_user="alice")], ["/home/alice/f"]),
    "directory as user twice": ([MKDIR, MKDIR], [S]),
    "no such user": ([edit(("x",), as_user="nobody-knows")], [F]),
    "user without a home": ([edit(("x",), path="/x", as_user="lost")], ["/x"]),
    "not below the home": ([edit(("x",), path="/srv/f")], ["/srv/f"]),
    "beside the home": ([edit(("x",), path="/home/alicex")], ["/home"]),
    "another's home": ([edit(("x",), path="/home/bob/f")], ["/home/bob/f"]),
    "home is a link": ([MakeLink("/home/l", "/srv"), edit(("x",), path="/home/l/f")], ["/srv/f"]),
    "directory is a link": ([MakeLink(S, "/srv"), edit(("x",))], [S, "/srv/authorized_keys", "/srv"]),
    "directory is a file": ([write(S), edit(("x",))], [S]),
    "directory is another's": ([MakeDirectory(S, "0777", "bob", "bob"), edit(("x",))], [S]),
    "file is a link": ([MKDIR, MakeLink(F, "/etc/passwd"), edit(("x",), (), "link:/etc/passwd")], [S, F, "/etc/passwd"]),
    "file is a link, written": ([MKDIR, MakeLink(F, "/etc/passwd"), _as(write(F, b"x", "link:/etc/passwd"))], [S, F, "/etc/passwd"]),
    "file is a directory": ([MKDIR, MakeDirectory(F, "0700", "alice", "staff-a"), edit(("x",), (), "directory")], [F]),
    "file is another's": ([MKDIR, write(F, OLD, owner="bob"), edit(("x",), (), digest(OLD))], [F]),
    "directory in place of a link": ([MakeLink(S, "/srv"), MKDIR], [S, "/srv"]),
    "access of a link": ([MakeLink(S, "/srv"), SetAccess(S, "0700", "alice", "", "alice")], [S, "/srv"]),
    "access of another's": ([MakeDirectory(S, "0777", "bob", "bob"), SetAccess(S, "0700", "alice", "", "alice")], [S]),
}  # fmt: skip

EXPECTED_TO_FAIL = {
    "edit of what has changed": [1], "edit of what is gone": [0], "edit of what appeared": [1], "edit through a link": [1],
    "edit of a directory": [1], "edit without directory": [0], "keys without a directory": [0], "no such user": [0],
    "user without a home": [0], "not below the home": [0], "beside the home": [0], "another's home": [0], "home is a link": [1],
    "directory is a link": [1], "directory is a file": [1], "directory is another's": [1], "file is a link": [2],
    "file is a link, written": [2], "file is a directory": [2], "file is another's": [2], "directory in place of a link": [1],
    "access of a link": [1], "access of another's": [1],
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("maker", MAKERS)
def test_hosts_agree(maker: str, case: str, tmp_path: Path) -> None:
    """Each host shows the same results, refusals and saved content as a tree, and refuses exactly what cannot
    be done.
    """
    actions, looks = CASES[case]
    expected = outcome(ready(tree(tmp_path / "first")), actions, looks)

    actual = outcome(ready(MAKERS[maker](tmp_path / "second")), actions, looks)

    assert EXPECTED_TO_FAIL.get(case, []) == actual["failed"], actual["summaries"]
    assert expected == actual


def test_an_ordinary_user_gets_the_same_in_a_tree() -> None:
    """Where owners are only recorded, the walk through a home refuses the same things."""
    with place_for_everybody() as place:

        def work() -> list[object]:
            results: list[object] = []
            for number, (actions, looks) in enumerate(CASES.values()):
                results.append(outcome(ready(tree(place / str(number))), actions, looks))
            return results

        found = as_ordinary_user(work, place)

    for (case, (actions, looks)), actual in zip(CASES.items(), found, strict=True):
        expected = outcome(ready(MAKERS["simulated-in-memory"](Path())), actions, looks)

        assert expected == actual, case


EDITS = {
    "nothing": (b"a\nb", (), (), b"a\nb"),
    "carriage returns stay": (b"a\r\nb\r\n", ("c",), (), b"a\r\nb\r\nc\n"),
    "a carriage return is no part of a line": (b"a\r\nb\r\n", ("b",), ("a",), b"b\r\n"),
    "a lone carriage return is": (b"a\rb\n", (), ("a", "b"), b"a\rb\n"),
    "a missing line end stays": (b"a\nb", (), ("a",), b"b"),
    "a missing line end is made good before a new line": (b"a\nb", ("c",), (), b"a\nb\nc\n"),
    "every occurrence goes": (b"a\nb\na\na", (), ("a",), b"b\n"),
    "only whole lines": (b"ab\na b\n", ("a",), ("b",), b"ab\na b\na\n"),
    "each line once": (b"", ("a", "a"), (), b"a\n"),
    "blank lines stay": (b"\n\na\n\n", (), ("a",), b"\n\n\n"),
    "bytes that are no text stay": (b"\xff\n\x00\n", ("\udcfe",), (), b"\xff\n\x00\n\xfe\n"),
    "other line ends are none": ("a\u2028b\x0bc\n".encode(), (), ("a", "b"), "a\u2028b\x0bc\n".encode()),
}


@pytest.mark.parametrize("name", EDITS)
def test_lines(name: str) -> None:
    """Everything that is not asked for stays to the byte."""
    before, add, remove, after = EDITS[name]

    assert after == edited(before, add, remove)
    assert after == edited(after, add, ())
