"""Setuid programs and capabilities of files on a host: those from which root is one step, and those that ask
first.
"""

from __future__ import annotations

import struct

import pytest

from reconciler.core.host import Entry, FileType
from reconciler.policy.access.file_powers import powers


def attribute(*bits: int) -> tuple[tuple[str, bytes], ...]:
    """The capabilities of a file as the kernel keeps them, permitted and effective."""
    return (
        ("security.capability", struct.pack("<IIIII", 0x02000001, sum(1 << bit for bit in bits), 0, 0, 0)),
    )


SETUID = attribute(7)
ROWS: tuple[tuple[str, str, tuple[tuple[str, bytes], ...], list[tuple[str, bool]]], ...] = (
    (
        "/usr/bin/find",
        "4755",
        (),
        [("/usr/bin/find runs as root for whoever starts it, and it runs a command for each file", False)],
    ),
    (
        "/usr/bin/python3.11",
        "0755",
        SETUID,
        [("/usr/bin/python3.11 has cap_setuid for whoever starts it, and it interprets", False)],
    ),
    (
        "/usr/local/bin/ours",
        "0755",
        attribute(1, 21),
        [("/usr/local/bin/ours has cap_dac_override, cap_sys_admin for", True)],
    ),
    ("/usr/bin/sudo", "4755", (), []),
    ("/usr/bin/newuidmap", "0755", SETUID, []),
    ("/usr/bin/ping", "0755", attribute(13), []),
    ("/usr/local/bin/ours", "0755", attribute(10, 13), []),
    ("/usr/local/bin/ours", "4755", (), []),
    ("/usr/bin/find", "0755", (("security.capability", b"short"),), []),
)


@pytest.mark.parametrize(("path", "mode", "attributes", "expected"), ROWS)
def test_what_makes_whoever_starts_it_root(
    path: str, mode: str, attributes: tuple[tuple[str, bytes], ...], expected: list[tuple[str, bool]]
) -> None:
    """A program from which a shell is one step is told for certain, another one with such a capability as
    likely.
    """
    found = list(powers(path, Entry(FileType.FILE, mode, "root", "root"), attributes))

    assert len(expected) == len(found)
    assert all(
        words.startswith(begins) and likely is wanted
        for (words, likely), (begins, wanted) in zip(found, expected, strict=True)
    )


def test_somebody_else_s_setuid_bit_is_not_root_s() -> None:
    """A program that is setuid to another account makes nobody root."""
    assert [] == list(powers("/usr/bin/find", Entry(FileType.FILE, "4755", "daemon", "root"), ()))
