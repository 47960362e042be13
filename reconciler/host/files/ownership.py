"""Owners of files: names for ids, ids for names, and a record beside the tree where the kernel does not let
us set them.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable
from dataclasses import asdict
from typing import Protocol

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import ActionFailed, HostError
from reconciler.formats.accounts import account_files
from reconciler.formats.accounts.passwd import Group, User
from reconciler.host.accounts.name_service import NameService
from reconciler.host.files.safe_path import SafeRoot
from reconciler.host.process import failpoints

_TEXT = ("utf-8", "surrogateescape")


class Ids:
    """Names and numbers of the accounts in a tree's own /etc/passwd and /etc/group.

    The name service of this machine is asked only for an account that is in neither, and only where `service`
    is given: on the running host. An id without a name is its number as text. The files are read once; call
    `forget` after they changed.
    """

    def __init__(self, root: SafeRoot, service: NameService | None = None) -> None:
        self._root = root
        self._service = service
        self._users: _Names | None = None
        self._groups: _Names | None = None
        self._accounts: tuple[tuple[User, ...], tuple[Group, ...]] | None = None

    def forget(self) -> None:
        """Read the files again when next asked."""
        self._users = self._groups = self._accounts = None

    def user(self, uid: int) -> str:
        """The name of a uid."""
        return self._named(self._user_names().name(uid), uid, group=False)

    def group(self, gid: int) -> str:
        """The name of a gid."""
        return self._named(self._group_names().name(gid), gid, group=True)

    def uid(self, name: str) -> int:
        """The uid of a name, or of a number as text. Raises ActionFailed."""
        return self._number(self._user_names(), name, "user", "/etc/passwd")

    def gid(self, name: str) -> int:
        """The gid of a name, or of a number as text. Raises ActionFailed."""
        return self._number(self._group_names(), name, "group", "/etc/group")

    def elsewhere(self, name: str, *, group: bool) -> int | None:
        """The number of a name that only the name service has; None when it has none."""
        return None if self._service is None else self._service.number(name, group=group)

    def _named(self, name: str | None, number: int, *, group: bool) -> str:
        return name or (self._service and self._service.name(number, group=group)) or str(number)

    def _number(self, names: _Names, name: str, kind: str, file: str) -> int:
        """The number of a name. Raises ActionFailed when there is no such `kind` of account."""
        number = names.number(name)
        number = self.elsewhere(name, group=kind == "group") if number is None else number
        if number is None:
            raise ActionFailed(
                f"no such {kind}", f"{kind} '{name}' is not in {file}; declare it or create it first"
            )
        return number

    def accounts(self) -> tuple[tuple[User, ...], tuple[Group, ...]]:
        """All users and all groups."""
        if self._accounts is None:
            self._accounts = account_files.users(self._root), account_files.groups(self._root)
        return self._accounts

    def _user_names(self) -> _Names:
        if self._users is None:
            self._users = _Names((user.name, user.uid) for user in self.accounts()[0])
        return self._users

    def _group_names(self) -> _Names:
        if self._groups is None:
            self._groups = _Names((group.name, group.gid) for group in self.accounts()[1])
        return self._groups


class _Names:
    """Names and their numbers, in both directions.

    The first name with a number and the first line with a name count, as in the C library.
    """

    def __init__(self, pairs: Iterable[tuple[str, int]]) -> None:
        self._by_number: dict[int, str] = {}
        self._by_name: dict[str, int] = {}
        for name, number in (*pairs, ("root", 0)):
            self._by_number.setdefault(number, name)
            self._by_name.setdefault(name, number)

    def name(self, number: int) -> str | None:
        return self._by_number.get(number)

    def number(self, name: str) -> int | None:
        number = self._by_name.get(name)
        return int(name) if number is None and _is_id(name) else number


def _is_id(text: str) -> bool:
    """Whether a text is the number of an account; -1 (2**32 - 1) is none."""
    return text.isascii() and text.isdecimal() and int(text) < 2**32 - 1


class Ownership(Protocol):
    """How mode and owner of files in a tree are held."""

    def describe(self, path: str, status: os.stat_result) -> tuple[str, str, str]:
        """Mode (four octal digits), owner and group."""

    def check(self, owner: str, group: str) -> None:
        """Raise ActionFailed when there is no such owner or group."""

    def hold(self, fd: int, mode: int, owner: str, group: str) -> None:
        """Set them on a new file or directory that nobody else can open yet. Raises ActionFailed, OSError."""

    def change(self, fd: int, mode: int, owner: str, group: str) -> None:
        """Set them on one that is in use; at no moment may anybody do more than before or after.

        Raises ActionFailed, OSError.
        """

    def record(self, path: str, status: os.stat_result, mode: int, owner: str, group: str) -> None:
        """Remember mode and owner of the entry at `path`, where the kernel could not hold them."""

    def own_link(self, directory: int, name: str, owner: str, group: str) -> None:
        """Set owner and group of a new symbolic link. Raises ActionFailed, OSError."""

    def drop(self, path: str) -> None:
        """Forget the record of a path that is gone."""

    def drop_below(self, path: str) -> None:
        """Forget the records of a directory that is gone, and of everything in it."""


class KernelOwnership:
    """As root: the kernel holds everything."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids

    def describe(self, path: str, status: os.stat_result) -> tuple[str, str, str]:
        """As Ownership.describe."""
        return (
            f"{stat.S_IMODE(status.st_mode):04o}",
            self._ids.user(status.st_uid),
            self._ids.group(status.st_gid),
        )

    def check(self, owner: str, group: str) -> None:
        """As Ownership.check."""
        self._ids.uid(owner)
        self._ids.gid(group)

    def hold(self, fd: int, mode: int, owner: str, group: str) -> None:
        """As Ownership.hold. The order matters: chown takes away set-user-id."""
        os.fchown(fd, self._ids.uid(owner), self._ids.gid(group))
        failpoints.hit("owner.given")
        os.fchmod(fd, mode)

    def change(self, fd: int, mode: int, owner: str, group: str) -> None:
        """As Ownership.change."""
        uid, gid = self._ids.uid(owner), self._ids.gid(group)
        before = os.fstat(fd)
        if (before.st_uid, before.st_gid) != (uid, gid):
            os.fchmod(fd, stat.S_IMODE(before.st_mode) & mode & 0o777)
            failpoints.hit("owner.narrowed")
            os.fchown(fd, uid, gid)
            failpoints.hit("owner.changed")
        os.fchmod(fd, mode)

    def record(self, path: str, status: os.stat_result, mode: int, owner: str, group: str) -> None:
        """Nothing to remember."""

    def own_link(self, directory: int, name: str, owner: str, group: str) -> None:
        """As Ownership.own_link."""
        os.chown(
            name, self._ids.uid(owner), self._ids.gid(group or owner), dir_fd=directory, follow_symlinks=False
        )

    def drop(self, path: str) -> None:
        """Nothing to forget."""

    def drop_below(self, path: str) -> None:
        """Nothing to forget."""


@frozen
class _Row:
    """A recorded owner, group and mode.

    `held` is the mode on disk when this was recorded: where the disk has another one now, somebody changed
    it and the disk counts.
    """

    owner: str
    group: str
    mode: str
    held: str


class RecordedOwnership:
    """The ownership for an ordinary user, in a tree that is ours.

    Owners, and modes that we could not work with, are in a file beside the tree. A path that is not recorded
    and belongs to us counts as root's. The file is a log of JSON lines: the last one for a path counts, a
    torn last line (power cut) is ignored. It is compacted atomically when it has grown to twice its content.
    A path's line is written after the path itself: a crash between the two shows as drift, never as a change
    that did not happen.
    """

    def __init__(self, ids: Ids, root: SafeRoot, file: str) -> None:
        self._ids = ids
        self._root = root
        self._file = file
        self._euid = os.geteuid()
        self._rows: dict[str, _Row] | None = None
        self._lines = 0
        self._pruned = False

    def describe(self, path: str, status: os.stat_result) -> tuple[str, str, str]:
        """As Ownership.describe."""
        disk = f"{stat.S_IMODE(status.st_mode):04o}"
        row = self._load().get(path)
        if row is not None:
            return row.mode if row.held == disk else disk, row.owner, row.group
        owner = "root" if status.st_uid == self._euid else self._ids.user(status.st_uid)
        group = "root" if status.st_uid == self._euid else self._ids.group(status.st_gid)
        return disk, owner, group

    def check(self, owner: str, group: str) -> None:
        """As Ownership.check."""
        self._ids.uid(owner)
        self._ids.gid(group)

    def hold(self, fd: int, mode: int, owner: str, group: str) -> None:
        """As Ownership.hold.

        We stay able to read and change what we own, whatever its mode will be on the host.
        """
        self.check(owner, group)
        ours = 0o700 if stat.S_ISDIR(os.fstat(fd).st_mode) else 0o600
        os.fchmod(fd, mode | ours)

    def change(self, fd: int, mode: int, owner: str, group: str) -> None:
        """As Ownership.change."""
        self.hold(fd, mode, owner, group)

    def record(self, path: str, status: os.stat_result, mode: int, owner: str, group: str) -> None:
        """As Ownership.record."""
        row = _Row(owner, group, f"{mode:04o}", f"{stat.S_IMODE(status.st_mode):04o}")
        rows = self._load()
        is_default = status.st_uid == self._euid and (owner, group) == ("root", "root")
        if is_default and row.mode == row.held and path not in rows:
            return
        rows[path] = row
        self._append({"path": path, **asdict(row)})

    def own_link(self, directory: int, name: str, owner: str, group: str) -> None:
        """Nothing to record: the owner of a link decides nothing."""

    def drop(self, path: str) -> None:
        """As Ownership.drop."""
        if self._load().pop(path, None) is not None:
            self._append({"path": path, "gone": True})

    def drop_below(self, path: str) -> None:
        """As Ownership.drop_below."""
        below = [other for other in self._load() if other == path or other.startswith(f"{path}/")]
        for other in below:
            self.drop(other)

    def _load(self) -> dict[str, _Row]:
        if self._rows is None:
            self._rows = self._read()
        return self._rows

    def _read(self) -> dict[str, _Row]:
        try:
            with open(self._file, encoding="utf-8", errors="surrogateescape") as stream:
                lines = stream.read().split("\n")
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise HostError(
                "the record of owners cannot be read", f"{self._file}: {error.strerror}"
            ) from error
        rows: dict[str, _Row] = {}
        for line in lines:
            self._lines += 1
            self._apply_line(line, rows)
        return rows

    @staticmethod
    def _apply_line(line: str, rows: dict[str, _Row]) -> None:
        """Put the row of a line of the log among the rows, or take it out."""
        try:
            data = json.loads(line)
            path = data["path"]
            row = None if data.get("gone") else _Row(data["owner"], data["group"], data["mode"], data["held"])
        except (ValueError, KeyError, TypeError):
            return
        if row is None:
            rows.pop(path, None)
        else:
            rows[path] = row

    def _append(self, line: dict[str, object]) -> None:
        if not self._pruned:
            self._prune()
        self._lines += 1
        if self._lines > 2 * len(self._load()) + 64:
            self._compact()
            return
        # The leading newline ends a line that a power cut tore.
        self._write(self._file, os.O_APPEND, "\n" + json.dumps(line))
        failpoints.hit("owners.appended")

    def _prune(self) -> None:
        """Drop the rows of paths that are gone from the tree: once in a run that writes."""
        self._pruned = True
        rows = self._load()
        gone = [path for path in rows if self._is_gone(path)]
        for path in gone:
            del rows[path]
        if gone:
            self._compact()

    def _is_gone(self, path: str) -> bool:
        try:
            return self._root.stat(path) is None
        except HostError:
            return False

    def _compact(self) -> None:
        rows = self._load()
        lines = (json.dumps({"path": path, **asdict(row)}) for path, row in rows.items())
        self._write(f"{self._file}.new", os.O_TRUNC, "\n".join(lines))
        failpoints.hit("owners.rewritten")
        os.rename(f"{self._file}.new", self._file)
        self._lines = len(rows)

    def _write(self, file: str, flag: int, text: str) -> None:
        os.makedirs(os.path.dirname(file), mode=0o700, exist_ok=True)
        fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | flag, 0o600)
        try:
            write_all(fd, text.encode(*_TEXT))
            os.fsync(fd)
        finally:
            os.close(fd)


def write_all(fd: int, content: bytes) -> None:
    """Write every byte; a single write(2) may take fewer. Raises OSError."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(fd, rest) :]
