"""The mounts of the host as a service sees them that is closed in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.host.mounts import mount_points
from tests.host.hosts_under_test import mounted

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts")

_ASK = "import sys; sys.path.insert(0, {!r})\nfrom reconciler.host.mounts import mount_points\nprint(*sorted(mount_points()), sep='\\n')"


def inside(script: str) -> list[str]:
    """The mount points that a process knows in a mount namespace of its own, made by a script."""
    ask = _ASK.format(str(Path(__file__).resolve().parents[2]))
    argv = ["unshare", "--mount", "sh", "-euc", f'{script}\nexec "$0" -c "$1"', sys.executable, ask]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()


def test_a_directory_that_is_closed_is_no_disk(tmp_path: Path) -> None:
    """systemd binds a directory to itself for one service: that is no mount point. A disk, a bind of another
    directory and a disk over a closed directory are.
    """
    names = ("closed", "disk", "other", "both", "closed/deep")
    for name in names:
        (tmp_path / name).mkdir()
    points = inside(
        f"cd {tmp_path}; mount --bind closed closed; mount -o remount,bind,ro closed; mount --bind other disk;"
        " mount --bind closed/deep closed/deep; mount -t tmpfs tmpfs other; mount --bind both both;"
        " mount -t tmpfs tmpfs both; mount --bind both both"
    )

    assert [str(tmp_path / name) for name in ("both", "disk", "other")] == [
        point for point in points if point.startswith(f"{tmp_path}/")
    ]


def test_what_the_host_binds_counts(tmp_path: Path) -> None:
    """A directory that the host itself has bound to itself was mounted on purpose."""
    (tmp_path / "a").mkdir()
    subprocess.run(["mount", "--bind", tmp_path / "a", tmp_path / "a"], check=True)
    try:
        points = mount_points()
    finally:
        subprocess.run(["umount", tmp_path / "a"], check=True)

    assert str(tmp_path / "a") in points


def test_a_closed_mount_point_stays_one(tmp_path: Path) -> None:
    """A disk of the host that is closed for a service is mounted for it as well."""
    with mounted("tmpfs", "size=1m", tmp_path / "disk") as disk:
        points = inside(f"mount --bind {disk} {disk}; mount -o remount,bind,ro {disk}")

    assert str(disk) in points
