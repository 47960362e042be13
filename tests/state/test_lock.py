"""The lock: one at a time, free the moment its holder is dead, and nobody inherits it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.host.state import lock as lock_module
from reconciler.host.state.lock import Lock, LockBusy, is_held_by_other
from reconciler.host.state.store import StateError
from tests.state.samples import child, manifest

pytestmark = pytest.mark.slow

HOLD = (
    "import sys, time\nfrom reconciler.host.state.lock import Lock\nlock = Lock(sys.argv[1],"
    " command='reconciler apply test').acquire(9)\n"
)
TELL = "open(sys.argv[1] + '/child', 'w').write(str(pid))\n"
WAIT = "print('held', flush=True)\ntime.sleep(60)\n"

CRITICAL = """
import os, sys, time
from reconciler.host.state.lock import Lock
for turn in range(4):
    with Lock(sys.argv[1], timeout_seconds=120):
        os.close(os.open(sys.argv[1] + "/inside", os.O_CREAT | os.O_EXCL))
        time.sleep(0.004)
        os.unlink(sys.argv[1] + "/inside")
"""


@pytest.fixture
def directory(tmp_path: Path) -> str:
    """Where the lock will be; it does not exist yet."""
    return str(tmp_path / "state")


def _holding(directory: str, more: str = "") -> subprocess.Popen[str]:
    process = child(HOLD + more + WAIT, directory)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stream.close()


def test_one_at_a_time(directory: str) -> None:
    """Twelve processes that take the lock four times each are never inside together, and all have their
    turns.
    """
    started = [child(CRITICAL, directory) for _ in range(12)]
    ended = [(process.communicate()[1], process.returncode) for process in started]

    assert [("", 0)] * 12 == ended


def test_the_critical_section_can_catch_two(directory: str) -> None:
    """The probe of the test above does fail when somebody else is inside."""
    Path(directory).mkdir(mode=0o700)
    Path(directory, "inside").touch()
    process = child(CRITICAL, directory)
    _, errors = process.communicate()

    assert "FileExistsError" in errors


def test_busy_says_who(directory: str) -> None:
    """While another holds it: busy, with its process, command and age; free right after its SIGKILL."""
    process = _holding(directory)
    with pytest.raises(LockBusy) as caught:
        Lock(directory).acquire(0)
    seen = is_held_by_other(directory)
    _end(process)
    gone = is_held_by_other(directory)

    assert caught.value.holder is not None
    assert (process.pid, "reconciler apply test") == (caught.value.holder.pid, caught.value.holder.command)
    assert caught.value.age_seconds >= 0
    assert str(process.pid) in caught.value.detail
    assert (True, False) == (seen, gone)
    with Lock(directory) as lock:
        assert lock.held


def test_a_program_started_by_the_holder_does_not_keep_it(directory: str) -> None:
    """A child program, even one that is given all descriptors, does not hold the lock after the holder's
    death.
    """
    more = "import subprocess\npid = subprocess.Popen(['/bin/sleep', '60'], close_fds=False).pid\n"
    process = _holding(directory, more + TELL)
    orphan = int(Path(directory, "child").read_text())
    try:
        _end(process)
        os.kill(orphan, 0)

        with Lock(directory) as lock:
            assert lock.held
    finally:
        os.kill(orphan, signal.SIGKILL)


def test_a_forked_copy_does_not_keep_it(directory: str) -> None:
    """A plain fork of the holder does not hold the lock after the holder's death, and its end does not free a
    living holder's.
    """
    more = "import os\npid = os.fork()\nif pid == 0:\n    time.sleep(60)\n    os._exit(0)\n"
    process = _holding(directory, more + TELL)
    orphan = int(Path(directory, "child").read_text())
    try:
        held = is_held_by_other(directory)
        process.kill()
        process.wait()

        assert held
        with Lock(directory) as lock:
            assert lock.held
    finally:
        os.kill(orphan, signal.SIGKILL)
        _end(process)


def test_a_forked_copy_that_ends_does_not_free_it(directory: str) -> None:
    """The holder keeps the lock when a fork of it ends."""
    with Lock(directory) as lock:
        copy = os.fork()
        if copy == 0:
            os._exit(0)
        os.waitpid(copy, 0)
        process = child(
            "import sys\nfrom reconciler.host.state.lock import Lock\nLock(sys.argv[1]).acquire(0)", directory
        )
        _, errors = process.communicate()

        assert lock.held
        assert "LockBusy" in errors


def test_what_stands_in_the_file_locks_nobody_out(directory: str) -> None:
    """A holder that is written down but does not hold the lock is not believed, whatever the text."""
    with Lock(directory):
        text = Path(directory, "lock").read_bytes()
    released = Path(directory, "lock").read_bytes()
    for content in (text, b"garbage", b"[]", b'{"pid": 1}', b"\xff" * 9000):
        Path(directory, "lock").write_bytes(content)
        assert not is_held_by_other(directory)
        with Lock(directory) as lock:
            assert lock.held

    assert b"" == released
    assert str(os.getpid()).encode() in text


@pytest.mark.parametrize("content", [b"", b"garbage", b'{"pid": 1, "start": -1, "since": 0, "command": "x"}'])
def test_a_holder_that_cannot_be_verified_is_unknown(directory: str, content: bytes) -> None:
    """A text that does not name the very process that lives is not shown as the holder."""
    process = _holding(directory)
    Path(directory, "lock").write_bytes(content)
    with pytest.raises(LockBusy, match="Another process") as caught:
        Lock(directory).acquire(0)
    _end(process)

    assert (None, 0.0) == (caught.value.holder, caught.value.age_seconds)


def test_waiting_takes_it_when_it_is_free(directory: str) -> None:
    """With a time-out the lock is taken as soon as its holder lets go."""
    process = child(HOLD + "print('held', flush=True)\ntime.sleep(0.3)\nlock.release()", directory)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with Lock(directory, timeout_seconds=60) as lock:
        assert lock.held
    process.communicate()

    assert process.returncode == 0


def test_a_glance_at_the_lock_does_not_make_an_apply_fail(directory: str) -> None:
    """An apply without a time-out is not refused because a reader looks at that moment."""
    with Lock(directory):
        pass
    script = (
        "import sys\nfrom reconciler.host.state.lock import is_held_by_other as look\nprint('looking',"
        " flush=True)\nwhile True: look(sys.argv[1])"
    )
    looking = child(script, directory)
    assert looking.stdout is not None
    try:
        assert looking.stdout.readline() == "looking\n"
        for _ in range(1500):
            with Lock(directory) as lock:
                assert lock.held
    finally:
        _end(looking)


def test_the_file_is_private_and_stays(directory: str) -> None:
    """The lock file is 0600 under any umask, and keeps its inode from one holder to the next."""
    before = os.umask(0)
    try:
        with Lock(directory):
            first = Path(directory, "lock").stat()
    finally:
        os.umask(before)
    with Lock(directory) as lock:
        assert lock.acquire() is lock
        second = Path(directory, "lock").stat()

    assert 0o600 == stat.S_IMODE(first.st_mode)
    assert first.st_ino == second.st_ino


@pytest.mark.parametrize("trap", [os.mkfifo, lambda path: Path(path).symlink_to("/etc/hostname"), os.mkdir])
def test_a_trap_in_place_of_the_lock(directory: str, trap: Callable[[str], None]) -> None:
    """A lock file that is a FIFO, a link or a directory is an error, at once, and is not touched."""
    Path(directory).mkdir(mode=0o700)
    trap(f"{directory}/lock")
    before = manifest(Path(directory))
    with pytest.raises(StateError):
        Lock(directory).acquire(0)

    assert not is_held_by_other(directory)
    assert before == manifest(Path(directory))
    assert lock_module._descriptors == set()
