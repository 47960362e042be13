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
"""Namespaces that are copied. File capabilities and signatures are not: they belong to the content."""
_BEST_EFFORT = ("security.selinux", "security.SMACK64")
"""Labels: a policy may refuse to set them, and sets its own."""

_ACL_HEADER = struct.Struct("<I")
_ACL_ENTRY = struct.Struct("<HHI")
_USER_OBJECT, _GROUP_OBJECT, _MASK, _OTHER = 0x01, 0x04, 0x10, 0x20

_NONE_HERE = (errno.ENOTSUP, errno.ENODATA)


def read_attributes(fd: int) -> tuple[tuple[str, bytes], ...]:
    """All extended attributes of an open file, sorted; none where the file system has none.

    Raises OSError.
    """
    attributes = []
    for name in _names(fd):
        with suppress(_Gone):
            attributes.append((name, _value(fd, name)))
    return tuple(attributes)


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
    """Whether an attribute can be put back: by root, or with a user's own rights in their home.

    The others are labels, which a security policy sets anew.
    """
    if as_user:
        return name.startswith("user.") or name in (_ACL, _DEFAULT_ACL)
    return name.startswith(_KEPT) or name in (_ACL, _DEFAULT_ACL, _CAPABILITY)


def set_attributes(fd: int, attributes: tuple[tuple[str, bytes], ...]) -> None:
    """Give an open file or directory exactly these attributes, except capabilities (`set_capability`).

    Labels of a security policy stay as they are. An ACL sets the mode of the group and of the others too.
    Raises OSError.
    """
    settable = {name: value for name, value in attributes if restorable(name) and name != _CAPABILITY}
    present = dict(read_attributes(fd))
    for name in present:
        if restorable(name) and name not in settable and name != _CAPABILITY:
            os.removexattr(fd, name)
    for name, value in settable.items():
        if present.get(name) != value:
            os.setxattr(fd, name, value)


def set_capability(fd: int, attributes: tuple[tuple[str, bytes], ...]) -> None:
    """Give an open file the capability among these attributes, if there is one. Raises OSError.

    It comes last: each change of owner or content takes it away.
    """
    value = dict(attributes).get(_CAPABILITY)
    if value is not None:
        os.setxattr(fd, _CAPABILITY, value)


def without_capability(attributes: tuple[tuple[str, bytes], ...]) -> tuple[tuple[str, bytes], ...]:
    """The attributes for a file whose content may be another one than that which the capability was given."""
    return tuple((name, value) for name, value in attributes if name != _CAPABILITY)


def narrowed(attributes: tuple[tuple[str, bytes], ...], mode: int) -> int:
    """The mode that a new file may have until its ACL is set: with one, the group's bits are the mask."""
    return mode & ~0o077 if any(name == _ACL for name, _ in attributes) else mode


def copy_attributes(source: int, target: int, mode: int) -> None:
    """Give the open file `target`, which has this mode already, the attributes and the ACL of `source`.

    The ACL is bent to the mode first, as chmod(1) would do it: at no moment is the file open to more people
    than at the end. An ACL that `target` got from its directory is dropped: the file that it replaces is the
    model. Raises OSError.
    """
    attributes = dict(read_attributes(source))
    if _ACL not in attributes and _ACL in dict(read_attributes(target)):
        os.removexattr(target, _ACL)
        os.fchmod(target, mode)
    for name, value in attributes.items():
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
    permissions = {_USER_OBJECT: mode >> 6 & 7, group: mode >> 3 & 7, _OTHER: mode & 7}
    bent = (_ACL_ENTRY.pack(tag, permissions.get(tag, old), number) for tag, old, number in entries)
    return acl[: _ACL_HEADER.size] + b"".join(bent)


def _try_to_set(target: int, name: str, value: bytes) -> None:
    try:
        os.setxattr(target, name, value)
    except OSError:
        return
