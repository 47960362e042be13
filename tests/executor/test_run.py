"""Programs of the host run bounded, with a clean environment, and never with anything of ours."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from reconciler.host.run import ProgramMissing, TimedOut, escape, find_program, run

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
        [PYTHON, "-I", "-c", "import sys; b = sys.stdin.buffer.read(); sys.stdout.buffer.write(b); sys.exit('bad')"], timeout=30, input=text
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


def test_text_of_others_is_made_safe() -> None:
    """Control characters, C1 and bidirectional marks come out as escapes, other text as it is."""
    assert escape("a\x1b[1m\x9b\u202e\udcff ü") == "a\\x1b[1m\\x9b\\u202e\\udcff ü"
