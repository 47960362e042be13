"""Extended attributes and POSIX ACLs of files: what a file keeps when its content is replaced."""

from __future__ import annotations

import os
import struct

_ACL = "system.posix_acl_access"
_KEPT = ("user.", "trusted.")
_BEST_EFFORT = ("security.selinux", "security.SMACK64")
"""Labels: a policy may refuse to set them, and sets its own. Never copied: file capabilities and signatures, they belong to the content."""

_ACL_HEADER = struct.Struct("<I")
_ACL_ENTRY = struct.Struct("<HHI")
_USER_OBJECT, _GROUP_OBJECT, _MASK, _OTHER = 0x01, 0x04, 0x10, 0x20


def read_attributes(fd: int) -> tuple[tuple[str, bytes], ...]:
    """All extended attributes of an open file, sorted; none where the file system has none."""
    try:
        return tuple((name, os.getxattr(fd, name)) for name in sorted(os.listxattr(fd)))
    except OSError:
        return ()


def copy_attributes(source: int, target: int, mode: int) -> None:
    """Give the open file `target`, which has this mode already, the attributes and the ACL of `source`. Raises OSError.

    The ACL is bent to the mode first, as chmod would do it, so that the file is at no moment open to more than it will be. An ACL that
    `target` got from its directory is dropped: the file that it replaces is the model.
    """
    wanted = dict(read_attributes(source))
    if _ACL not in wanted and _ACL in dict(read_attributes(target)):
        os.removexattr(target, _ACL)
        os.fchmod(target, mode)
    for name, value in wanted.items():
        if name == _ACL:
            os.setxattr(target, name, bend_acl(value, mode))
        elif name.startswith(_KEPT):
            os.setxattr(target, name, value)
        elif name in _BEST_EFFORT:
            _try_to_set(target, name, value)


def bend_acl(acl: bytes, mode: int) -> bytes:
    """An access ACL in the kernel's form (version 2, see acl(5)) with the permissions of `mode`."""
    entries = list(_ACL_ENTRY.iter_unpack(acl[_ACL_HEADER.size :]))
    group = _MASK if any(tag == _MASK for tag, _, _ in entries) else _GROUP_OBJECT
    said = {_USER_OBJECT: mode >> 6 & 7, group: mode >> 3 & 7, _OTHER: mode & 7}
    bent = (_ACL_ENTRY.pack(tag, said.get(tag, allowed), who) for tag, allowed, who in entries)
    return acl[: _ACL_HEADER.size] + b"".join(bent)


def _try_to_set(target: int, name: str, value: bytes) -> None:
    try:
        os.setxattr(target, name, value)
    except OSError:
        return
