"""The names that one directory has by mounts: with `mount --bind /etc /srv/data` /srv/data/x is a name of
/etc/x (proc(5), mountinfo).
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.basics.frozen import frozen
from reconciler.formats.fstab import unescaped

PATH = "/proc/1/mountinfo"
_FIELDS = 5


@frozen
class _Mount:
    device: str
    root: str
    """The path on the device, without `/` at its end."""
    point: str


class MountNames:
    """The mounts of one host; those by which nothing has two names are left out."""

    def __init__(self, mountinfo: str) -> None:
        rows = [line.split(" ", _FIELDS) for line in mountinfo.splitlines()]
        # of several at one point the last one hides the others; the order is that in which they were made
        mounts = {
            unescaped(row[4]).rstrip("/"): _Mount(
                row[2], unescaped(row[3]).rstrip("/"), unescaped(row[4]).rstrip("/")
            )
            for row in rows
            if len(row) > _FIELDS
        }
        self._mounts = mounts
        self._twice = [mount for mount in mounts.values() if self._has_other(mount)]

    def _has_other(self, mount: _Mount) -> bool:
        """Whether what is mounted there can be seen at another place as well."""
        return any(
            other is not mount
            and other.device == mount.device
            and (_is_in(other.root, mount.root) or _is_in(mount.root, other.root))
            and f"{other.point}{mount.root[len(other.root) :]}" != mount.point
            for other in self._mounts.values()
        )

    def of(self, path: str) -> Iterator[str]:
        """All names of a path, its own among them; that of the oldest mount comes first."""
        mount = self._at(path) if self._twice else None
        if mount is None:
            yield path
            return
        place = f"{mount.root}{path[len(mount.point) :].rstrip('/')}"
        for other in self._mounts.values():
            if other.device == mount.device and _is_in(place, other.root):
                name = f"{other.point}{place[len(other.root) :]}" or "/"
                if self._at(name) is other:
                    yield name

    def _at(self, path: str) -> _Mount | None:
        """The mount that a path is on."""
        point = path.rstrip("/")
        while point and point not in self._mounts:
            point = point.rpartition("/")[0]
        return self._mounts.get(point)


def _is_in(path: str, directory: str) -> bool:
    return path == directory or path.startswith(f"{directory}/")
