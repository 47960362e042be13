"""A power cut: the file system is shut down without flushing anything, and mounted again. ext4 on a loop
device, by its own ioctl.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from reconciler.core.actions import ABSENT, Action, MakeDirectory, MakeLink, RemovePath, WriteFile
from reconciler.core.basics.digest import digest
from reconciler.host.live import LiveHost
from tests.faults.disk import FLUSH_NOTHING, Disk, apart, disk, need
from tests.host.hosts_under_test import base_tree

T = TypeVar("T")


def on_a_disk(place: Path, work: Callable[[Disk], T]) -> T:
    """The result of work on a fresh file system with a tree. The test is left out where none can be mounted."""

    def there() -> T:
        with disk("ext4", place) as found:
            base_tree(found.root)
            (found.root / "etc/systemd/system").mkdir(parents=True)
            found.sync()
            return work(found)

    need("ext4")
    return apart(there)


def write(path: str) -> WriteFile:
    """A new file that says its path."""
    content = path.encode() * 100
    return WriteFile(path, content, digest(content), "0644", "root", "root", ABSENT)


BATCH: list[Action] = [
    *(write(f"/etc/f{n}") for n in range(8)),
    MakeDirectory("/srv", "0755", "root", "root"),
    write("/srv/inside"),
    MakeLink("/etc/systemd/system/multi-user.target.wants/x.service", "/etc/systemd/system/x.service"),
]


def perform(disk: Disk, actions: list[Action], *, finish: bool) -> None:
    """Do them as one batch."""
    host = LiveHost(str(disk.root))
    try:
        host.prepare(actions)
        for action in actions:
            host.execute(action)
        lost = host.finish() if finish else {}
    finally:
        host.forget()
        host.close()
    del host

    assert {} == lost


def there(disk: Disk) -> list[str]:
    """The paths of the batch that are there, with all that they should have in them."""
    found = []
    for action in BATCH:
        path = disk.root / action.path[1:]  # type: ignore[union-attr]  # all have paths
        whole = (
            path.read_bytes() == action.content
            if isinstance(action, WriteFile) and path.exists()
            else os.path.lexists(path)
        )
        found += [str(path)] if whole else []
    return found


def test_a_finished_batch_survives(tmp_path: Path) -> None:
    """After `finish` every file, directory and link of the batch is there for good, whole."""

    def work(disk: Disk) -> list[str]:
        perform(disk, BATCH, finish=True)
        disk.cut(FLUSH_NOTHING)
        return there(disk)

    assert len(BATCH) == len(on_a_disk(tmp_path, work))


def test_without_finish_it_does_not(tmp_path: Path) -> None:
    """The test can fail: of a batch that was not finished something is missing after the cut, and nothing is
    half there.
    """

    def work(disk: Disk) -> tuple[set[str], list[str]]:
        perform(disk, BATCH, finish=False)
        disk.cut(FLUSH_NOTHING)
        names = {
            path.name
            for path in (disk.root / "etc").iterdir()
            if path.name.startswith("f") and path.name[1:].isdigit()
        }
        return names, [path.removeprefix(str(disk.root)) for path in there(disk)]

    names, whole = on_a_disk(tmp_path, work)

    assert len(BATCH) > len(whole)
    assert names == {Path(path).name for path in whole if path.startswith("/etc/f")}


def test_nothing_goes_before_what_replaces_it_stays(tmp_path: Path) -> None:
    """A removal survives only together with what was put in place before it."""

    def work(disk: Disk) -> bool:
        perform(disk, [write("/etc/f1")], finish=True)
        old = digest((disk.root / "etc/f1").read_bytes())
        perform(disk, [write("/etc/f2"), RemovePath("/etc/f1", old)], finish=False)
        disk.cut(FLUSH_NOTHING)
        return (disk.root / "etc/f2").exists()

    assert on_a_disk(tmp_path, work)
