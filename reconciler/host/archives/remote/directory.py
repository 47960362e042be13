"""A directory of archives on another machine, by SFTP; sums are computed over there where a shell can."""

from __future__ import annotations

import hashlib
import os
import shlex
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import TracebackType
from typing import Self

from reconciler.formats.backups.remote import Remote
from reconciler.formats.sftp import Code, NotSftp, Space
from reconciler.host.archives.private_directory import Missing, Refused
from reconciler.host.archives.remote.channel import Lost
from reconciler.host.archives.remote.login import login
from reconciler.host.archives.remote.sftp import Failed, Sftp
from reconciler.host.archives.remote.spool import spool
from reconciler.host.archives.remote.throttle import Throttle
from reconciler.host.archives.tar import ArchiveError, TargetError
from reconciler.host.process import failpoints

_SMALL = 1 << 22
_MARK = "reconciler-sum:"
_SUM = """\
sum=$(sha256sum < {path}) || exit 1
printf '{mark}%s\\n' "${{sum%% *}}"
"""
"""Run by sh(1) at the far end; without a shell there is no line that begins with the mark."""
_SSH_FAILED = 255
_HEX = frozenset("0123456789abcdef")


class RemoteDirectory:
    """An open directory on another machine. A context manager. Every name is one in this directory."""

    def __init__(self, remote: Remote, *, make: bool = False, patient: bool = True, spool_in: str) -> None:
        """Connect and open it; `make` a missing one, 0700, below an existing parent.

        Without `patient` it has a few seconds. Archives on their way lie on the disk of `spool_in`.

        Raises Lost, Refused, UnsafePath, Unreadable.
        """
        self.path = remote.url
        self.is_remote, self.remark = True, ""
        self._spool_in = spool_in
        self._place = remote.place.path
        with ExitStack() as stack:
            self._login = stack.enter_context(login(remote, patient=patient))
            channel = stack.enter_context(self._login.channel(["sftp"], subsystem=True))
            try:
                self._sftp = Sftp(channel, Throttle(remote.limit))
            except Lost as lost:
                raise self._login.refusal(lost) from lost
            except Refused as refused:
                raise Refused(refused.summary, f"{self.path}: {refused.detail}") from refused
            with self._reading(""):
                self._must_be_ours(make)
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._stack.close()

    def names(self) -> list[str]:
        """All names in it, sorted. Raises Lost, Refused."""
        with self._reading(""):
            return self._sftp.names(self._place)

    def size(self, name: str) -> int | None:
        """The size of a regular file; None when there is none. Raises Lost, Refused."""
        with self._reading(name):
            attributes = self._sftp.lstat(self._at(name))
        if attributes is None or attributes.size is None or not stat.S_ISREG(attributes.mode or 0):
            return None
        return attributes.size

    def open(self, name: str) -> int:
        """A descriptor of a local copy, which has no name. Raises Lost, Refused."""
        size = self._size_of(name)
        fd = spool(size, self._spool_in)
        try:
            self._download(name, size, lambda block: _write(fd, block))
        except BaseException:
            os.close(fd)
            raise
        os.lseek(fd, 0, os.SEEK_SET)
        return fd

    def read(self, name: str) -> bytes:
        """A small file. Raises Lost, Refused."""
        content = bytearray()
        self._download(name, min(self._size_of(name), _SMALL), content.extend)
        return bytes(content)

    def sum_of(self, name: str) -> str:
        """The SHA-256 of a file, by a shell over there, or by a download of it. Raises Lost, Refused."""
        size = self._size_of(name)
        with self._reading(name):
            there = self._sum_there(name)
        if there:
            return there
        self.remark = "the far end computes no sums (it has no shell): each check costs a download"
        total = hashlib.sha256()
        self._download(name, size, total.update)
        return total.hexdigest()

    def create(self, name: str, room: int = 0) -> int:
        """A descriptor of a local file without a name. Raises Refused."""
        return spool(room, self._spool_in)

    def deliver(self, name: str, fd: int, sha256: str) -> None:
        """Send a whole file, make it durable, and have its sum computed where it lies.

        Raises TargetError, and ArchiveError where it is the file that is not as it was.
        """
        total = hashlib.sha256()
        offset = 0

        def read(length: int) -> bytes:
            nonlocal offset
            try:
                block = os.pread(fd, length, offset)
            except OSError as error:
                raise ArchiveError("the archive cannot be read", str(error.strerror)) from error
            total.update(block)
            offset += len(block)
            return block

        with self._changing("written", name):
            self._sftp.upload(self._at(name), read)
        failpoints.hit("backup.uploaded")
        if total.hexdigest() != sha256:
            raise ArchiveError("the archive changed while it was copied", f"{self.path}/{name}")
        if self.sum_of(name) != sha256:
            raise TargetError("the archive did not arrive as it was sent", f"{self.path}/{name}")

    def write(self, name: str, content: bytes) -> None:
        """Write a new small file, 0600; it is durable, its name is not. Raises TargetError."""
        rest = memoryview(content)

        def read(length: int) -> bytes:
            nonlocal rest
            block, rest = rest[:length], rest[length:]
            return bytes(block)

        with self._changing("written", name):
            self._sftp.upload(self._at(name), read)

    def rename(self, old: str, new: str) -> None:
        """Rename to a free name. Raises TargetError."""
        with self._changing("renamed", new):
            self._sftp.rename(self._at(old), self._at(new))

    def replace(self, old: str, new: str) -> None:
        """Rename, in place of the file that has the name. Raises TargetError."""
        with self._changing("replaced", new):
            self._sftp.replace(self._at(old), self._at(new))

    def remove(self, name: str) -> None:
        """Remove a file; fine if it is gone. Raises TargetError."""
        with self._changing("removed", name):
            self._sftp.remove(self._at(name))

    def sync(self) -> None:
        """Make the names durable, where the server can. Raises TargetError."""
        with self._changing("made durable", ""):
            self._sftp.sync(self._place)

    def read_only(self) -> bool:
        """Whether its file system is mounted read-only, as far as the server says. Raises Lost, Refused."""
        space = self._space()
        return space is not None and space.read_only

    def free(self) -> int:
        """Bytes that we can still write; very many where the server does not say it. Raises Lost, Refused."""
        space = self._space()
        return sys.maxsize if space is None else space.free

    # ------------------------------------------------------------------------------------------- the far end

    def _must_be_ours(self, make: bool) -> None:
        attributes = self._sftp.stat(self._place)
        if attributes is None and make:
            try:
                self._sftp.make_directory(self._place)
            except Failed as problem:
                if problem.code == Code.NO_SUCH_FILE:
                    raise Missing("the directory above does not exist", self.path) from problem
                raise Refused("the directory cannot be made", f"{self.path}: {problem}") from problem
            attributes = self._sftp.stat(self._place)
        if attributes is None:
            raise Missing("the directory does not exist", self.path)
        if not stat.S_ISDIR(attributes.mode or stat.S_IFDIR):
            raise Refused("not a directory", self.path)
        if (attributes.mode or 0) & 0o022:
            raise Refused("others can write to the directory", f"{self.path}: chmod go-w it over there")

    def _sum_there(self, name: str) -> str:
        """The sum that a shell at the far end computes; empty where there is none that can. Raises Lost."""
        script = _SUM.format(path=shlex.quote(self._at(name)), mark=_MARK)
        with self._login.channel(["sh"]) as channel, channel.slow():
            with suppress(Lost):  # what is there may not read it
                channel.send(script.encode("utf-8"))
            status, output = channel.finish(4096)
            if status == _SSH_FAILED:
                raise channel.lost()
        for line in output.decode("utf-8", "replace").splitlines():
            total = line.removeprefix(_MARK)
            if total != line and len(total) == 64 and _HEX.issuperset(total):
                return total
        return ""

    def _download(self, name: str, size: int, take: Callable[[bytes], None]) -> None:
        with self._reading(name):
            self._sftp.download(self._at(name), size, take)

    def _size_of(self, name: str) -> int:
        """The size of a file that must be there. Raises Lost, Refused."""
        size = self.size(name)
        if size is None:
            raise Refused(
                "the file cannot be opened", f"{self.path}/{name}: it is no regular file, or not there"
            )
        return size

    def _space(self) -> Space | None:
        with self._reading(""):
            return self._sftp.space(self._place)

    def _at(self, name: str) -> str:
        return f"{self._place}/{name}"

    # ---------------------------------------------------------------------------------------------- errors

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        """Turn errors of the protocol into words. Raises Lost, Refused."""
        try:
            yield
        except Failed as problem:
            raise Refused("it cannot be read", f"{self.path}/{name}: {problem}") from problem
        except (NotSftp, IndexError) as problem:
            raise Lost("the connection was lost", f"{self.path}: {problem}") from problem
        except Lost as lost:
            raise Lost("the connection was lost", self._named(lost)) from lost

    @contextmanager
    def _changing(self, done: str, name: str) -> Iterator[None]:
        """Turn errors of the protocol into words. Raises Lost, TargetError."""
        try:
            yield
        except Failed as problem:
            detail = f"{self.path}/{name}: {self._cause() or problem}"
            raise TargetError(f"the file cannot be {done}", detail) from problem
        except NotSftp as problem:
            raise Lost("the connection was lost", f"{self.path}: {problem}") from problem
        except Lost as lost:
            raise Lost("the connection was lost", self._named(lost)) from lost

    def _named(self, lost: Lost) -> str:
        return lost.detail if lost.detail.startswith(self.path) else f"{self.path}: {lost.detail}"

    def _cause(self) -> str:
        """The reason of a failure that the server has no number for."""
        try:
            space = self._sftp.space(self._place)
        except (Failed, NotSftp, Lost):
            return ""
        if space is None:
            return ""
        return (
            "Read-only file system"
            if space.read_only
            else "No space left on device"
            if not space.free
            else ""
        )


def _write(fd: int, block: bytes) -> None:
    rest = memoryview(block)
    try:
        while rest:
            rest = rest[os.write(fd, rest) :]
    except OSError as error:
        raise ArchiveError("the archive cannot be kept meanwhile", str(error.strerror)) from error
