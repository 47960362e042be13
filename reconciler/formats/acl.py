"""ACLs in the kernel's form (linux/posix_acl_xattr.h)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

ATTRIBUTE = "system.posix_acl_access"
"""The extended attribute that has the ACL of a file or directory."""
USER, GROUP = 0x02, 0x08
"""The tags of entries for a user and for a group by number."""
READ, WRITE = 4, 2
_MASK = 0x10
_ENTRY = struct.Struct("<HHI")
_HEADER = 4


def entries(attribute: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (tag, permissions, number) of an ACL, without the permissions that the mask takes away."""
    body = attribute[_HEADER:]
    rows = [_ENTRY.unpack_from(body, at) for at in range(0, len(body) - _ENTRY.size + 1, _ENTRY.size)]
    mask = next((permissions for tag, permissions, _ in rows if tag == _MASK), 7)
    yield from ((tag, permissions & mask, number) for tag, permissions, number in rows)
