"""Groups that Debian gives a meaning: those whose members are root, those that are a likely way to it, and
the things that others reach.
"""

from __future__ import annotations

from collections.abc import Mapping

ROOT_GROUPS: Mapping[str, str] = {
    "disk": "group disk, which writes every disk",
    "docker": "group docker, which starts containers as root",
    "incus-admin": "group incus-admin, which starts containers as root",
    "kmem": "group kmem, which reads the kernel's memory",
    "libvirt": "group libvirt, which starts machines with any disk",
    "lxd": "group lxd, which starts containers as root",
    "podman": "group podman, which starts containers as root",
}
"""Groups whose members need nothing else to be root, in words."""

LIKELY_GROUPS: Mapping[str, str] = {
    "root": "group root, to which much of root's own is open",
    "shadow": "group shadow, which reads the hashes of all passwords",
}
"""Groups whose members read root's secrets: whether they are root by them hangs on what these are."""

LIKELY_IN_UNITS: Mapping[str, str] = {
    **LIKELY_GROUPS,
    **{name: f"group {name}, of whom sudo asks no more than a password" for name in ("sudo", "wheel")},
}
"""Groups that are a likely way for a process of a unit; for their members sudo's own rules decide."""

REACHES: Mapping[str, str] = {
    "adm": "reads the system's logs",
    "backup": "reads the system's backups",
    "input": "reads the keyboard",
    "ssl-cert": "reads private keys",
    "staff": "writes in /usr/local where Debian's older rule holds",
    "systemd-journal": "reads the journal",
    "tty": "writes on terminals",
    "video": "sees the screen",
}
"""The things that the other groups of the system reach."""


def group_words(name: str) -> str:
    """The name of a group, with what it reaches where that is known and no way to root."""
    return f"{name} ({REACHES[name]})" if name in REACHES else name
