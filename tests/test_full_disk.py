"""The state's disk is full: then nothing is changed, for nothing could be brought back.

Under `app`, on a real small file system.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from reconciler.core.journal import PastRun
from reconciler.core.result import Status
from reconciler.host.state.history import open_history
from tests.host.hosts_under_test import mounted
from tests.test_undo_attributes import case_of, everything
from tests.worlds import World, tree

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")

_OLD, _NEW = {"content": "old\n", "mode": "0644"}, {"content": "new\n", "mode": "0644"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A tree whose state directory is a file system of 400 KiB, with one applied file that is large and does
    not compress.
    """
    world = tree(tmp_path / "world")
    (tmp_path / "world/state").rmdir()
    with mounted("tmpfs", "size=400k,mode=0700", tmp_path / "world/state"):
        yield world


def _past(world: World, number: int) -> PastRun | None:
    history = open_history(world.state)
    assert history is not None
    with history:
        return history.past(number)


@pytest.mark.parametrize("left", [0, 40_000, 120_000])
def test_a_full_disk_refuses_the_change_rather_than_skipping_the_copy(world: World, left: int) -> None:
    """A file whose copy cannot be kept is not replaced, the object is named and the exit code says so; with
    room the next apply does it.

    This holds however little room is left. A rollback then has every byte.
    """
    root = Path(world.state).parent / "tree"
    large = root / "srv/large"
    before, after = (
        case_of({"files": {"/srv/large": content, "/srv/other": _OLD}}) for content in (_OLD, _NEW)
    )
    world.apply(before.loaded(), before.options)
    noise = os.urandom(300_000)
    large.write_bytes(noise)
    was = everything(root)
    filler = Path(world.state) / "filler"
    free = os.statvfs(world.state)
    filler.write_bytes(b"x" * max(0, free.f_bavail * free.f_bsize - left))
    try:
        done = world.apply(after.loaded(), after.options)
    except Exception as problem:  # noqa: BLE001  # judged below
        pytest.fail(f"a traceback: {problem!r}")
    told = [found.detail + found.summary for found in done.planned.diagnostics]
    if done.result is not None:
        told += [
            f"{address}: {outcome.reason}"
            for address, outcome in done.result.outcomes.items()
            if outcome.status is Status.FAILED
        ]
        assert done.result.exit_code() in (4, 6)

    assert was == everything(root)
    assert any("full" in text or "space" in text for text in told), told
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,size=8m", world.state], check=True)
    again = world.apply(after.loaded(), after.options)
    assert again.result is not None

    assert 0 == again.result.exit_code()
    assert "new\n" == large.read_text()
    past = _past(world, again.result.run)
    assert past is not None

    assert noise == next(
        saved.content for step in past.steps for saved in step.saved if saved.path == "/srv/large"
    )


def test_the_harness_finds_a_copy_that_is_skipped(world: World) -> None:
    """A store that leaves out what does not fit, and goes on, fails the test above."""
    from reconciler.host.state.write import Transaction

    with mock.patch.object(Transaction, "save", return_value=None), pytest.raises(AssertionError):
        test_a_full_disk_refuses_the_change_rather_than_skipping_the_copy(world, 120_000)
