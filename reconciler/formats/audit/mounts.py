"""mountinfo of proc(5), and fstab(5)."""

from __future__ import annotations

import re

from reconciler.core.basics.frozen import frozen

_ESCAPE = re.compile(r"\\([0-7]{3})")
_MOUNT_FIELDS = 6
_FSTAB_FIELDS = 4
_SECRET_OPTION = re.compile(r"\b(pass(?:word|wd)?[0-9]?|cred(?:entials)?|secret|key)=[^,\s]*", re.IGNORECASE)
"""mount.cifs(8) takes a password as an option."""


@frozen
class Mount:
    """A file system that is mounted, or that fstab(5) would mount."""

    directory: str
    type: str
    """`ext4`, `nfs4`, `fuse.sshfs`."""
    source: str
    options: frozenset[str]
    """`nosuid`, `nodev`, `noexec`, `user`."""


def redact_mounts(text: str) -> str:
    """mountinfo without what a mount was given as a password."""
    return _SECRET_OPTION.sub(r"\1=...", text)


def redact_fstab(text: str) -> str:
    """fstab(5) likewise; a comment goes as well, since it may hold anything."""
    lines = (line for line in text.split("\n") if not line.lstrip().startswith("#"))
    return _SECRET_OPTION.sub(r"\1=...", "\n".join(lines))


def parse_mounts(text: str) -> dict[str, Mount]:
    """The mounts by directory; where several are on top of each other, the one that is seen.

    Raises ValueError for a line that is not understood.
    """
    mounts = (_mount(line) for line in text.split("\n") if line)
    return {mount.directory: mount for mount in mounts}


def parse_fstab(text: str) -> list[Mount]:
    """The entries that have a directory."""
    rows = [line.split() for line in text.split("\n")]
    return [
        Mount(_plain(row[1]), row[2], _plain(row[0]), frozenset(row[3].split(",")))
        for row in rows
        if len(row) >= _FSTAB_FIELDS and row[1].startswith("/")
    ]


def _mount(line: str) -> Mount:
    about, dash, system = line.partition(" - ")
    fields, more = about.split(" "), system.split(" ")
    if not dash or len(fields) < _MOUNT_FIELDS or len(more) < 2:  # its type and its source
        raise ValueError(f"mountinfo has a line that is not understood: {line[:80]}")
    return Mount(_plain(fields[4]), more[0], _plain(more[1]), frozenset(fields[5].split(",")))


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text)
