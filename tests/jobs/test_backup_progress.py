"""Progress on a terminal, and nothing anywhere else."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reconciler.cli.shared import progress_line
from reconciler.host.process import failpoints, progress
from reconciler.render.backup_views.rate import progress_text
from tests.cli.command import ENTRY, ENVIRONMENT, run
from tests.jobs.places import Place

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        ((0, 0, 0, 0.0), "writing: 0 B"),
        ((512, 2048, 0, 2.0), "writing: 512 B of 2.0 KiB, 256 B/s, 6s left"),
        ((4096, 2048, 0, 2.0), "writing: 4.0 KiB, 2.0 KiB/s"),
        ((1 << 30, 3 << 30, 0, 8.0), "writing: 1.0 GiB of 3.0 GiB, 128.0 MiB/s, 16s left"),
        ((1 << 20, 1 << 40, 0, 1.0), "writing: 1.0 MiB of 1.0 TiB, 1.0 MiB/s, 12d 3h left"),
        ((2048, 2048, 1024, 1.0), "writing: 2.0 KiB of 2.0 KiB, 1.0 KiB/s"),
        ((100, 200, 100, 5.0), "writing: 100 B of 200 B"),
    ],
)
def test_the_line(figures: tuple[int, int, int, float], text: str) -> None:
    """The share that is done, how fast it goes, and the time left, as far as it is known."""
    done, total, first, seconds = figures

    assert text == progress_text("writing", done, total, first, seconds)


def test_steps_are_seen_while_somebody_watches(place: Place) -> None:
    """While an archive is written the step says how much; before and after there is none, and without a
    watcher there never is.
    """
    place.run()
    seen: list[tuple[str, bool]] = []
    with progress.watched() as current:

        def look(point: str) -> None:
            step = current()
            if point == "backup.chunk" and step is not None:
                done, total = step.figures()
                seen.append((step.words, 0 < done <= total))

        failpoints.watch(look)
        try:
            assert current() is None
            place.run()
            assert current() is None
        finally:
            failpoints.watch(None)

    assert {("writing the archive", True)} == set(seen)
    with progress.step("nothing", lambda: (0, 0)):
        assert current() is None


def on_a_terminal(arguments: list[str], terminal: str = "xterm") -> tuple[int, str]:
    """The exit code of a command on a terminal of its own, and what stood on it."""
    master, slave = pty.openpty()
    environment = {**ENVIRONMENT, "TERM": terminal}
    with subprocess.Popen(
        [sys.executable, "-c", ENTRY, *arguments], stdin=slave, stdout=slave, stderr=slave, env=environment
    ) as process:
        os.close(slave)
        output = b""
        with contextlib.suppress(OSError):  # EIO: nobody has it open any more
            while chunk := os.read(master, 1 << 16):
                output += chunk
    os.close(master)
    return process.returncode, output.decode("utf-8", "replace")


@pytest.fixture
def slow_restore(place: Place) -> list[str]:
    """A restore that takes longer than it takes to draw a line."""
    with (place.source / "large").open("wb") as file:
        for _ in range(30):
            file.write(os.urandom(1 << 20))
    place = place.having(compress="gzip")
    place.run()
    return ["backup", "restore", "--from", str(place.destination), "--to", str(place.top / "out")]


class Terminal(io.StringIO):
    """A terminal that keeps what is written to it."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_a_line_is_drawn_and_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a step goes on its line is drawn again and again, with the amount that is done at that moment; at
    the end nothing of it is left.
    """
    terminal, done = Terminal(), 1 << 20
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress_line, "_EVERY", 0.01)
    with progress_line.shown(), progress.step("reading", lambda: (done, 4 << 20)):
        for amount in (1, 2, 3):
            done = amount << 20
            begun = time.monotonic()
            while f"reading: {amount}.0 MiB of 4.0 MiB" not in terminal.getvalue():
                assert time.monotonic() < begun + 20
                time.sleep(0.01)

    assert terminal.getvalue().endswith("\r\x1b[K")
    assert "/s, " in terminal.getvalue()
    assert "" == progress_line.clear()


def test_the_result_of_a_restore_stands_alone(slow_restore: list[str]) -> None:
    """On a terminal, whatever was drawn before."""
    code, output = on_a_terminal(slow_restore)

    assert 0 == code, output
    last = output.replace("\r\n", "\n").rstrip("\n").rpartition("\n")[2].rpartition("\x1b[K")[2]
    assert last.startswith("restored everything")


@pytest.mark.parametrize("how", ["dumb", "json"])
def test_no_line_where_it_does_not_belong(slow_restore: list[str], how: str) -> None:
    """A terminal that cannot erase, and a document, get none."""
    code, output = on_a_terminal(
        [*slow_restore, *(["--json"] if how == "json" else [])], "dumb" if how == "dumb" else "xterm"
    )

    assert 0 == code, output
    assert "reading" not in output
    assert "\x1b" not in output


def test_nothing_is_drawn_into_a_file(slow_restore: list[str], tmp_path: Path) -> None:
    """In a journal, a log or a pipe there is not a word of progress."""
    done = run(*slow_restore)

    assert 0 == done.code, done.err
    assert "" == done.err
    assert "reading" not in done.out
    assert tmp_path.exists()
