"""The output of restic as its versions have it: what is made of it, and what is not believed."""

from __future__ import annotations

import json

import pytest

from reconciler.formats.backups import restic_output
from reconciler.formats.backups.restic_output import Failure, NotResticOutput

SID = "84b8970c051fe8816466fc376e9bd54bd1511954aca827a76ffed57fd36c4db6"
OLD = {
    "time": "2026-11-30T19:05:44.638775812Z",
    "paths": ["/data"],
    "hostname": "h",
    "tags": ["reconciler:x", "reconciler-id:20261130T190544Z-0123456ab", "reconciler-machine:0123"],
    "id": SID,
    "short_id": SID[:8],
}
NEW = {**OLD, "program_version": "restic 0.18.0", "summary": {"total_bytes_processed": 6}}
LOCKED = (
    "unable to create lock in backend: repository is already locked by PID 16960 on vm by root (UID 0, GID 0)"
)
ABSENT = "unable to open config file: stat /r/config: no such file or directory"
EXIT = {"message_type": "exit_error"}


@pytest.mark.parametrize(("data", "content"), [(OLD, 0), (NEW, 6)])
def test_a_snapshot(data: dict[str, object], content: int) -> None:
    """The id is that of the run which made it; later versions say more."""
    (snapshot,) = restic_output.snapshots(json.dumps([data]).encode(), "x", "h")

    assert ("20261130T190544Z-0123456ab", "0123") == (snapshot.id, snapshot.machine)
    assert (1796065544, content) == (snapshot.time, snapshot.content)


def test_a_snapshot_made_by_hand() -> None:
    """It gets an id from its time and its own id."""
    data = {**OLD, "tags": ["reconciler:x"], "time": "2026-11-30T20:05:44+01:00"}
    (snapshot,) = restic_output.snapshots(json.dumps([data]).encode(), "x", "h")

    assert "20261130T190544Z-84b8970c0" == snapshot.id


@pytest.mark.parametrize("other", [{"hostname": "other"}, {"tags": ["reconciler:y"]}, {"tags": None}])
def test_a_snapshot_of_somebody_else(other: dict[str, object]) -> None:
    """It is never listed, even if restic's filter let it through."""
    assert [] == restic_output.snapshots(json.dumps([{**OLD, **other}]).encode(), "x", "h")


@pytest.mark.parametrize("out", [b"", b"{}x", b"[1]", b'[{"id": "x"}]', b'{"a": 1}', b"[" * 100_000])
def test_a_list_that_is_none(out: bytes) -> None:
    """It is no empty list."""
    with pytest.raises(NotResticOutput):
        restic_output.snapshots(out, "x", "h")


@pytest.mark.parametrize("out", [b"null", b"[]"])
def test_no_snapshots(out: bytes) -> None:
    """Both forms of the empty list are read."""
    assert [] == restic_output.snapshots(out, "x", "h")


@pytest.mark.parametrize(
    ("rc", "line", "expected"),
    [
        (1, f"Fatal: {ABSENT}", Failure.MISSING),
        (10, f"Fatal: repository does not exist: {ABSENT}", Failure.MISSING),
        (10, json.dumps({**EXIT, "message": f"Fatal: repository does not exist: {ABSENT}"}), Failure.MISSING),
        (1, "Fatal: unable to open config file: Lstat: file does not exist", Failure.MISSING),
        (1, "Fatal: unable to open config file: dial tcp 10.0.0.1:443: connection refused", Failure.OTHER),
        (1, "Fatal: unable to open config file: open /r/config: permission denied", Failure.OTHER),
        (1, LOCKED, Failure.LOCKED),
        (11, "", Failure.LOCKED),
        (1, "Fatal: wrong password or no key found", Failure.PASSWORD),
        (12, "", Failure.PASSWORD),
        (1, "", Failure.OTHER),
        (-9, f"Fatal: {ABSENT}", Failure.OTHER),
    ],
)
def test_why_it_failed(rc: int, line: str, expected: Failure) -> None:
    """Text and status tell; a repository counts as missing only if the file itself is."""
    assert expected is restic_output.failure(rc, [line])


START = "Fatal: unable to open repository at sftp:a@b:/r: unable to start the sftp session, error: EOF"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["subprocess ssh: first", "subprocess ssh: No route to host", START], "No route to host"),
        ([START], START.removeprefix("Fatal: ")),
        (["subprocess ssh: Connection reset", "Fatal: unable to save snapshot"], ""),
        ([json.dumps({**EXIT, "message": START}), "subprocess ssh: no"], "no"),
        ([], ""),
    ],
)
def test_why_ssh_did_not_connect(lines: list[str], words: str) -> None:
    """Its own last words; none where it had connected before."""
    assert words == restic_output.not_connected(lines)


def test_the_reason_is_one_line() -> None:
    """The line that names the fault, without what restic says around it."""
    lines = ["repo already locked, waiting up to 0s for the lock", LOCKED, "storage ID 9e486046"]

    assert LOCKED == restic_output.reason(11, lines)
    assert "wrong password or no key found" == restic_output.reason(
        12, [json.dumps({**EXIT, "message": "Fatal: wrong password or no key found"})]
    )
    assert "exit status 1" == restic_output.reason(1, [])


VANISHED = {"message_type": "error", "error": {"Op": "open", "Path": "/d/a", "Err": 2}, "item": "/d/a"}
DENIED = {"message_type": "error", "error": {"message": "open /d/b: permission denied"}, "item": "/d/b"}


@pytest.mark.parametrize(
    ("errors", "vanished"), [([VANISHED], True), ([DENIED], False), ([VANISHED, DENIED], False), ([], False)]
)
def test_files_that_were_not_read(errors: list[dict[str, object]], vanished: bool) -> None:
    """A file that vanished meanwhile is no fault; any other that cannot be read is."""
    words, all_vanished = restic_output.unread(["no JSON", *map(json.dumps, errors)])

    assert vanished is all_vanished
    assert [str(error["item"]) for error in errors] == [line.partition(":")[0] for line in words]


def test_what_would_be_forgotten() -> None:
    """Only short ids in the braces count."""
    lines = ["Would have removed the following snapshots:", "{8d3be2d5 84b8970c}", "deadbeef"]

    assert {"8d3be2d5", "84b8970c"} == restic_output.forgotten(lines)
