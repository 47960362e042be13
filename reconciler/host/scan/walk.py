"""The walk of a pass: every directory is opened in the one above it, and no link is followed.

So it stays where it began, whatever the owners of the directories do to them meanwhile. It keeps nothing of a
file that no predicate asks for.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
import time
from collections.abc import Callable
from itertools import islice

from reconciler.formats.file_scan import MOST, FileScan, ScannedEntry, Scope
from reconciler.host.scan.places import Places
from reconciler.host.scan.predicates import (
    ENDINGS,
    GATE,
    NAMES,
    PREDICATES,
    TYPES,
    UNOWNED,
    Sight,
)

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_DEEPEST = 400
"""A directory so far down is not read: each above it takes a descriptor."""
_LONGEST = 3900
"""A directory with a path so long is not read: nobody could name what is in it."""
_AT_ONCE = 1000
"""After so many entries the budget is looked at."""
_SAMPLES = 20
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""Errors of a name that was another thing a moment ago."""
_TYPE, _DIRECTORY, _REGULAR = 0o170000, 0o040000, 0o100000
_SUBVOLUME = 256
"""The number that the top directory of each subvolume of btrfs has."""


class _Stop(Exception):  # no error
    """The budget is used up; the text says of what."""


class _Directory:
    """An open directory."""

    def __init__(self, fd: int, path: str, *, subvolumes: bool, above: _Directory | None = None) -> None:
        status = os.fstat(fd)
        self.fd, self.path = fd, path
        self.device, self.inode = status.st_dev, status.st_ino
        self.open: bool = bool(status.st_mode & 0o001) and (above is None or above.open)
        """Whether others may enter it and all above it."""
        self.subvolumes = subvolumes
        self.below: list[str] = []
        """The names of the directories in it that are still to be read, in reverse."""

    def child(self, name: str) -> str:
        """The path of a name in it."""
        return f"{self.path.rstrip('/')}/{name}"


def _has_name(number: int, ask: Callable[[int], object]) -> bool:
    try:
        ask(number)
    except (KeyError, OSError):
        return False
    return True


def _number(status: os.stat_result) -> str:
    is_device = stat.S_ISBLK(status.st_mode) or stat.S_ISCHR(status.st_mode)
    return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}" if is_device else ""


def _words(error: OSError) -> str:
    return error.strerror or str(error)


def _has_attributes(path: str) -> bool:
    """Whether a file has extended attributes: one call, and no exception for all those that have none."""
    try:
        return bool(os.listxattr(path, follow_symlinks=False))
    except OSError:
        return False


class Walk:
    """One pass. `top` is the directory that stands for `/`."""

    def __init__(
        self, scope: Scope, places: Places, *, top: str = "/", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._scope, self._places = scope, places
        self._top = top
        self._clock = clock
        self._deadline = clock() + scope.seconds
        self._uids, self._gids = set(scope.uids), set(scope.gids)
        self._strange: tuple[set[int], set[int]] = (set(), set())
        self._seen: dict[str, list[ScannedEntry]] = {}
        self._counts: dict[str, int] = {}
        self._files = 0
        self._unread = 0
        self._unread_at: list[tuple[str, str]] = []
        self._skipped: dict[str, str] = {}

    def run(self) -> FileScan:
        """Read everything, or as much as the budget allows."""
        partial = stopped_at = ""
        for path, kind in self._places.paths:
            try:
                self._read_tree(path, kind)
            except _Stop as stop:
                partial, stopped_at = stop.args
                break
        return FileScan(
            seen={name: tuple(rows) for name, rows in sorted(self._seen.items())},
            counts=dict(sorted(self._counts.items())),
            files=self._files,
            unread=self._unread,
            unread_at=tuple(self._unread_at),
            skipped=tuple(sorted(self._skipped.items())),
            partial=partial,
            stopped_at=stopped_at,
        )

    def _read_tree(self, path: str, kind: str) -> None:
        """One place with all that is below it, depth first. Raises _Stop."""
        first = self._begin(path, subvolumes=kind == "btrfs")
        open_ones = [first] if first is not None else []
        try:
            if first is not None:
                self._read(first)
            while open_ones:
                here = open_ones[-1]
                if not here.below:
                    os.close(open_ones.pop().fd)
                    continue
                name = here.below.pop()
                below = self._enter(here, name, len(open_ones))
                if below is not None:
                    open_ones.append(below)
                    self._read(below)
        finally:
            for directory in open_ones:
                os.close(directory.fd)

    def _begin(self, path: str, *, subvolumes: bool) -> _Directory | None:
        """Open the directory in which a place begins, from the top; None where it cannot be."""
        here: _Directory | None = None
        try:
            here = _Directory(os.open(self._top, _OPEN & ~os.O_NOFOLLOW), "/", subvolumes=subvolumes)
            for name in filter(None, path.split("/")):
                above = here
                fd = os.open(name, _OPEN, dir_fd=above.fd)
                here = _Directory(fd, above.child(name), subvolumes=subvolumes, above=above)
                os.close(above.fd)
        except OSError as error:
            if here is not None:
                os.close(here.fd)
            # A single file can be mounted too; a link that is asked for is no directory either.
            if error.errno != errno.ENOENT and (error.errno != errno.ENOTDIR or path in self._scope.paths):
                self._miss(path, _words(error))
            return None
        return here

    def _enter(self, here: _Directory, name: str, depth: int) -> _Directory | None:
        """Open a directory in another one; None where it must not be entered, or cannot be."""
        path = here.child(name)
        if depth >= _DEEPEST or len(path) > _LONGEST:
            self._miss(path, "it is too deep")
            return None
        try:
            fd = os.open(name, _OPEN, dir_fd=here.fd)
        except OSError as error:
            if error.errno not in _GONE:
                self._miss(path, _words(error))
            return None
        below = _Directory(fd, path, subvolumes=here.subvolumes, above=here)
        if below.device == here.device or (here.subvolumes and below.inode == _SUBVOLUME):
            return below
        os.close(fd)
        self._skipped[path] = "is another file system, mounted meanwhile"
        return None

    def _miss(self, path: str, why: str) -> None:
        self._unread += 1
        if len(self._unread_at) < _SAMPLES:
            self._unread_at.append((path, why))

    def _read(self, here: _Directory) -> None:
        """Look at everything in a directory. Raises _Stop."""
        closed = self._places.closed.get(here.path)
        lost: OSError | None = None
        try:
            with os.scandir(here.fd) as entries:
                while batch := list(islice(entries, _AT_ONCE)):
                    if closed:
                        batch = self._but(here, batch, closed)
                    lost = self._look(here, batch) or lost
                    self._files += len(batch)
                    self._spend(here)
        except OSError as error:
            lost = error
        if lost is not None:
            self._miss(here.path, _words(lost))
        here.below.sort(reverse=True)

    def _but(
        self, here: _Directory, batch: list[os.DirEntry[str]], closed: frozenset[str]
    ) -> list[os.DirEntry[str]]:
        """The entries but those that are not even looked at."""
        for entry in batch:
            if entry.name in closed and (why := self._places.skipped.get(here.child(entry.name))):
                self._skipped[here.child(entry.name)] = why
        return [entry for entry in batch if entry.name not in closed]

    def _look(self, here: _Directory, batch: list[os.DirEntry[str]]) -> OSError | None:
        """Let the objects through the gates: the loop that decides what a pass costs.

        The last error is returned that is no sign of a name which has vanished.
        """
        uids, gids, gate, names, endings = self._uids, self._gids, GATE, NAMES, ENDINGS
        through = f"/proc/self/fd/{here.fd}/"
        home = self._scope.homes.get(here.path)
        is_home = home is not None
        lost: OSError | None = None
        for entry in batch:
            name = entry.name
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError as error:
                if error.errno not in _GONE:
                    lost = error
                continue
            mode = status.st_mode
            type_ = mode & _TYPE
            if type_ == _DIRECTORY:
                here.below.append(name)
            if (
                mode & gate[type_]
                or status.st_uid not in uids
                or status.st_gid not in gids
                or (type_ == _REGULAR and (name in names or name.endswith(endings)))
                or (is_home and name[0] == ".")
                or (mode & 0o111 and type_ == _REGULAR and _has_attributes(through + name))
            ):
                self._judge(here, Sight(here.fd, here.path, name, status, home))
        return lost

    def _judge(self, here: _Directory, sight: Sight) -> None:
        """Ask the predicates about an object."""
        if strange := self._strange_number(sight.status.st_uid, sight.status.st_gid):
            self._keep(UNOWNED, here, sight, strange)
        for predicate in PREDICATES:
            if (
                sight.type in predicate.types
                and (not predicate.bits or sight.mode & predicate.bits)
                and predicate.holds(sight)
            ):
                self._keep(predicate.name, here, sight)

    def _keep(self, predicate: str, here: _Directory, sight: Sight, strange: str = "") -> None:
        self._counts[predicate] = self._counts.get(predicate, 0) + 1
        rows = self._seen.setdefault(predicate, [])
        if len(rows) < MOST:
            status = sight.status
            capability = sight.capability if predicate == "capability" else ""
            mode = f"{sight.mode & 0o7777:04o}"
            rows.append(
                ScannedEntry(
                    *(here.child(sight.name), TYPES[sight.type], mode, status.st_uid, status.st_gid),
                    open=here.open,
                    capability=capability,
                    number=strange or _number(status),
                )
            )

    def _strange_number(self, uid: int, gid: int) -> str:
        """The number that has no name, of an owner or else of a group; empty where both have one.

        The name service is asked once for each number.
        """
        if not self._is_known(uid, self._uids, self._strange[0], pwd.getpwuid):
            return f"uid {uid}"
        return "" if self._is_known(gid, self._gids, self._strange[1], grp.getgrgid) else f"gid {gid}"

    def _is_known(
        self, number: int, named: set[int], nameless: set[int], ask: Callable[[int], object]
    ) -> bool:
        if number in named:
            return True
        if number in nameless:
            return False
        is_known = any(first <= number <= last for first, last in self._scope.ranges) or (
            self._top == "/" and _has_name(number, ask)
        )
        (named if is_known else nameless).add(number)
        return is_known

    def _spend(self, here: _Directory) -> None:
        """Raise _Stop when the budget is used up."""
        if self._files >= self._scope.files:
            raise _Stop("files", here.path)
        if self._clock() >= self._deadline:
            raise _Stop("time", here.path)
