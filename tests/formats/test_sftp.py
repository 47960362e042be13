from __future__ import annotations

import pytest

from reconciler.formats import sftp
from reconciler.formats.sftp import Attributes, NotSftp, Reader, Space, Type


def test_a_packet() -> None:
    """The length counts the type and the body, as the draft has it."""
    assert b"\x00\x00\x00\x05\x01\x00\x00\x00\x03" == sftp.packet(Type.INIT, sftp.u32(3))
    assert b"\x00\x00\x00\x02\xc3\xbc" == sftp.text("ü")


def test_attributes() -> None:
    """Owners, times and extensions are passed over to what follows."""
    flags = sftp.u32(0x8000000F)
    more = sftp.u32(1) + sftp.text("acl") + sftp.text("x")
    body = flags + sftp.u64(5) + sftp.u64(0) + sftp.u32(0o100600) + sftp.u64(0) + more + sftp.text("next")
    reader = Reader(body)

    assert Attributes(5, 0o100600) == reader.attributes()
    assert b"next" == reader.text()
    assert Attributes() == Reader(sftp.u32(0)).attributes()


def test_the_room() -> None:
    """Free is what an ordinary user may still write; one of the flags is read-only."""
    numbers = (4096, 1024, 900, 200, 100, 0, 0, 0, 7, 1, 255)
    assert Space(102_400, read_only=True) == Space.parse(Reader(b"".join(map(sftp.u64, numbers))))


@pytest.mark.parametrize("body", [b"", b"\x00", b"\x00\x00\x00\x09short", b"\xff\xff\xff\xff"])
def test_a_packet_that_is_too_short(body: bytes) -> None:
    """A length beyond the end is told, and nothing is made up."""
    with pytest.raises(NotSftp):
        Reader(body).text()
