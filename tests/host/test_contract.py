"""Every host gives the same answers to the same table of operations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.actions import (
    Account,
    AccountOp,
    Action,
    MakeDirectory,
    MakeLink,
    RemovePath,
    SetAccess,
    Unit,
    UnitVerb,
    WriteFile,
)
from reconciler.core.basics.digest import digest
from reconciler.core.host import ActionFailed, Entry, FileType, HostError, PreImage, UnitState
from tests.host.hosts_under_test import MAKERS, Host, snapshot, write

pytestmark = pytest.mark.slow

NEW, OLD = b"new\n", b"old\n"
D = MakeDirectory("/srv", "0755", "root", "root")

CASES: dict[str, tuple[list[Action], list[Any]]] = {
    "write new": ([D, write("/srv/f", NEW, mode="0640", group="api")], ["/srv/f", "/srv"]),
    "write empty": ([D, write("/srv/f", b"")], ["/srv/f"]),
    "write large": ([D, write("/srv/f", bytes(range(256)) * 5000)], ["/srv/f"]),
    "replace": (
        [D, write("/srv/f", OLD), write("/srv/f", NEW, digest(OLD), "0600", "api", "api")],
        ["/srv/f", "/srv"],
    ),
    "replace with setuid": (
        [D, write("/srv/f", OLD), write("/srv/f", NEW, digest(OLD), "4755", "api", "api")],
        ["/srv/f"],
    ),
    "numeric owner": ([D, write("/srv/f", NEW, owner="4242", group="4343")], ["/srv/f"]),
    "unreadable mode": ([D, write("/srv/f", NEW, mode="0000")], ["/srv/f"]),
    "no such user": ([D, write("/srv/f", NEW, owner="nobody-knows")], ["/srv/f", "/srv"]),
    "no such group": ([D, write("/srv/f", NEW, group="nobody-knows")], ["/srv/f", "/srv"]),
    "write where something appeared": ([D, write("/srv/f", OLD), write("/srv/f", NEW)], ["/srv/f", "/srv"]),
    "write what has changed": (
        [D, write("/srv/f", OLD), write("/srv/f", NEW, digest(b"other"))],
        ["/srv/f", "/srv"],
    ),
    "write what is gone": ([D, write("/srv/f", NEW, digest(OLD))], ["/srv/f", "/srv"]),
    "write without directory": ([write("/srv/f", NEW)], ["/srv/f", "/srv"]),
    "write below a file": ([D, write("/srv/f", OLD), write("/srv/f/g", NEW)], ["/srv/f", "/srv/f/g"]),
    "write over a directory": ([D, write("/srv", NEW, "directory")], ["/srv"]),
    "write over a link": (
        [D, MakeLink("/srv/l", "/etc/passwd"), write("/srv/l", NEW, "link:/etc/passwd")],
        ["/srv/l", "/etc/passwd"],
    ),
    "write through a link": ([D, MakeLink("/srv/l", "/etc"), write("/srv/l/f", NEW)], ["/srv/l", "/etc/f"]),
    "directory": ([MakeDirectory("/srv", "2750", "api", "api")], ["/srv", "/"]),
    "directory twice": ([D, MakeDirectory("/srv", "0700", "api", "api")], ["/srv"]),
    "directory that is full": (
        [D, write("/srv/f"), MakeDirectory("/srv", "0700", "api", "api")],
        ["/srv", "/srv/f"],
    ),
    "directory over a file": (
        [D, write("/srv/f"), MakeDirectory("/srv/f", "0700", "api", "api")],
        ["/srv/f"],
    ),
    "directory without parent": ([MakeDirectory("/srv/a", "0700", "api", "api")], ["/srv/a", "/srv"]),
    "access of a file": ([D, write("/srv/f"), SetAccess("/srv/f", "4710", "api", "api")], ["/srv/f"]),
    "access of a directory": ([D, SetAccess("/srv", "3770", "api", "daemon")], ["/srv"]),
    "access of a link": (
        [D, MakeLink("/srv/l", "/etc/passwd"), SetAccess("/srv/l", "0777", "api", "api")],
        ["/srv/l", "/etc/passwd"],
    ),
    "access of nothing": ([D, SetAccess("/srv/f", "0777", "api", "api")], ["/srv/f"]),
    "access back again": (
        [
            D,
            write("/srv/f"),
            SetAccess("/srv/f", "0000", "api", "api"),
            SetAccess("/srv/f", "0644", "root", "root"),
        ],
        ["/srv/f"],
    ),
    "link": ([D, MakeLink("/srv/l", "../etc/x")], ["/srv/l", "/srv"]),
    "link replaced": ([D, MakeLink("/srv/l", "a"), MakeLink("/srv/l", "b", "link:a")], ["/srv/l", "/srv"]),
    "link over a file": (
        [D, write("/srv/f", OLD), MakeLink("/srv/f", "/dev/null", digest(OLD))],
        ["/srv/f", "/srv"],
    ),
    "link over a directory": ([D, MakeLink("/srv", "/dev/null", "directory")], ["/srv"]),
    "link that changed": ([D, MakeLink("/srv/l", "a"), MakeLink("/srv/l", "b", "link:c")], ["/srv/l"]),
    "link into a missing directory": (
        [D, MakeLink("/srv/t.wants/l", "../l")],
        ["/srv/t.wants/l", "/srv/t.wants", "/srv"],
    ),
    "link two levels down": ([D, MakeLink("/srv/a/b/l", "../l")], ["/srv/a/b/l", "/srv/a", "/srv"]),
    "remove a file": ([D, write("/srv/f", OLD), RemovePath("/srv/f", digest(OLD))], ["/srv/f", "/srv"]),
    "remove a changed file": (
        [D, write("/srv/f", OLD), RemovePath("/srv/f", digest(NEW))],
        ["/srv/f", "/srv"],
    ),
    "remove a link": ([D, MakeLink("/srv/l", "a"), RemovePath("/srv/l", "link:a")], ["/srv/l", "/srv"]),
    "remove a directory": ([D, RemovePath("/srv", "directory")], ["/srv", "/"]),
    "remove a full directory": ([D, write("/srv/f"), RemovePath("/srv", "directory")], ["/srv", "/srv/f"]),
    "remove nothing": (
        [D, RemovePath("/srv/f", digest(OLD)), RemovePath("/srv/a/b", "directory")],
        ["/srv/f", "/srv"],
    ),
    "remove and prune": (
        [D, MakeLink("/srv/w/l", "a"), RemovePath("/srv/w/l", "link:a", prune_parent=True)],
        ["/srv/w/l", "/srv/w", "/srv"],
    ),
    "remove and not prune": (
        [
            D,
            MakeLink("/srv/w/l", "a"),
            MakeLink("/srv/w/m", "a"),
            RemovePath("/srv/w/l", "link:a", prune_parent=True),
        ],
        ["/srv/w/l", "/srv/w", "/srv/w/m"],
    ),
    "remove and make again": (
        [D, write("/srv/f"), RemovePath("/srv/f", digest(NEW)), RemovePath("/srv", "directory"), D],
        ["/srv", "/srv/f"],
    ),
    "group": ([Account(AccountOp.GROUPADD, "ml")], ["/etc/group", "/etc/gshadow"]),
    "group with gid": (
        [Account(AccountOp.GROUPADD, "ml", (("gid", "2000"),))],
        ["/etc/group", "/etc/gshadow"],
    ),
    "system group": ([Account(AccountOp.GROUPADD, "ml", (("system", ""),))], ["/etc/group", "/etc/gshadow"]),
    "groups in a row": (
        [Account(AccountOp.GROUPADD, name) for name in ("a", "b", "c")],
        ["/etc/group", "/etc/gshadow"],
    ),
    "groups until none is left": (
        [
            Account(AccountOp.GROUPADD, name, (("system", "yes"),) if name < "k" else ())
            for name in "abcdklmno"
        ],
        ["/etc/group", "/etc/gshadow"],
    ),
    "groups in gaps": (
        [
            *(
                Account(AccountOp.GROUPADD, name, (("gid", gid),))
                for name, gid in (("a", "41003"), ("b", "41001"), ("c", "5102"), ("d", "5101"))
            ),
            *(
                Account(AccountOp.GROUPADD, name, (("system", system),))
                for name, system in (("e", "no"), ("f", "yes"), ("g", "no"))
            ),
        ],
        ["/etc/group", "/etc/gshadow"],
    ),
    "group twice": (
        [Account(AccountOp.GROUPADD, "ml", (("gid", "2000"),))] * 2,
        ["/etc/group", "/etc/gshadow"],
    ),
    "group with another gid": (
        [
            Account(AccountOp.GROUPADD, "ml", (("gid", "2000"),)),
            Account(AccountOp.GROUPADD, "ml", (("gid", "2001"),)),
        ],
        ["/etc/group", "/etc/gshadow"],
    ),
    "gid is taken": ([Account(AccountOp.GROUPADD, "ml", (("gid", "990"),))], ["/etc/group", "/etc/gshadow"]),
    "unknown option": ([Account(AccountOp.GROUPADD, "ml", (("shell", "x"),))], ["/etc/group"]),
    "group and its file": (
        [D, Account(AccountOp.GROUPADD, "ml", (("gid", "2000"),)), write("/srv/f", NEW, group="ml")],
        ["/etc/group", "/srv/f"],
    ),
    "remove a group": ([Account(AccountOp.GROUPDEL, "shadow")], ["/etc/group", "/etc/gshadow"]),
    "remove no group": ([Account(AccountOp.GROUPDEL, "ml")], ["/etc/group", "/etc/gshadow"]),
    "remove a primary group": ([Account(AccountOp.GROUPDEL, "api")], ["/etc/group", "/etc/gshadow"]),
    "units without systemd": ([Unit(UnitVerb.START, ("a.service",)), Unit(UnitVerb.DAEMON_RELOAD)], ["/"]),
}

EXPECTED_TO_FAIL = {
    "no such user": [1], "no such group": [1], "write where something appeared": [2], "write what has changed": [2],
    "write what is gone": [1],
    "write without directory": [0], "write below a file": [2], "write over a directory": [1], "write through a link": [2],
    "directory that is full": [2], "directory over a file": [2], "directory without parent": [0], "access of a link": [2],
    "access of nothing": [1], "link over a directory": [1], "link that changed": [2], "link two levels down": [1],
    "remove a changed file": [2], "remove a full directory": [2], "group with another gid": [1], "gid is taken": [0], "unknown option": [0],
    "remove a primary group": [0], "groups until none is left": [3, 8], "units without systemd": [0, 1],
}  # fmt: skip


def outcome(host: Host, actions: list[Action], looks: list[str]) -> dict[str, Any]:
    """Which actions fail, what is captured before each, and what can be seen afterwards."""
    failed, summaries, captured = [], [], []
    for number, action in enumerate(actions):
        try:
            captured.append(host.capture(action))
            host.execute(action)
        except HostError as error:
            failed.append(number)
            summaries.append((type(error).__name__, error.summary))
    return {
        "failed": failed,
        "summaries": summaries,
        "captured": captured,
        "seen": [look(host, path) for path in looks],
    }


def look(host: Host, path: str) -> dict[str, Any]:
    """Everything that a view says of a path, but for times and sizes of directories and for link counts."""
    try:
        entry = host.entry(path)
    except HostError as error:
        return {"error": type(error).__name__}
    if entry is None:
        return {"entry": None, "names": host.names(path)}
    sizes = {"size": entry.size} if entry.type is FileType.FILE else {}
    content = {"content": host.read(path)} if entry.type is FileType.FILE else {}
    names = (
        {"names": [name for name in host.names(path) if not name.endswith("-")]}
        if entry.type is FileType.DIRECTORY and path != "/"
        else {}
    )
    return {
        "entry": (entry.type, entry.mode, entry.owner, entry.group, entry.target),
        **sizes,
        **content,
        **names,
    }


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("maker", [name for name in MAKERS if name != "tree"])
def test_hosts_agree(maker: str, case: str, tmp_path: Path) -> None:
    """Each host shows the same results, refusals and saved content as the offline tree."""
    actions, looks = CASES[case]
    expected = outcome(MAKERS["tree"](tmp_path), actions, looks)

    actual = outcome(MAKERS[maker](tmp_path), actions, looks)

    if actions and isinstance(actions[0], Account | Unit):
        # Words of groupadd differ from ours; that it refuses does not.
        expected.pop("summaries")
        actual.pop("summaries")
    assert expected == actual


@pytest.mark.parametrize("case", CASES)
def test_refusals(case: str, tmp_path: Path) -> None:
    """Exactly the operations that cannot be done are refused."""
    actions, looks = CASES[case]

    found = outcome(MAKERS["tree"](tmp_path), actions, looks)

    assert EXPECTED_TO_FAIL.get(case, []) == found["failed"]


@pytest.mark.parametrize("maker", MAKERS)
def test_write_shows_exactly_what_was_asked(maker: str, tmp_path: Path) -> None:
    """After a write the file has the content, mode, owner and group of the action,
    and no other name is left.
    """
    host = MAKERS[maker](tmp_path)
    host.execute(D)

    host.execute(write("/srv/f", NEW, mode="2750", owner="api", group="daemon"))

    entry = host.entry("/srv/f")
    assert entry is not None
    assert replace(entry, mtime_ns=0, ctime_ns=0) == Entry(FileType.FILE, "2750", "api", "daemon", len(NEW))
    assert NEW == host.read("/srv/f")
    assert ("f",) == host.names("/srv")


@pytest.mark.parametrize("maker", MAKERS)
def test_capture_holds_what_is_replaced(maker: str, tmp_path: Path) -> None:
    """A file that an action is about to replace is saved with content, mode and owner; where there is none,
    the pre-image says so.
    """
    host = MAKERS[maker](tmp_path)
    host.execute(D)
    action = write("/srv/f", OLD, mode="0600", owner="api", group="api")
    before = host.capture(action)
    host.execute(action)

    after = host.capture(WriteFile("/srv/f", NEW, digest(NEW), "0644", "root", "root", digest(OLD)))

    assert PreImage("/srv/f", None) == before
    assert PreImage("/srv/f", FileType.FILE, "0600", "api", "api", "", OLD) == after


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize(
    "path",
    ["relative", "/srv/../etc/f", "/srv//f", "/srv/./f", "/srv/f/", "/srv/a\nb", "/srv/a\0b", "/srv/..", ""],
)
def test_paths_that_are_not_plain_are_refused(maker: str, path: str, tmp_path: Path) -> None:
    """A path that is not in its plain absolute form is never written."""
    host = MAKERS[maker](tmp_path)
    host.execute(D)

    with pytest.raises(HostError):
        host.execute(write(path))

    assert () == host.names("/srv")


@pytest.mark.parametrize("maker", MAKERS)
def test_missing_things(maker: str, tmp_path: Path) -> None:
    """A missing path is None as an entry, has no names, and raises FileNotFoundError when read."""
    host = MAKERS[maker](tmp_path)

    assert host.entry("/nowhere/at/all") is None
    assert host.names("/nowhere") == ()
    assert host.names("/etc/passwd") == ()
    with pytest.raises(FileNotFoundError):
        host.read("/nowhere")
    with pytest.raises(FileNotFoundError):
        host.read("/nowhere/at/all")


@pytest.mark.parametrize("maker", MAKERS)
def test_units_without_systemd(maker: str, tmp_path: Path) -> None:
    """Without a systemd every unit is unknown, and no verb is taken."""
    host = MAKERS[maker](tmp_path)

    assert {"a.service": UnitState()} == dict(host.units(["a.service"]))
    assert host.running is False
    with pytest.raises(ActionFailed):
        host.execute(Unit(UnitVerb.STOP, ("a.service",)))


def test_the_suite_notices_a_host_that_lies(tmp_path: Path) -> None:
    """The comparison itself works: a host that forgets a mode is told apart."""
    honest, liar = MAKERS["tree"](tmp_path), MAKERS["simulated-in-memory"](tmp_path)
    actions: list[Action] = [D, write("/srv/f", NEW, mode="0640")]
    expected = outcome(honest, actions, ["/srv/f"])

    actual = outcome(liar, [D, write("/srv/f", NEW, mode="0644")], ["/srv/f"])

    assert expected != actual


def test_simulation_never_writes_below(tmp_path: Path) -> None:
    """Whatever is simulated, the tree below stays as it is."""
    host = MAKERS["simulated-over-tree"](tmp_path)
    before = snapshot(tmp_path / "below")
    for actions, looks in CASES.values():
        outcome(host, actions, looks)

    assert before == snapshot(tmp_path / "below")
