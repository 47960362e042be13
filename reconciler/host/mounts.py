"""What is mounted here."""

from __future__ import annotations

import os

from reconciler.formats import fstab


def mount_points() -> frozenset[str]:
    """Every path at which something is mounted in our mount namespace (proc(5), mountinfo, field 5)."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return frozenset(fstab.unescaped(line.split(" ")[4]) for line in file)


def named_places() -> frozenset[str]:
    """The mount points that fstab(5) names; none where there is no such file."""
    try:
        with open(fstab.PATH, encoding="utf-8", errors="surrogateescape") as file:
            return fstab.mount_points(file.read())
    except OSError:
        return frozenset()


def of_its_own(point: str) -> bool:
    """Whether a mount point is another file system than the directory it is in: a bind mount may be the same one."""
    try:
        return os.lstat(point).st_dev != os.lstat(os.path.dirname(point)).st_dev
    except OSError:
        return True
