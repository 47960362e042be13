"""mountinfo and fstab(5): their mounts, and the passwords in them that nobody may see."""

from __future__ import annotations

import pytest

from reconciler.formats.audit.mounts import parse_fstab, parse_mounts, redact_fstab, redact_mounts

_MOUNTINFO = r"""22 28 0:21 / /proc rw,nosuid shared:12 - proc proc rw
30 28 0:31 / /mnt/my\040disk ro,nodev,relatime - cifs //server/my\040disk ro,username=x,password=hunter2,vers=3
31 28 0:32 / /dev/shm rw - tmpfs first rw
32 31 0:33 / /dev/shm rw,nosuid,nodev shared:3 master:1 - tmpfs second rw
"""


def test_mounts_are_by_their_directories() -> None:
    """A blank is a blank again, and the mount on top is the one that is seen."""
    mounts = parse_mounts(_MOUNTINFO)

    assert mounts["/mnt/my disk"].type == "cifs"
    assert mounts["/dev/shm"].source == "second"
    assert mounts["/dev/shm"].options == {"rw", "nosuid", "nodev"}


def test_a_line_that_is_not_understood_is_no_mount() -> None:
    """Unknown is not good: the parser says so."""
    with pytest.raises(ValueError, match="not understood"):
        parse_mounts("nonsense\n")


def test_no_password_of_a_mount_is_told() -> None:
    """Neither mountinfo nor fstab nor a comment in it tells one."""
    fstab = "# password=hunter2\n//server/x /mnt cifs user,suid,pass=hunter2,credentials=/etc/secret 0 0\n"

    assert "hunter2" not in redact_mounts(_MOUNTINFO) + redact_fstab(fstab)
    (mount,) = parse_fstab(redact_fstab(fstab))
    assert {"user", "suid"} <= mount.options
