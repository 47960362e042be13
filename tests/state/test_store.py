"""Every record comes back; a record that did not change is not written."""

from __future__ import annotations

import errno
import itertools
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.core.action_data import as_data
from reconciler.core.actions import ABSENT, RemovePath
from reconciler.core.address import Address
from reconciler.core.host import FileType, PreImage
from reconciler.core.journal import past_path
from reconciler.core.state import LedgerRow, Memory
from reconciler.host.state.store import (
    StateDamaged,
    StateError,
    Store,
    make_state_directory,
    open_history,
    read_memory,
)
from tests.state.samples import (
    ACTIONS,
    COMING,
    FILE,
    HELD,
    MACHINE,
    NOW,
    OLD_FILE,
    OWED,
    RELOAD,
    RESTART,
    ROWS,
    SAVED,
    SERVICE,
    fill,
    manifest,
    store,
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the state will be; it does not exist yet."""
    return tmp_path / "lib" / "state"


def test_memory_comes_back_whole(directory: Path) -> None:
    """Every record is read back equal, by the writer and by a reader."""
    written = fill(directory)
    read = read_memory(str(directory), MACHINE)

    assert {row.address: row for row in ROWS} == read.rows
    assert OWED == read.owed
    assert ("c0ffee", "gpu-01", "", "", 0) == (
        read.commit,
        read.spec_host,
        read.damaged,
        read.unreadable,
        read.interrupted,
    )
    assert len(read.key) == 32
    assert written == read


def test_journal_comes_back_whole(directory: Path) -> None:
    """Runs, steps, undo store and tombstones are read back equal, also read-only."""
    fill(directory)
    history = open_history(str(directory))
    assert history is not None
    with history:
        run = history.run(1)
        steps = history.steps(1)

        assert run == {
            "run": 1,
            "status": "applied",
            "spec_digest": "sha256:spec",
            "commit": "c0ffee",
            "host": "gpu-01",
            "tool": "0.1.0",
            "started": NOW,
            "ended": NOW,
            "summary": {"changed": 2},
        }
        assert ACTIONS == [step["action"] for step in steps]
        assert [("done", "written"), ("done", "restarted")] == [
            (step["state"], step["detail"]) for step in steps
        ]
        assert list(SAVED) == history.undo(1)
        assert [] == history.undo_of_step(1, 1)
        assert {("users", "bob"): "2001"} == history.tombstones()
        assert history.run(2) is None
        assert run == history.last_run("applied")


def test_everything_is_private_whatever_the_umask(directory: Path) -> None:
    """The directory is 0700 and every file in it 0600, under umask 000 as well."""
    before = os.umask(0)
    try:
        fill(directory)
    finally:
        os.umask(before)

    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(directory.parent.stat().st_mode) == 0o755
    assert {"key": 0o600, "state.db": 0o600, "witness": 0o600} == {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()
    }


def test_no_difference_writes_nothing(directory: Path) -> None:
    """Settling what is recorded already leaves every byte, inode and time as it was."""
    fill(directory)
    before = manifest(directory)
    with store(directory) as state:
        state.settle(
            1,
            put=ROWS,
            drop=[Address("files", "/none")],
            clear=[replace(RESTART, unit="other.service")],
            owe=OWED,
        )
        state.arm([RESTART])
        state.prune_undo()
        state.memory()

    assert before == manifest(directory)


def test_serial_moves_with_the_ledger_alone(directory: Path) -> None:
    """Opening and ending a run does not move the serial; a changed row, owed action or tombstone does, by one
    per transaction.
    """
    with store(directory) as state:
        start = state.memory().serial
        run = state.begin("", "", "", "", ACTIONS)
        state.done(run, {0: ""})
        unmoved = state.memory().serial
        state.settle(run, put=ROWS, owe=OWED)
        state.tombstone({("users", "bob"): "7"})
        state.tombstone({("users", "bob"): "7"})
        state.end(run, "applied", {})

        assert (0, 0, 2) == (start, unmoved, state.memory().serial)


def test_settle_changes_drops_and_clears(directory: Path) -> None:
    """After settling the ledger holds what was put and not what was dropped, and only uncleared effects are
    owed.
    """
    fill(directory)
    done = replace(COMING, document={"soft": 50}, pending=None)
    with store(directory) as state:
        state.settle(
            2, put=[done], drop=[FILE.address], clear=[replace(RESTART, why="asked in other words"), RELOAD]
        )
    memory = read_memory(str(directory), MACHINE)

    assert {SERVICE.address: SERVICE, done.address: done} == memory.rows
    assert (HELD,) == memory.owed
    assert memory.damaged == ""


def test_an_effect_is_owed_once_and_since_the_first_time(directory: Path) -> None:
    """Owing the same effect again keeps its run and time; arming sets the process that lacks it and nothing
    else.
    """
    clock = itertools.count(NOW)
    with Store.open(str(directory), MACHINE, now=lambda: next(clock)) as state:
        first = replace(RESTART, run=0, since=0, invocation="")
        state.settle(1, owe=[first])
        state.settle(2, owe=[replace(first, why="again")])
        state.arm([replace(first, invocation="cd34", why="ignored"), HELD])

        assert (replace(first, why="again", run=1, since=NOW, invocation="cd34"),) == state.memory().owed


def test_the_first_saved_is_the_original(directory: Path) -> None:
    """The entry saved first for a step and path is the one that undo gives back, and a blob is stored once."""
    with store(directory) as state:
        run = state.begin("", "", "", "", ACTIONS)
        state.intend(run, [], [], [], [(0, OLD_FILE)])
        state.intend(run, [], [], [], [(0, replace(OLD_FILE, content=b"ours")), (1, OLD_FILE)])

        assert [OLD_FILE, OLD_FILE] == state.undo(run)


def test_retention_forgets_only_what_is_old(directory: Path) -> None:
    """Pruning keeps the undo rows of the newest runs, drops older ones with their content, and a later read
    still verifies.
    """
    with store(directory) as state:
        for content in (b"one", b"two", b"three"):
            run = state.begin("", "", "", "", ACTIONS)
            state.intend(
                run, [0], [], [], [(0, PreImage("/etc/x", FileType.FILE, content=content)), (1, OLD_FILE)]
            )
            state.end(run, "applied", {})
        state.prune_undo(keep_runs=2)

        assert [[], [b"two", OLD_FILE.content]] == [
            [saved.content for saved in state.undo(run)] for run in (1, 2)
        ]
        assert state._connection.execute("SELECT count(*) FROM blobs").fetchone()[0] == 3
        assert [3, 2, 1] == [row["run"] for row in state.runs()]


def test_steps_say_what_became_of_them(directory: Path) -> None:
    """Started, done, failed and skipped steps are told apart, with the reason."""
    with store(directory) as state:
        run = state.begin("", "", "", "", [{}, {}, {}, {}, {}])
        state.intend(run, [0, 1, 2], [], [], [])
        state.done(run, {0: "ok"})
        state.failed(run, 1, "no such user")
        state.skipped(run, 3, "files./etc/x failed")
        said = [(step["state"], step["detail"]) for step in state.steps(run)]

        assert said == [
            ("done", "ok"),
            ("failed", "no such user"),
            ("started", ""),
            ("skipped", "files./etc/x failed"),
            ("planned", ""),
        ]


def test_what_killed_runs_had_in_hand(directory: Path) -> None:
    """The actions of all runs that were killed or failed one after the other are told, the newest first,
    until one ends well.
    """
    fill(directory)
    told = []
    for path in ("/etc/one", "/etc/two", "/etc/three"):
        with store(directory) as state:
            run = state.begin("", "", "", "", [as_data(RemovePath(path, ABSENT))])
            told.append([past_path(action) for action in state.unfinished(run)])
            if path == "/etc/two":
                state.end(run, "failed", {})
    with store(directory) as state:
        state.end(state.begin("", "", "", "", []), "applied", {})
        told.append([past_path(action) for action in state.unfinished(state.begin("", "", "", "", []))])

    assert [[], ["/etc/one"], ["/etc/two", "/etc/one"], []] == told


def test_an_open_run_is_interrupted(directory: Path) -> None:
    """A run that was never ended reads as interrupted, and the next open closes it and says so once."""
    state = store(directory)
    run = state.begin("", "", "", "", ACTIONS)
    state.close()
    seen = read_memory(str(directory), MACHINE).interrupted
    with store(directory) as state:
        told = state.memory().interrupted
        status = state.runs()[0]["status"]
        following = state.begin("", "", "", "", ACTIONS)
        state.end(following, "failed", {})
    after = read_memory(str(directory), MACHINE)

    assert (run, run, "interrupted", run + 1) == (seen, told, status, following)
    assert (0, "") == (after.interrupted, after.commit)


@pytest.mark.parametrize(
    "misuse",
    [
        pytest.param(lambda state: state.done(1, {9: ""}), id="no such step"),
        pytest.param(lambda state: state.end(9, "applied", {}), id="no such run"),
        pytest.param(lambda state: state.begin("", "", "", "", []), id="a run is open"),
        pytest.param(
            lambda state: state.settle(1, put=[LedgerRow(Address("f", "x"), {"text": "x" * (1 << 24)})]),
            id="too large",
        ),
    ],
)
def test_misuse_is_an_error_that_changes_nothing(directory: Path, misuse: object) -> None:
    """A refused call raises StateError, and what is recorded stays as it was."""
    assert callable(misuse)
    with store(directory) as state:
        state.begin("", "", "", "", ACTIONS)
        before = state.memory()
        with pytest.raises(StateError):
            misuse(state)

        assert before == state.memory()


@pytest.mark.parametrize("which", [1, 2])
def test_a_directory_that_is_not_flushed_is_no_success(
    directory: Path, which: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite passes over an error of its own flush of the directory.

    Ours counts: before it nothing is written, after it it is told.
    """
    fill(directory)
    before = read_memory(str(directory), MACHINE)
    real, left = os.fsync, [which]

    def refused(fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            left[0] -= 1
            if not left[0]:
                raise OSError(errno.EIO, "Input/output error")
        real(fd)

    with store(directory) as state:
        monkeypatch.setattr(os, "fsync", refused)
        with pytest.raises(StateError, match="Input/output error"):
            state.settle(1, put=[replace(SERVICE, tool="9")])
        monkeypatch.undo()
    read = read_memory(str(directory), MACHINE)

    assert "" == read.damaged
    assert (before.serial if which == 1 else before.serial + 1) == read.serial


def test_the_name_of_a_journal_is_flushed_by_us_before_a_page_is_written(directory: Path) -> None:
    """However much is saved, no page of the database is written before our own flush of the directory that
    has the journal's name.
    """
    state = store(directory)
    run = state.begin("", "", "", "", ACTIONS)
    path = str(directory / "state.db")
    size, flushed = Path(path).stat().st_size, []
    many = [(0, replace(OLD_FILE, path=f"/etc/{n}", content=os.urandom(1 << 19))) for n in range(12)]
    real = os.fsync

    def seen(fd: int) -> None:
        flushed.append((Path(f"{path}-journal").exists(), Path(path).stat().st_size))
        real(fd)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", seen)
        state.intend(run, [0], [], [], many)
    state.close()

    assert [(True, size), (False, Path(path).stat().st_size)] == flushed[:2]
    assert Path(path).stat().st_size > size + (6 << 20)


def test_a_full_disk_refuses_the_change(directory: Path) -> None:
    """If the old content cannot be kept, nothing of the intention is recorded and the caller is told."""
    fill(directory)
    with store(directory) as state:
        before = state.memory()
        run = state.begin("", "", "", "", ACTIONS)
        pages = state._connection.execute("PRAGMA page_count").fetchone()[0]
        state._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(StateError, match="disk is full"):
            state.intend(
                run,
                [0],
                [replace(SERVICE, pending={})],
                [],
                [(0, PreImage("/etc/big", FileType.FILE, content=os.urandom(99_999)))],
            )

        assert before == state.memory()
        assert [] == state.undo(run)
        assert state.steps(run)[0]["state"] == "planned"


@pytest.mark.parametrize("trap", ["link", "file", "open to all"])
def test_an_unsafe_directory_is_refused(tmp_path: Path, trap: str) -> None:
    """A state directory that is a link, no directory, or writable by others is neither read nor written."""
    real = tmp_path / "real"
    fill(real)
    path = tmp_path / "state"
    if trap == "link":
        path.symlink_to(real)
    elif trap == "file":
        path.write_bytes(b"")
    else:
        path = real
        path.chmod(0o777)
    before = manifest(tmp_path)

    for refused in (
        lambda: make_state_directory(str(path)),
        lambda: store(path),
        lambda: make_state_directory(f"{path}/"),
    ):
        with pytest.raises(StateError, match="not safe"):
            refused()
    assert "not safe" in read_memory(str(path), MACHINE).damaged
    assert before == manifest(tmp_path)


@pytest.mark.parametrize("name", ["state.db", "witness", "key", "state.db-journal"])
@pytest.mark.parametrize("trap", ["link", "hard link", "fifo"])
def test_an_unsafe_file_is_refused(tmp_path: Path, name: str, trap: str) -> None:
    """A file of the state that is a link, has a second name or is a FIFO stops the writer, and what it leads
    to is not touched.
    """
    directory, canary = tmp_path / "state", tmp_path / "canary"
    fill(directory)
    path = directory / name
    if path.exists():
        path.rename(canary)
    else:
        canary.write_bytes(b"journal?")
    if trap == "link":
        path.symlink_to(canary)
    elif trap == "hard link":
        path.hardlink_to(canary)
    else:
        os.mkfifo(path)
    before = manifest(tmp_path)

    with pytest.raises(StateError):
        store(directory)
    assert before == manifest(tmp_path)
    if name != "state.db-journal":
        assert read_memory(str(directory), MACHINE).damaged != ""


def test_a_damaged_state_is_replaced_only_when_told_so(directory: Path) -> None:
    """Damage stops the writer; told so, it keeps the damaged files under another name and begins a new
    lineage with the same key.
    """
    before = fill(directory)
    (directory / "witness").unlink()
    with pytest.raises(StateDamaged, match="witness"):
        store(directory)
    kept = (directory / "state.db").read_bytes()
    with store(directory, replace_damaged=True) as state:
        after = state.memory()

        assert state.moved_aside == "state.db.damaged-1"
    assert kept == (directory / "state.db.damaged-1").read_bytes()
    assert (before.key, {}, 0, "") == (after.key, after.rows, after.serial, after.damaged)
    assert before.lineage != after.lineage


def test_a_leftover_journal_is_moved_with_the_damaged_state(directory: Path) -> None:
    """No journal stays behind that SQLite could play into the new database, and earlier damaged states are
    kept.
    """
    fill(directory)
    for number in (1, 2):
        (directory / "state.db").write_bytes(b"garbage" * 999)
        (directory / "state.db-journal").write_bytes(bytes(600))
        store(directory, replace_damaged=True).close()

        assert (directory / f"state.db.damaged-{number}").read_bytes() == b"garbage" * 999
        assert (directory / f"state.db.damaged-{number}-journal").read_bytes() == bytes(600)
    assert not (directory / "state.db-journal").exists()


def test_a_sound_state_is_never_replaced(directory: Path) -> None:
    """Permission to replace a damaged state does nothing to a sound one."""
    before = fill(directory)
    with store(directory, replace_damaged=True) as state:
        assert before == state.memory()
        assert state.moved_aside == ""


def test_nothing_there_is_an_empty_memory(directory: Path) -> None:
    """Without a state directory there is nothing to remember, and looking does not make one."""
    assert Memory() == read_memory(str(directory), MACHINE)
    assert open_history(str(directory)) is None
    assert not directory.exists()
