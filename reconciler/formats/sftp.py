"""The packets of SFTP, version 3, as OpenSSH speaks it.

See draft-ietf-secsh-filexfer-02, and the file PROTOCOL of OpenSSH for the extensions.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Self

from reconciler.core.basics.frozen import frozen

VERSION = 3
LARGEST = 1 << 18
"""The largest packet that either side sends."""
BLOCK = 1 << 15
"""Bytes of a file in one packet: every server takes so many."""


class Type(IntEnum):
    """The type of a packet."""

    INIT = 1
    VERSION = 2
    OPEN = 3
    CLOSE = 4
    READ = 5
    WRITE = 6
    LSTAT = 7
    OPENDIR = 11
    READDIR = 12
    REMOVE = 13
    MKDIR = 14
    STAT = 17
    RENAME = 18
    STATUS = 101
    HANDLE = 102
    DATA = 103
    NAME = 104
    ATTRS = 105
    EXTENDED = 200
    EXTENDED_REPLY = 201


class Code(IntEnum):
    """The status that the server answers with."""

    OK = 0
    EOF = 1
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3
    FAILURE = 4


READ, WRITE, CREATE, EXCLUSIVE = 0x01, 0x02, 0x08, 0x20
"""Flags of OPEN."""
_SIZE, _OWNER, _MODE, _TIMES, _EXTENDED = 0x1, 0x2, 0x4, 0x8, 0x80000000


class NotSftp(Exception):
    """The bytes are no packet that an answer can be."""


@frozen
class Attributes:
    """The attributes of a file; None where the server does not tell one."""

    size: int | None = None
    mode: int | None = None


def u32(number: int) -> bytes:
    """A number in four bytes."""
    return number.to_bytes(4, "big")


def u64(number: int) -> bytes:
    """A number in eight bytes."""
    return number.to_bytes(8, "big")


def text(content: bytes | str) -> bytes:
    """A string, with its length in front."""
    content = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    return u32(len(content)) + content


def mode(permissions: int) -> bytes:
    """Attributes that only say the mode."""
    return u32(_MODE) + u32(permissions)


def packet(kind: Type, body: bytes) -> bytes:
    """One packet."""
    return u32(len(body) + 1) + bytes([kind]) + body


class Reader:
    """Takes the parts of a packet one after the other. Raises NotSftp where there is no such part."""

    def __init__(self, content: bytes) -> None:
        self._rest = memoryview(content)

    def take(self, length: int) -> bytes:
        """So many bytes."""
        if length > len(self._rest):
            raise NotSftp("a packet is too short")
        taken, self._rest = self._rest[:length], self._rest[length:]
        return bytes(taken)

    def u32(self) -> int:
        """A number of four bytes."""
        return int.from_bytes(self.take(4), "big")

    def u64(self) -> int:
        """A number of eight bytes."""
        return int.from_bytes(self.take(8), "big")

    def text(self) -> bytes:
        """A string."""
        return self.take(self.u32())

    def attributes(self) -> Attributes:
        """The attributes of a file."""
        flags = self.u32()
        size = self.u64() if flags & _SIZE else None
        if flags & _OWNER:
            self.take(8)
        permissions = self.u32() if flags & _MODE else None
        if flags & _TIMES:
            self.take(8)
        for _ in range(self.u32() if flags & _EXTENDED else 0):
            self.text()
            self.text()
        return Attributes(size, permissions)

    def pairs(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs of strings up to the end."""
        while self._rest:
            yield self.text(), self.text()


@frozen
class Space:
    """The room on the file system of a path (statvfs@openssh.com)."""

    free: int
    read_only: bool

    @classmethod
    def parse(cls, reader: Reader) -> Self:
        """Read the reply. Raises NotSftp."""
        _size, fragment, _blocks, _free, available = (reader.u64() for _ in range(5))
        for _ in range(4):  # files, of these free and available, and the file system's id
            reader.u64()
        return cls(fragment * available, bool(reader.u64() & 1))
