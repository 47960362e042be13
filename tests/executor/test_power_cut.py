"""A power cut: the file system is shut down without flushing anything, and mounted again. ext4 on a loop device, by its own ioctl."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.core.actions import ABSENT, Action, MakeDirectory, MakeLink, RemovePath, WriteFile
from reconciler.core.digest import digest
from reconciler.host.live import LiveHost
from tests.executor.hosts_under_test import base_tree

_SHUTDOWN, _FLUSH_NOTHING = 0x8004587D, 2
_OPTIONS = "loop,noauto_da_alloc"
"""Without noauto_da_alloc ext4 flushes what is renamed over something, and hides a missing fsync."""


class Disk:
    """A small ext4 file system whose power can be cut."""

    def __init__(self, place: Path) -> None:
        self._image, self.root = place / "image", place / "mounted"
        self.root.mkdir()
        with self._image.open("wb") as file:
            file.truncate(16 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", self._image], check=True, capture_output=True)
        self._mount()
        self.root.chmod(0o755)
        base_tree(self.root)
        (self.root / "etc/systemd/system").mkdir(parents=True)
        subprocess.run(["sync", "-f", self.root], check=True)

    def _mount(self) -> None:
        subprocess.run(["mount", "-o", _OPTIONS, self._image, self.root], check=True, capture_output=True)

    def cut(self) -> None:
        """The power goes, and comes back."""
        fd = os.open(self.root, os.O_RDONLY)
        fcntl.ioctl(fd, _SHUTDOWN, struct.pack("I", _FLUSH_NOTHING))
        os.close(fd)
        self.end()
        self._mount()

    def end(self) -> None:
        """Unmount."""
        subprocess.run(["umount", self.root], check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A fresh one. Left out where no loop device can be mounted."""
    if os.geteuid() != 0 or not shutil.which("mkfs.ext4"):
        pytest.skip("needs root and mkfs.ext4: a file system of its own")
    try:
        found = Disk(tmp_path)
    except subprocess.CalledProcessError as problem:
        pytest.skip(f"no file system can be mounted here: {problem.stderr!r}")
    yield found
    found.end()


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
    """What of the batch is there, with all that it should have in it."""
    found = []
    for action in BATCH:
        path = disk.root / action.path[1:]  # type: ignore[union-attr]  # all have paths
        whole = path.read_bytes() == action.content if isinstance(action, WriteFile) and path.exists() else os.path.lexists(path)
        found += [str(path)] if whole else []
    return found


def test_a_finished_batch_survives(disk: Disk) -> None:
    """After `finish` every file, directory and link of the batch is there for good, whole."""
    perform(disk, BATCH, finish=True)
    disk.cut()

    assert len(BATCH) == len(there(disk))


def test_without_finish_it_does_not(disk: Disk) -> None:
    """The test can fail: of a batch that was not finished something is missing after the cut, and nothing is half there."""
    perform(disk, BATCH, finish=False)
    disk.cut()
    names = {path.name for path in (disk.root / "etc").iterdir() if path.name.startswith("f") and path.name[1:].isdigit()}

    assert len(BATCH) > len(there(disk))
    assert names == {Path(path).name for path in there(disk) if path.startswith(f"{disk.root}/etc/f")}


def test_nothing_goes_before_what_replaces_it_stays(disk: Disk) -> None:
    """A removal survives only together with what was put in place before it."""
    perform(disk, [write("/etc/f1")], finish=True)
    old = digest((disk.root / "etc/f1").read_bytes())
    perform(disk, [write("/etc/f2"), RemovePath("/etc/f1", old)], finish=False)
    disk.cut()

    assert (disk.root / "etc/f2").exists()
