"""Programs of the host run bounded, with a clean environment, and never with anything of ours."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.host.process.pipeline import pipe
from reconciler.host.process.run import NotRun, ProgramMissing, TimedOut, escape, find_program, run
from reconciler.host.state.lock import Lock
from tests.state.samples import child

PYTHON = sys.executable


def test_environment_is_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is inherited: no variable, umask, directory, descriptor or terminal."""
    monkeypatch.setenv("SECRET", "x")
    monkeypatch.setenv("LD_PRELOAD_X", "x")
    code = """
import json, os
umask = os.umask(0)
print(json.dumps([dict(os.environ), oct(umask), os.getcwd(), sorted(os.listdir("/proc/self/fd"))[:-1], os.getsid(0) == os.getpid(),
                  os.readlink("/proc/self/fd/0")]))
"""
    before = os.umask(0)
    try:
        result = run([PYTHON, "-I", "-c", code], timeout=30)
    finally:
        os.umask(before)

    environment, umask, directory, descriptors, leads, stdin = json.loads(result.out)
    assert {"LC_ALL": "C.UTF-8", "TZ": "UTC", "SYSTEMD_COLORS": "0"}.items() <= environment.items()
    assert not {"SECRET", "HOME", "LD_PRELOAD_X"} & environment.keys()
    assert ("0o22", "/", ["0", "1", "2"], True, "/dev/null") == (umask, directory, descriptors, leads, stdin)


def test_result_has_everything() -> None:
    """Exit status, both outputs, and the input comes through whole."""
    text = os.urandom(300_000)
    result = run(
        [
            PYTHON,
            "-I",
            "-c",
            "import sys; b = sys.stdin.buffer.read(); sys.stdout.buffer.write(b); sys.exit('bad')",
        ],
        timeout=30,
        input=text,
    )

    assert (1, text, b"bad\n", "bad") == (result.rc, result.out, result.err, result.message)


def test_output_is_capped() -> None:
    """A flood is read to its end, so that the program ends, but not kept."""
    result = run([PYTHON, "-I", "-c", "print('x' * 5_000_000)"], timeout=30, cap=1000)

    assert (0, 1000) == (result.rc, len(result.out))


def test_a_hanging_program_is_killed_with_its_children(tmp_path: Path) -> None:
    """After the time-out the whole process group is gone."""
    mark = tmp_path / "pid"
    with pytest.raises(TimedOut):
        run(["/bin/sh", "-c", f"sleep 1000 & echo $! > {mark}; wait"], timeout=0.5)

    child = int(mark.read_text())
    for _ in range(100):
        if not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split()[2]:
            break
        time.sleep(0.02)
    else:
        pytest.fail("the child lives on")


def test_a_daemon_that_keeps_the_output_open_does_not_hold_us() -> None:
    """When the program has ended we go on, though a child of it still has the pipe."""
    result = run(["/bin/sh", "-c", "sleep 5 & echo done"], timeout=60)
    started = time.monotonic()

    assert (0, b"done\n") == (result.rc, result.out)
    assert time.monotonic() - started < 5


def test_programs_are_found_on_the_fixed_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """PATH of the caller does not count, and a program that is not there is named."""
    (tmp_path / "sh").write_text("#!/bin/sh\n")
    (tmp_path / "sh").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert not find_program("sh").startswith(str(tmp_path))
    with pytest.raises(ProgramMissing, match="no-such-program"):
        run(["no-such-program"], timeout=1)


def test_what_the_kernel_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that cannot be started, and one with which nothing can be exchanged, is an error of the host
    that names it.
    """
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF nothing")
    broken.chmod(0o755)
    with pytest.raises(NotRun, match=f"{broken}: Exec format error"):
        run([str(broken)], timeout=5)
    with pytest.raises(NotRun, match=f"{broken}: Exec format error"):
        pipe([["true"], [str(broken)]], lambda _: None)

    monkeypatch.setattr(os, "set_blocking", _too_many)
    with pytest.raises(NotRun, match="sleep: Too many open files"):
        run(["sleep", "1000"], timeout=5)


def _too_many(*_: object) -> None:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_chunks_are_read_like_a_file() -> None:
    """More of them than pipes hold come out as they went in, and errors of the programs are still read."""
    chunks = [bytes([number % 256]) * 100_000 for number in range(60)]
    output: list[bytes] = []
    noisy = "head -c 300000 /dev/zero | tr '\\0' '\\n' >&2; exec cat"
    ended = pipe([["sh", "-c", noisy], ["cat"]], output.append, stdin=iter(chunks))

    assert [0, 0] == [one.rc for one in ended]
    assert b"".join(chunks) == b"".join(output)


def test_chunks_are_all_taken_whoever_reads_them() -> None:
    """A program that reads none, or only some, changes nothing for whoever makes them."""
    taken: list[int] = []

    def chunks() -> Iterator[bytes]:
        for number in range(50):
            taken.append(number)
            yield b"x" * 100_000

    (ended,) = pipe([["head", "-c", "1"]], lambda _: None, stdin=chunks())

    assert 0 == ended.rc
    assert [*range(50)] == taken


def test_an_error_of_the_chunks_ends_the_programs() -> None:
    """It is raised at once: programs that would not end are killed."""

    def chunks() -> Iterator[bytes]:
        yield b"x"
        raise RuntimeError("no more")

    begun = time.monotonic()
    with pytest.raises(RuntimeError, match="no more"):
        pipe([["sh", "-c", "cat; sleep 1000"], ["cat"]], lambda _: None, stdin=chunks())

    assert time.monotonic() - begun < 20


def test_text_of_others_is_made_safe() -> None:
    """Control characters, C1 and bidirectional marks come out as escapes, other text as it is."""
    assert escape("a\x1b[1m\x9b\u202e\udcff ü") == "a\\x1b[1m\\x9b\\u202e\\udcff ü"


# ---------------------------------------------------------------------------------- nothing outlives an apply

HOLDER = """
import os, sys
from reconciler.host.state.lock import Lock
from reconciler.host.process.run import run
with Lock(sys.argv[1]):
    run(["/bin/sh", "-c", sys.argv[2]], timeout=float(sys.argv[3]))
print("ended", flush=True)
"""
UNMARKED = (
    "import reconciler.host.process.reaper as keeper\n"
    "keeper._await_end = lambda *_: __import__('os')._exit(0)\n"
)
"""A keeper that keeps nothing: the planted bug."""
PROGRAMS = {
    "a child that sleeps for ever": "sleep 1000 & echo $! > {0}; wait",
    "a child that ignores SIGTERM": "trap '' TERM HUP; echo $$ > {0}; while :; do sleep 1000; done",
    "a daemon in a session of its own": (
        "setsid sh -c 'echo $$ > {0}; exec sleep 1000' </dev/null >/dev/null 2>&1 & wait; sleep 1000"
    ),
    "a daemon whose parents have ended": (
        "(setsid sh -c '(echo $$ > {0}; exec sleep 1000) &' &) </dev/null >/dev/null 2>&1; sleep 1000"
    ),
    "a flood": "echo $$ > {0}; exec cat /dev/zero",
    "one that starts others all the time": "echo $$ > {0}; while :; do sleep 0.01 & sleep 1000 & done",
}


def _alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def _soon(true: Callable[[], bool], seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def _marked() -> list[str]:
    """The processes of any apply of this test."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if b"RECONCILER_APPLY=" in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def _start(
    tmp_path: Path, program: str, *, timeout: float = 300, more: str = ""
) -> tuple[subprocess.Popen[str], int]:
    """An apply that runs this program; and the process that the program wrote down."""
    note = tmp_path / "pid"
    holder = child(more + HOLDER, str(tmp_path / "state"), PROGRAMS[program].format(note), str(timeout))
    assert _soon(lambda: note.exists() and note.read_text().strip() != "")
    return holder, int(note.read_text())


def _close(process: subprocess.Popen[str]) -> None:
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_dies_with_its_apply(program: str, tmp_path: Path) -> None:
    """After the SIGKILL of an apply its program is gone in a moment, with everything it has started, and the
    lock is free at once.
    """
    holder, pid = _start(tmp_path, program)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with Lock(str(tmp_path / "state")) as lock:
        free = lock.held
    _close(holder)

    assert free
    assert _soon(lambda: not _alive(pid))
    assert _soon(lambda: not _of(tmp_path, _marked()))


def _of(tmp_path: Path, pids: list[str]) -> list[str]:
    """Those of these processes that this test has started."""
    found = []
    for pid in pids:
        try:
            if str(tmp_path).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
        except OSError:
            continue
    return found


def test_the_harness_sees_one_that_lives_on(tmp_path: Path) -> None:
    """Without a keeper the program outlives its apply, and the test above would tell."""
    holder, pid = _start(tmp_path, "a child that ignores SIGTERM", more=UNMARKED)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    _close(holder)
    try:
        assert not _soon(lambda: not _alive(pid), 1)
    finally:
        os.killpg(pid, signal.SIGKILL)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_any_other_end_takes_it_along_too(how: signal.Signals, tmp_path: Path) -> None:
    """Killed by what a person or systemd sends first, an apply leaves no program either."""
    holder, pid = _start(tmp_path, "a daemon in a session of its own")
    holder.send_signal(how)
    holder.wait()
    _close(holder)

    assert _soon(lambda: not _alive(pid))


STARTING = """
import os, reconciler.host.process.run as run, signal, subprocess, sys, time
popen = subprocess.Popen
def interrupted(*args, **more):
    process = popen(*args, **more)
    while not os.path.exists(sys.argv[4]) or not os.path.getsize(sys.argv[4]):
        time.sleep(0.01)
    raise KeyboardInterrupt
subprocess.Popen = interrupted
"""
"""A Ctrl-C that comes when the program runs already and nobody knows it yet."""


def test_a_program_that_was_just_started_ends_too(tmp_path: Path) -> None:
    """A Ctrl-C between the start of a program and the moment in which we know it leaves no program either."""
    note = tmp_path / "pid"
    program = PROGRAMS["a daemon in a session of its own"].format(note)
    holder = child(STARTING + HOLDER, str(tmp_path / "state"), program, "300", str(note))
    out, err = holder.communicate()
    pid = int(note.read_text())

    assert "" == out
    assert "KeyboardInterrupt" in err
    assert _soon(lambda: not _alive(pid))


def test_a_daemon_does_not_survive_the_time_out(tmp_path: Path) -> None:
    """Under the lock a time-out reaches what has left the process group."""
    holder, pid = _start(tmp_path, "a daemon in a session of its own", timeout=1)
    holder.wait()
    _close(holder)

    assert _soon(lambda: not _alive(pid))


def test_what_is_left_after_an_apply_that_ended_lives_on(tmp_path: Path) -> None:
    """Its keeper goes with it, and kills nothing."""
    note = tmp_path / "pid"
    holder = child(HOLDER, str(tmp_path / "state"), f"sleep 1000 >/dev/null 2>&1 & echo $! > {note}", "300")
    out, err = holder.communicate()
    pid = int(note.read_text())
    try:
        assert ("ended\n", "") == (out, err)
        assert _alive(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
def test_a_flood_of_a_gigabyte_ends_and_is_not_kept() -> None:
    """The output of a program is read to its end and thrown away beyond the cap."""
    result = run(["/bin/sh", "-c", "head -c 1073741824 /dev/zero"], timeout=300, cap=1000)

    assert (0, 1000) == (result.rc, len(result.out))


def test_a_program_of_an_apply_has_the_mark_and_no_descriptor(tmp_path: Path) -> None:
    """Under the lock the mark is all that is added: no descriptor of the lock, or of the keeper's pipe.

    Without it nothing is.
    """
    code = (
        "import json, os; print(json.dumps([sorted(os.listdir('/proc/self/fd'))[:-1], 'RECONCILER_APPLY' in"
        " os.environ]))"
    )
    with Lock(str(tmp_path / "state")):
        under = json.loads(run([PYTHON, "-I", "-c", code], timeout=30).out)
    free = json.loads(run([PYTHON, "-I", "-c", code], timeout=30).out)

    assert [["0", "1", "2"], True] == under
    assert [["0", "1", "2"], False] == free
