"""A small file system of its own whose power can be cut: ext4 or XFS on a loop device, ended by their own
shutdown ioctl.
"""

from __future__ import annotations

import ctypes
import fcntl
import multiprocessing
import os
import shutil
import struct
import subprocess
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar, cast

import pytest

T = TypeVar("T")

_NEW_MOUNTS = 0x20000
_SHUTDOWN = 0x8004587D
FLUSH_JOURNAL, FLUSH_NOTHING = 1, 2
"""The writes that the ioctl still does: the journal but no data, or nothing at all."""

_FORMS = {
    # Without noauto_da_alloc ext4 flushes what is renamed over something, and hides a missing fsync.
    "ext4": (16, ["mkfs.ext4", "-q", "-F"], "loop,noauto_da_alloc", ["e2fsck", "-f", "-n"]),
    "xfs": (320, ["mkfs.xfs", "-q", "-f"], "loop", ["xfs_repair", "-n"]),
}
"""Megabytes (a sparse file), how it is made, mounted and checked."""
FILE_SYSTEMS = tuple(_FORMS)


class Disk:
    """A file system in a file below `place`, mounted at `root`."""

    def __init__(self, kind: str, place: Path) -> None:
        size, self._make, self._options, self._check = _FORMS[kind]
        self.kind, self.root, self._image = kind, place / "mounted", place / "image"
        self.root.mkdir(parents=True)
        with self._image.open("wb") as file:
            file.truncate(size << 20)
        _run(*self._make, self._image)
        self._mount()
        self.root.chmod(0o755)

    def cut(self, flush: int, *, check: bool = False) -> str:
        """The power goes and comes back.

        With `check`: what the file system's own check finds wrong, once its journal is played.
        """
        fd = os.open(self.root, os.O_RDONLY)
        fcntl.ioctl(fd, _SHUTDOWN, struct.pack("I", flush))
        os.close(fd)
        self.end()
        self._mount()
        if not check:
            return ""
        self.end()
        done = subprocess.run([*self._check, self._image], capture_output=True, text=True, check=False)
        self._mount()
        return (
            f"{self._check[0]}: exit {done.returncode}\n{done.stdout}{done.stderr}" if done.returncode else ""
        )

    def sync(self) -> None:
        """Everything is on the disk."""
        _run("sync", "-f", self.root)

    def end(self) -> None:
        """Unmount, as soon as the last process of a killed group is gone."""
        for _ in range(200):
            done = subprocess.run(["umount", self.root], capture_output=True, text=True, check=False)
            if "busy" not in done.stderr:
                break
            time.sleep(0.02)
        done.check_returncode()

    def _mount(self) -> None:
        _run("mount", "-o", self._options, self._image, self.root)


def _run(*argv: object) -> None:
    subprocess.run(list(map(str, argv)), check=True, capture_output=True)


@contextmanager
def disk(kind: str, place: Path) -> Iterator[Disk]:
    """A fresh one, for as long as the block runs. To be used `apart`."""
    found = Disk(kind, place)
    try:
        yield found
    finally:
        found.end()


def need(kind: str) -> None:
    """Leave the test out where such a file system cannot be made."""
    program = _FORMS[kind][1][0]
    if os.geteuid() != 0 or not shutil.which(program):
        pytest.skip(f"needs root and {program}: a file system of its own")
    if not Path("/dev/loop-control").exists():
        pytest.skip("needs loop devices: a file system of its own")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs mounts of its own: a file system of its own")


def apart(work: Callable[[], T]) -> T:
    """The result of `work` in a fork with mounts of its own.

    Whoever boots a host meanwhile copies all mounts that it sees, and a copy keeps a file system alive that
    we think is unmounted.
    """
    receiver, sender = multiprocessing.get_context("fork").Pipe(duplex=False)

    def child() -> None:
        try:
            assert 0 == ctypes.CDLL(None).unshare(_NEW_MOUNTS), "unshare(2) is refused"
            _run("mount", "--make-rprivate", "/")
            sender.send((work(), ""))
        except BaseException:  # noqa: BLE001  # told to the parent, which fails with it
            sender.send((None, traceback.format_exc()))

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    sender.close()
    try:
        found, failed = receiver.recv()
    finally:
        process.join()

    assert not failed, failed
    return cast("T", found)
