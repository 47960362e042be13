"""The account behind this process: who ran sudo, or who logged in, and from where."""

from __future__ import annotations

import os

_UNSET = 2**32 - 1
_MOST_ANCESTORS = 32
_LARGEST = 1 << 20


def applying_uid() -> int | None:
    """The uid of the account that ran sudo, else of the one that logged in.

    None where nobody has, as under a timer.
    """
    sudo_uid = os.environ.get("SUDO_UID", "") if os.geteuid() == 0 else ""
    for text in (sudo_uid, _read("/proc/self/loginuid").decode("ascii", "replace").strip()):
        if text.isascii() and text.isdecimal() and int(text) != _UNSET:
            return int(text)
    return None


def ssh_connection() -> tuple[str, str, str, str] | None:
    """The address and port of the client, then of the server, of the ssh login that we run in.

    They are in SSH_CONNECTION (ssh(1)). sudo removes that variable, so our ancestors are asked too, as far as
    they may be read.
    """
    connection = _words(os.environ.get("SSH_CONNECTION", ""))
    pid = os.getpid()
    for _ in range(_MOST_ANCESTORS):
        if connection is not None or pid <= 1:
            return connection
        pid = _parent(pid)
        entries = _read(f"/proc/{pid}/environ").split(b"\0")
        variable = next((entry for entry in entries if entry.startswith(b"SSH_CONNECTION=")), b"")
        connection = _words(variable.partition(b"=")[2].decode("ascii", "replace"))
    return connection


def _words(text: str) -> tuple[str, str, str, str] | None:
    words = text.split()
    return (words[0], words[1], words[2], words[3]) if len(words) == 4 else None  # two addresses, two ports


def _parent(pid: int) -> int:
    """The parent of a process; 0 when it is gone."""
    fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(_LARGEST)
    except OSError:
        return b""
