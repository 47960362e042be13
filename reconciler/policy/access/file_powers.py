"""Programs of a host that run with root's rights for whoever starts them: setuid bits, and capabilities of a
file (capabilities(7)).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

from reconciler.core.actions import Attributes
from reconciler.core.host import Entry
from reconciler.policy.root_reach.programs import shell_from

_SETUID = 0o4000
_CAPABILITY = "security.capability"
_HEADER = struct.Struct("<III")
_POWERS: Mapping[int, str] = {
    0: "cap_chown",
    1: "cap_dac_override",
    2: "cap_dac_read_search",
    3: "cap_fowner",
    6: "cap_setgid",
    7: "cap_setuid",
    8: "cap_setpcap",
    16: "cap_sys_module",
    17: "cap_sys_rawio",
    19: "cap_sys_ptrace",
    21: "cap_sys_admin",
    27: "cap_mknod",
    31: "cap_setfcap",
}
"""Capabilities from which root is one step, by their bits (linux/capability.h)."""
_ASK = frozenset(
    "at bwrap chage chfn chsh crontab doas exim4 expiry firejail fusermount fusermount3 "  # noqa: SIM905
    "gpasswd ksu mount mount.cifs "
    "mount.nfs mount.ntfs newgidmap newgrp newuidmap ntfs-3g passwd ping pkexec pppd sendmail sg su sudo"
    " sudoedit umount".split()
)
"""Programs of Debian that have such rights and ask who starts them."""


def powers(path: str, entry: Entry, attributes: Attributes) -> Iterator[tuple[str, bool]]:
    """Yield what makes whoever starts a program root, in words, and whether it is only likely.

    It is only likely where the program may know what it does.
    """
    if path.rpartition("/")[2] in _ASK:
        return
    why = shell_from(path, None)
    if int(entry.mode, 8) & _SETUID and entry.owner == "root" and why:
        yield f"{path} runs as root for whoever starts it, and {why}", False
    names = ", ".join(_of_attribute(dict(attributes).get(_CAPABILITY, b"")))
    if names:
        yield f"{path} has {names} for whoever starts it" + (f", and {why}" if why else ""), not why


def _of_attribute(attribute: bytes) -> Iterator[str]:
    """The powers among the permitted capabilities of a file (linux/capability.h, struct vfs_cap_data)."""
    if len(attribute) >= _HEADER.size:
        _, permitted, _ = _HEADER.unpack_from(attribute)
        yield from (name for bit, name in _POWERS.items() if permitted >> bit & 1)
