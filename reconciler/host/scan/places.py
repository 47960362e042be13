"""The file systems that a pass reads: the local ones, each of them once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from reconciler.core.basics.frozen import frozen
from reconciler.formats import fstab

LOCAL = frozenset(
    (
        *("ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "jfs", "reiserfs", "nilfs2", "zfs", "bcachefs"),
        *("vfat", "exfat", "ntfs3", "tmpfs", "ramfs", "overlay"),
    )
)
"""Types of file systems whose files are here, and can be written to."""
_NO_FILES = frozenset(
    (
        *("proc", "sysfs", "devtmpfs", "devpts", "cgroup", "cgroup2", "mqueue", "debugfs", "tracefs"),
        *("securityfs", "configfs", "bpf", "pstore", "autofs", "binfmt_misc", "hugetlbfs", "efivarfs"),
        *("fusectl", "nsfs", "rpc_pipefs", "selinuxfs", "nfsd", "rootfs", "squashfs", "erofs"),
    )
)
"""Types that hold no files of anybody, or are images of packages: not worth a word."""


@frozen
class Mount:
    """A mounted file system, or a part of one."""

    device: str
    root: str
    """The directory of the file system that is mounted."""
    point: str
    type: str


@frozen
class Places:
    """The directories that are read, and those that are passed by."""

    paths: tuple[tuple[str, str], ...]
    """The directories to begin in, each with the type of its file system."""
    closed: Mapping[str, frozenset[str]]
    """By directory, the names in it that are neither looked at nor entered: another file system begins there,
    which may be one that does not answer, or it is skipped.
    """
    skipped: Mapping[str, str]
    """Why, by path; nothing is said of those that are not there."""


def parse_mounts(text: str) -> list[Mount]:
    """The mounts of mountinfo (proc(5)); of several at one point the last, which hides the others."""
    mounts: dict[str, Mount] = {}
    for line in text.splitlines():
        head, dash, tail = line.partition(" - ")
        fields = head.split(" ")
        if dash and len(fields) > 4:
            point = fstab.unescaped(fields[4])
            mounts.pop(point, None)
            mounts[point] = Mount(fields[2], fstab.unescaped(fields[3]), point, tail.split(" ", 1)[0])
    return list(mounts.values())


def choose(paths: Sequence[str], skip: Iterable[str], mounts: Sequence[Mount]) -> Places:
    """The places to read: each path, and the local file systems below it that no other place shows."""
    roots = tuple(dict.fromkeys(_plain(path) for path in paths))
    skip = frozenset(map(_plain, skip)) - frozenset(roots)
    chosen = {path: _of(path, mounts) for path in roots if not _is_covered(path, roots, skip, mounts)}
    skipped = dict.fromkeys(sorted(skip), "is on the list of what is skipped")
    # The wide ones first: what they show is not read again where it is bound.
    for mount in sorted(mounts, key=lambda mount: (len(mount.root), mount.point)):
        if mount.point in chosen or not _nearest(mount.point, roots) or _is_skipped(mount, roots, skip):
            continue
        if mount.type in LOCAL:
            if not any(_shows(outer, path, mount, mounts, skip) for path, outer in chosen.items()):
                chosen[mount.point] = mount
        elif mount.type not in _NO_FILES:
            skipped[mount.point] = f"{mount.type} is not a local file system"
    return Places(
        tuple((path, mount.type if mount else "") for path, mount in chosen.items()),
        _by_directory({*skip, *(mount.point for mount in mounts), *chosen}),
        skipped,
    )


def _plain(path: str) -> str:
    return fstab.plain(path.rstrip("/") or "/")


def _is_below(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def _nearest(path: str, directories: Iterable[str]) -> str:
    """The nearest of these directories that is `path`, or above it; empty if there is none."""
    return max((each for each in directories if _is_below(path, each)), key=len, default="")


def _of(path: str, mounts: Sequence[Mount]) -> Mount | None:
    """The mount that a path is in."""
    point = _nearest(path, (mount.point for mount in mounts))
    return next((mount for mount in mounts if mount.point == point), None)


def _is_covered(path: str, roots: Sequence[str], skip: frozenset[str], mounts: Sequence[Mount]) -> bool:
    """Whether another of the paths reads this one anyway."""
    above = [each for each in roots if each != path and _is_below(path, each)]
    nearest = _nearest(path, above)
    return bool(
        nearest and len(_nearest(path, skip)) <= len(nearest) and _of(path, mounts) == _of(nearest, mounts)
    )


def _is_skipped(mount: Mount, roots: Sequence[str], skip: frozenset[str]) -> bool:
    return len(_nearest(mount.point, skip)) > len(_nearest(mount.point, roots))


def _shows(
    outer: Mount | None, path: str, mount: Mount, mounts: Sequence[Mount], skip: frozenset[str]
) -> bool:
    """Whether what is mounted is read from a chosen path too, where nothing hides it."""
    if outer is None or outer.device != mount.device or not _is_below(mount.root, outer.root):
        return False
    inside = mount.root[len(outer.root.rstrip("/")) :].rstrip("/")
    there = outer.point.rstrip("/") + inside or "/"
    hidden = _nearest(there, skip)
    return (
        _is_below(there, path) and _of(there, mounts) == outer and len(hidden) <= len(path) - (hidden == path)
    )


def _by_directory(paths: Iterable[str]) -> Mapping[str, frozenset[str]]:
    names: dict[str, set[str]] = {}
    for path in paths:
        directory, _, name = path.rpartition("/")
        if name:
            names.setdefault(directory or "/", set()).add(name)
    return {directory: frozenset(inside) for directory, inside in names.items()}
