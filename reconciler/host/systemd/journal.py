"""Entries with fields of our own in systemd's journal, in its native protocol
(https://systemd.io/JOURNAL_NATIVE_PROTOCOL/).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

SOCKET = "/run/systemd/journal/socket"
_LONGEST = 16 * 1024
"""The most bytes of one value: an entry has to fit into one datagram; a larger one would need a file."""


def send(entries: Iterable[Mapping[str, str]], path: str = SOCKET) -> None:
    """Write the entries.

    A journal that is not there, or takes nothing, is no reason to fail: our own journal has the same.
    """
    import socket

    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
            connection.settimeout(2)
            connection.connect(path)
            for entry in entries:
                connection.send(serialised(entry))
    except OSError:
        return


def serialised(entry: Mapping[str, str]) -> bytes:
    """An entry in systemd's native form.

    A value with a line end has its length in front, so that it cannot add a field.
    """
    return b"".join(
        _field(name, value.encode("utf-8", "replace")[:_LONGEST]) for name, value in entry.items()
    )


def _field(name: str, value: bytes) -> bytes:
    if b"\n" not in value:
        return b"%b=%b\n" % (name.encode(), value)
    return b"%b\n%b%b\n" % (name.encode(), len(value).to_bytes(8, "little"), value)
