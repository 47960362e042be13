"""The file systems mounted here."""

from __future__ import annotations

import os

from reconciler.core.basics.frozen import frozen
from reconciler.formats import fstab, named_mounts


@frozen
class _Mount:
    """A line of mountinfo (proc(5))."""

    id: str
    parent: str
    device: str
    root: str
    point: str


def mount_points() -> frozenset[str]:
    """Every path at which something is mounted in our mount namespace.

    Where systemd closes a directory to a service, it binds it to itself, in the service's namespace alone:
    that is no file system of its own. An unmounted disk would else count as mounted, and be archived as
    empty.
    """
    mounts = _mounts("self")
    points = frozenset(mount.point for mount in mounts.values())
    apart = frozenset(
        mount.point for mount in mounts.values() if not _shows_itself(mount, mounts.get(mount.parent))
    )
    if apart == points:
        return points
    return apart | (points & {mount.point for mount in _mounts("1").values()})


def _mounts(process: str) -> dict[str, _Mount]:
    """The mounts that a process has, by their ids; none where nobody may look."""
    try:
        with open(f"/proc/{process}/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            fields = [line.split(" ")[:5] for line in file]
    except OSError:
        if process == "self":
            raise
        return {}
    return {
        number: _Mount(number, parent, device, fstab.unescaped(root), fstab.unescaped(point))
        for number, parent, device, root, point in fields
    }


def _shows_itself(mount: _Mount, below: _Mount | None) -> bool:
    """Whether a mount shows what would be there without it."""
    if below is None or mount.device != below.device:
        return False
    inside = mount.point.removeprefix(below.point.rstrip("/"))
    return mount.root.rstrip("/") == below.root.rstrip("/") + inside.rstrip("/")


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


def file_system_id(path: str) -> int:
    """The number of the file system at a path; 0 if there is none to be had.

    Most derive it from their UUID, so that it stays when a disk gets another device number.
    """
    try:
        return os.statvfs(path).f_fsid
    except OSError:
        return 0


def is_own_file_system(point: str) -> bool:
    """Whether a mount point has another file system than the directory above it; a bind mount may have the
    same one.
    """
    try:
        return os.lstat(point).st_dev != os.lstat(os.path.dirname(point)).st_dev
    except OSError:
        return True
