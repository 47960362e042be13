"""The names that a directory has by mounts."""

from __future__ import annotations

import pytest

from reconciler.formats.mount_names import MountNames

ROOT = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
PROC = "23 22 0:5 / /proc rw - proc proc rw\n"


@pytest.mark.parametrize(
    ("mounts", "path", "names"),
    [
        ("", "/srv/data", ["/srv/data"]),
        ("30 22 8:1 /etc /srv/data rw - ext4 /dev/sda1 rw\n", "/srv/data", ["/etc", "/srv/data"]),
        ("30 22 8:1 /etc /srv/data rw - ext4 /dev/sda1 rw\n", "/srv/data/x/y", ["/etc/x/y", "/srv/data/x/y"]),
        ("30 22 8:1 /etc /srv/data rw - ext4 /dev/sda1 rw\n", "/etc/x", ["/etc/x", "/srv/data/x"]),
        ("30 22 8:1 /etc /srv/data rw - ext4 /dev/sda1 rw\n", "/srv/database", ["/srv/database"]),
        ("30 22 8:1 / /srv/all rw - ext4 /dev/sda1 rw\n", "/srv/all", ["/", "/srv/all"]),
        ("30 22 8:1 / /srv/all rw - ext4 /dev/sda1 rw\n", "/srv/all/etc", ["/etc", "/srv/all/etc"]),
        ("30 22 8:1 /my\\040data /srv/d rw - ext4 /dev/sda1 rw\n", "/srv/d/x", ["/my data/x", "/srv/d/x"]),
        ("30 22 8:9 / /home rw - ext4 /dev/sdb1 rw\n", "/home/ann", ["/home/ann"]),
        (
            "30 22 8:9 / /home rw - ext4 /dev/sdb1 rw\n31 22 8:9 /ann /srv/a rw - ext4 /dev/sdb1 rw\n",
            "/srv/a/x",
            ["/home/ann/x", "/srv/a/x"],
        ),
        # what is mounted over hides it
        (
            "30 22 8:1 /srv /mnt rw - ext4 /dev/sda1 rw\n31 22 8:9 / /mnt/x rw - ext4 /dev/sdb1 rw\n",
            "/srv/x/y",
            ["/srv/x/y"],
        ),
    ],
)
def test_names_of_a_path(mounts: str, path: str, names: list[str]) -> None:
    """A directory that is mounted at two places has both names, and so has what is in it."""
    assert names == list(MountNames(ROOT + PROC + mounts).of(path))


@pytest.mark.parametrize("path", ["/", "/home/ann", "/home", "/x/.snapshots/1"])
def test_subvolumes_are_no_second_names(path: str) -> None:
    """Subvolumes of btrfs that are mounted each at its own place show nothing twice."""
    mounts = (
        "22 1 0:30 /@ / rw - btrfs /dev/sda1 rw\n30 22 0:30 /@home /home rw - btrfs /dev/sda1 rw\n"
        "31 22 0:30 /@/x/.snapshots /x/.snapshots rw - btrfs /dev/sda1 rw\n"
    )

    assert [path] == list(MountNames(mounts).of(path))
