"""The file systems mounted here."""

from __future__ import annotations

import os

from reconciler.formats import fstab, named_mounts


def mount_points() -> frozenset[str]:
    """Every path at which something is mounted in our mount namespace (proc(5), mountinfo, field 5)."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return frozenset(fstab.unescaped(line.split(" ")[4]) for line in file)


def named_places() -> dict[str, str]:
    """The places that are to have something mounted, each with the file that says so."""
    return named_mounts.named(_names, _text)


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def _text(path: str) -> str | None:
    try:
        if os.path.realpath(path) == os.devnull:
            return ""
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return None


def of_its_own(point: str) -> bool:
    """Whether a mount point is another file system than the directory it is in: a bind mount may be the same
    one.
    """
    try:
        return os.lstat(point).st_dev != os.lstat(os.path.dirname(point)).st_dev
    except OSError:
        return True
