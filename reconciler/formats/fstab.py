"""fstab(5): the mount points that it names, and paths whose mount point has nothing mounted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from reconciler.core.basics.lazy_regex import Late

PATH = "/etc/fstab"
_ESCAPE = Late(r"\\([0-7]{3})")
_NOT_PLACES = ("", "/", "none", "swap")
IN_MEMORY = frozenset(("tmpfs", "ramfs", "devtmpfs"))
"""Types of file systems that are empty after a boot."""


def unescaped(text: str) -> str:
    """A field of fstab(5) or of mountinfo (proc(5)), in which a space is a backslash and 040."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text)


def mount_points(text: str) -> frozenset[str]:
    """The mount points that the lines name, whatever their options: a disk with `noauto` is missing too while
    it is not mounted.
    """
    rows = (line.split() for line in text.splitlines() if not line.lstrip().startswith("#"))
    named = (unescaped(row[1]) for row in rows if len(row) >= 3 and row[2] != "swap")
    return frozenset(
        mount_point for mount_point in (plain(name) for name in named) if mount_point not in _NOT_PLACES
    )


def in_memory(text: str) -> frozenset[str]:
    """The mount points with a file system in memory."""
    rows = (line.split() for line in text.splitlines() if not line.lstrip().startswith("#"))
    return frozenset(plain(unescaped(row[1])) for row in rows if len(row) >= 3 and row[2] in IN_MEMORY)


def outline(text: str) -> str:
    """The mount points and nothing else: no devices, and no options, which may hold passwords."""
    rows = (line.split() for line in text.splitlines() if not line.lstrip().startswith("#"))
    types = {"swap", *IN_MEMORY}
    return "".join(f"- {row[1]} {row[2] if row[2] in types else '-'}\n" for row in rows if len(row) >= 3)


def plain(path: str) -> str:
    """An absolute path without empty parts."""
    return "/" + "/".join(filter(None, path.split("/"))) if path.startswith("/") else path


def parents(path: str) -> Iterator[str]:
    """Every directory above `path`, the nearest first, without `/`."""
    while (path := path.rpartition("/")[0]) not in ("", "/"):
        yield path


def not_mounted(path: str, named: Collection[str], mounted: Collection[str]) -> str:
    """The nearest mount point at or above `path` that is named and where nothing is mounted; empty if
    there is none.
    """
    return next(
        (
            mount_point
            for mount_point in (path, *parents(path))
            if mount_point in named and mount_point not in mounted
        ),
        "",
    )


def below(path: str, paths: Iterable[str]) -> list[str]:
    """The paths below `path`, sorted, without those that lie in another one of them."""
    outermost: list[str] = []
    for other in sorted(paths):
        if other.startswith(f"{path}/") and not (outermost and other.startswith(f"{outermost[-1]}/")):
            outermost.append(other)
    return outermost
