"""A client of SFTP over the system's ssh.

The protocol itself is spoken, not sftp(1): its answers are numbers, not words, and names need no quoting.
"""

from __future__ import annotations

from collections.abc import Callable

from reconciler.formats import sftp
from reconciler.formats.sftp import Attributes, Code, NotSftp, Reader, Space, Type
from reconciler.host.archives.private_directory import Refused
from reconciler.host.archives.remote.channel import Channel, Lost
from reconciler.host.archives.remote.throttle import Throttle
from reconciler.host.process import failpoints
from reconciler.host.process.run import escape

_WINDOW = 64
"""Requests on their way: what is in memory is this many blocks."""
_NAMES = 100_000
"""The most names in a directory that are taken."""
_NEEDED = "posix-rename@openssh.com"
_FSYNC = "fsync@openssh.com"
_STATVFS = "statvfs@openssh.com"


class Failed(Exception):
    """The server refused a request: the code, and its words."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code


class Sftp:
    """One session."""

    def __init__(self, channel: Channel, throttle: Throttle) -> None:
        """Begin it. Raises Lost, Refused."""
        self._channel = channel
        self._throttle = throttle
        self._last = 0
        self._early: dict[int, tuple[int, Reader]] = {}
        channel.send(sftp.packet(Type.INIT, sftp.u32(sftp.VERSION)))
        try:
            kind, reader = self._packet()
            speaks = kind == Type.VERSION and reader.u32() >= sftp.VERSION
            self._extensions = {name.decode("utf-8", "replace") for name, _ in reader.pairs()}
        except NotSftp:  # a shell that prints something, or one that lets nobody in
            speaks = False
        if not speaks:
            detail = "it does not speak SFTP: what does `sftp` say that logs in there by hand?"
            raise Refused("the far end cannot be used", detail)
        if _NEEDED not in self._extensions:
            raise Refused("the far end cannot be used", f"its SFTP server lacks {_NEEDED}; OpenSSH's has it")

    def stat(self, path: str) -> Attributes | None:
        """The attributes of a path, links followed; None where nothing is there."""
        return self._attributes(Type.STAT, path)

    def lstat(self, path: str) -> Attributes | None:
        """The attributes of a path, a link itself; None where nothing is there."""
        return self._attributes(Type.LSTAT, path)

    def make_directory(self, path: str) -> None:
        """Make a directory, 0700."""
        self._status(self._ask(Type.MKDIR, sftp.text(path) + sftp.mode(0o700)))

    def names(self, path: str) -> list[str]:
        """The names in a directory."""
        handle = self._handle(self._ask(Type.OPENDIR, sftp.text(path)))
        names: list[str] = []
        while True:
            kind, reader = self._answer(self._ask(Type.READDIR, handle))
            if kind == Type.STATUS:
                code, words = _status_of(reader)
                if code == Code.EOF:
                    break
                raise Failed(code, words)
            for _ in range(reader.u32()):
                names.append(reader.text().decode("utf-8", "surrogateescape"))
                reader.text()
                reader.attributes()
            if len(names) > _NAMES:
                raise Refused("the directory cannot be used", f"{path} has more than {_NAMES} names")
        self._close(handle)
        return sorted(name for name in names if name not in (".", ".."))

    def remove(self, path: str) -> None:
        """Remove a file; fine if it is gone."""
        try:
            self._status(self._ask(Type.REMOVE, sftp.text(path)))
        except Failed as problem:
            if problem.code != Code.NO_SUCH_FILE:
                raise

    def rename(self, old: str, new: str) -> None:
        """Rename to a free name."""
        self._status(self._ask(Type.RENAME, sftp.text(old) + sftp.text(new)))

    def replace(self, old: str, new: str) -> None:
        """Rename, in place of what has the name."""
        self._status(self._ask(Type.EXTENDED, sftp.text(_NEEDED) + sftp.text(old) + sftp.text(new)))

    def space(self, path: str) -> Space | None:
        """The room at a path; None where the server cannot say it."""
        if _STATVFS not in self._extensions:
            return None
        kind, reader = self._answer(self._ask(Type.EXTENDED, sftp.text(_STATVFS) + sftp.text(path)))
        if kind != Type.EXTENDED_REPLY:
            raise Failed(*_status_of(reader))
        return Space.parse(reader)

    def sync(self, path: str) -> None:
        """Make a directory durable, where the server can: not every one opens a directory."""
        try:
            handle = self._open(path, sftp.READ)
        except Failed:
            return
        try:
            self._sync(handle)
        except Failed:
            pass
        finally:
            self._close(handle)

    def upload(self, path: str, read: Callable[[int], bytes]) -> None:
        """Write a new file, 0600, from what `read` gives until it is empty, and make it durable."""
        handle = self._open(path, sftp.WRITE | sftp.CREATE | sftp.EXCLUSIVE)
        try:
            self._send(handle, read)
            self._sync(handle)
        except Failed:
            self._close(handle)
            raise
        self._close(handle)

    def _send(self, handle: bytes, read: Callable[[int], bytes]) -> None:
        pending: list[int] = []
        offset = 0
        while block := read(sftp.BLOCK):
            self._throttle.take(len(block))
            pending.append(self._ask(Type.WRITE, handle + sftp.u64(offset) + sftp.text(block)))
            offset += len(block)
            if len(pending) >= _WINDOW:
                self._status(pending.pop(0))
            failpoints.hit("backup.sent")
        for ident in pending:
            self._status(ident)

    def download(self, path: str, size: int, take: Callable[[bytes], None]) -> None:
        """Give the first `size` bytes of a file to `take`, in order. Raises Refused where it has fewer."""
        handle = self._open(path, sftp.READ)
        asked = 0
        pending: list[tuple[int, int, int]] = []
        while asked < size or pending:
            while asked < size and len(pending) < _WINDOW:
                length = min(sftp.BLOCK, size - asked)
                pending.append((self._ask_to_read(handle, asked, length), asked, length))
                asked += length
            ident, offset, length = pending.pop(0)
            while length:
                block = self._data(ident)
                if not block or len(block) > length:
                    raise Refused("the file cannot be read", f"{path}: it has changed while it was read")
                self._throttle.take(len(block))
                take(block)
                offset, length = offset + len(block), length - len(block)
                if length:  # a server may give less than it was asked for
                    ident = self._ask_to_read(handle, offset, length)
        self._close(handle)

    # --------------------------------------------------------------------------------------------- requests

    def _ask_to_read(self, handle: bytes, offset: int, length: int) -> int:
        return self._ask(Type.READ, handle + sftp.u64(offset) + sftp.u32(length))

    def _open(self, path: str, flags: int) -> bytes:
        return self._handle(self._ask(Type.OPEN, sftp.text(path) + sftp.u32(flags) + sftp.mode(0o600)))

    def _sync(self, handle: bytes) -> None:
        if _FSYNC in self._extensions:
            with self._channel.slow():
                self._status(self._ask(Type.EXTENDED, sftp.text(_FSYNC) + handle))

    def _close(self, handle: bytes) -> None:
        self._status(self._ask(Type.CLOSE, handle))

    def _attributes(self, kind: Type, path: str) -> Attributes | None:
        answer, reader = self._answer(self._ask(kind, sftp.text(path)))
        if answer == Type.ATTRS:
            return reader.attributes()
        code, words = _status_of(reader)
        if code == Code.NO_SUCH_FILE:
            return None
        raise Failed(code, words)

    def _handle(self, ident: int) -> bytes:
        """A handle, as a request takes it."""
        kind, reader = self._answer(ident)
        if kind != Type.HANDLE:
            raise Failed(*_status_of(reader))
        return sftp.text(reader.text())

    def _data(self, ident: int) -> bytes:
        kind, reader = self._answer(ident)
        if kind == Type.DATA:
            return reader.text()
        code, words = _status_of(reader)
        if code == Code.EOF:
            return b""
        raise Failed(code, words)

    def _status(self, ident: int) -> None:
        kind, reader = self._answer(ident)
        code, words = _status_of(reader) if kind == Type.STATUS else (Code.FAILURE, "a strange answer")
        if code != Code.OK:
            raise Failed(code, words)

    def _ask(self, kind: Type, body: bytes) -> int:
        """Send a request, and return its number."""
        self._last = (self._last + 1) % (1 << 32)
        self._channel.send(sftp.packet(kind, sftp.u32(self._last) + body))
        return self._last

    def _answer(self, ident: int) -> tuple[int, Reader]:
        """The answer to a request; a server may answer in another order."""
        while True:
            if ident in self._early:
                return self._early.pop(ident)
            kind, reader = self._packet()
            self._early[reader.u32()] = kind, reader
            if len(self._early) > 4 * _WINDOW:
                raise Lost("the connection was lost", "the far end answers what was not asked")

    def _packet(self) -> tuple[int, Reader]:
        length = int.from_bytes(self._channel.receive(4), "big")
        if not 0 < length <= sftp.LARGEST:
            raise NotSftp("the far end does not speak SFTP")
        content = self._channel.receive(length)
        return content[0], Reader(content[1:])


def _status_of(reader: Reader) -> tuple[int, str]:
    code = reader.u32()
    return code, escape(reader.text().decode("utf-8", "replace"))
