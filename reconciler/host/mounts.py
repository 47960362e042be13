"""The file systems mounted here."""

from __future__ import annotations

import os

from reconciler.formats import fstab, named_mounts


def mount_points() -> frozenset[str]:
    """Every path at which something is mounted in our mount namespace (proc(5), mountinfo, field 5)."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return frozenset(fstab.unescaped(line.split(" ")[4]) for line in file)


def named_places() -> dict[str, str]:
    """The mount points that a configuration names, each with the file that does."""
    return named_mounts.named(_names, _text)


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def _text(path: str) -> str | None:
    """The text of a file, empty when it is masked by a link to /dev/null; None when it cannot be read."""
    try:
        if os.path.realpath(path) == os.devnull:
            return ""
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return None


def is_own_file_system(point: str) -> bool:
    """Whether a mount point has another file system than the directory above it; a bind mount may have the
    same one.
    """
    try:
        return os.lstat(point).st_dev != os.lstat(os.path.dirname(point)).st_dev
    except OSError:
        return True
