"""Entries with fields of our own in systemd's journal, in its native protocol
(https://systemd.io/JOURNAL_NATIVE_PROTOCOL/).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

SOCKET = "/run/systemd/journal/socket"
_LONGEST = 16 * 1024
"""Bytes of one value: an entry has to fit into one datagram, or a file would have to
be handed over instead.
"""


def send(entries: Iterable[Mapping[str, str]], path: str = SOCKET) -> None:
    """Write them.

    A journal that is not there, or takes nothing, is no reason to fail: what happened is in our own journal
    too.
    """
    import socket

    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
            to.settimeout(2)
            to.connect(path)
            for entry in entries:
                to.send(serialised(entry))
    except OSError:
        return


def serialised(entry: Mapping[str, str]) -> bytes:
    """One entry.

    A value with a line end in it is sent with its length in front, so that it can add no field of its own.
    """
    return b"".join(
        _field(name, value.encode("utf-8", "replace")[:_LONGEST]) for name, value in entry.items()
    )


def _field(name: str, value: bytes) -> bytes:
    if b"\n" not in value:
        return b"%b=%b\n" % (name.encode(), value)
    return b"%b\n%b%b\n" % (name.encode(), len(value).to_bytes(8, "little"), value)
