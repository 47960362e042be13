"""Extended attributes and POSIX ACLs of files: what a file keeps when its content is replaced."""

from __future__ import annotations

import errno
import os
import struct
from contextlib import suppress

_ACL = "system.posix_acl_access"
_DEFAULT_ACL = "system.posix_acl_default"
_CAPABILITY = "security.capability"
_KEPT = ("user.", "trusted.")
_BEST_EFFORT = ("security.selinux", "security.SMACK64")
"""Labels: a policy may refuse to set them, and sets its own.

Never copied: file capabilities and signatures, they belong to the content.
"""

_ACL_HEADER = struct.Struct("<I")
_ACL_ENTRY = struct.Struct("<HHI")
_USER_OBJECT, _GROUP_OBJECT, _MASK, _OTHER = 0x01, 0x04, 0x10, 0x20


_NONE_HERE = (errno.ENOTSUP, errno.ENODATA)


def read_attributes(fd: int) -> tuple[tuple[str, bytes], ...]:
    """All extended attributes of an open file, sorted; none where the file system has none.

    Raises OSError.
    """
    found = []
    for name in _names(fd):
        with suppress(_Gone):
            found.append((name, _value(fd, name)))
    return tuple(found)


class _Gone(Exception):
    """An attribute that vanished between its name and its value."""


def _names(fd: int) -> list[str]:
    try:
        return sorted(os.listxattr(fd))
    except OSError as error:
        if error.errno in _NONE_HERE:
            return []
        raise


def _value(fd: int, name: str) -> bytes:
    try:
        return os.getxattr(fd, name)
    except OSError as error:
        if error.errno in _NONE_HERE:
            raise _Gone from error
        raise


def restorable(name: str, *, as_user: bool = False) -> bool:
    """Whether an attribute can be put back: by root, or with a user's own rights in his home.

    The others a policy sets anew.
    """
    if as_user:
        return name.startswith("user.") or name in (_ACL, _DEFAULT_ACL)
    return name.startswith(_KEPT) or name in (_ACL, _DEFAULT_ACL, _CAPABILITY)


def set_attributes(fd: int, wanted: tuple[tuple[str, bytes], ...]) -> None:
    """Give an open file or directory exactly these attributes, but for capabilities (`set_capability`).

    Raises OSError.

    Labels of a security policy stay as they are. An ACL brings the mode of the group and of the others with
    it.
    """
    asked = {name: value for name, value in wanted if restorable(name) and name != _CAPABILITY}
    there = dict(read_attributes(fd))
    for name in there:
        if restorable(name) and name not in asked and name != _CAPABILITY:
            os.removexattr(fd, name)
    for name, value in asked.items():
        if there.get(name) != value:
            os.setxattr(fd, name, value)


def set_capability(fd: int, wanted: tuple[tuple[str, bytes], ...]) -> None:
    """Give an open file the capability that is among these: last of all, for each change of owner and content
    takes it away.
    """
    value = dict(wanted).get(_CAPABILITY)
    if value is not None:
        os.setxattr(fd, _CAPABILITY, value)


def without_capability(attributes: tuple[tuple[str, bytes], ...]) -> tuple[tuple[str, bytes], ...]:
    """The attributes that may be set on a file whose content is not known to be the one that the capability
    belongs to.
    """
    return tuple((name, value) for name, value in attributes if name != _CAPABILITY)


def narrowed(attributes: tuple[tuple[str, bytes], ...], mode: int) -> int:
    """The mode that a new file may have until its ACL is set: with one, what the mode says of the group is
    the mask.
    """
    return mode & ~0o077 if any(name == _ACL for name, _ in attributes) else mode


def copy_attributes(source: int, target: int, mode: int) -> None:
    """Give the open file `target`, which has this mode already, the attributes and the ACL of `source`.

    Raises OSError.

    The ACL is bent to the mode first, as chmod would do it, so that the file is at no moment open to more
    than it will be. An ACL that `target` got from its directory is dropped: the file that it replaces is the
    model.
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
