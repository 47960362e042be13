"""renameat2(2), which Python does not have: exchange two names, or rename only if the new name is free.

Imported only where something is about to be written: ctypes costs milliseconds.
"""

from __future__ import annotations

import ctypes
import errno
import os
from functools import cache
from typing import Any

_NOREPLACE = 1
_EXCHANGE = 2
_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})


def exchange(directory: int, name: str, other: str) -> bool:
    """Exchange two names in a directory.

    False when this file system cannot; then nothing happened. Raises OSError.
    """
    return _rename(directory, name, directory, other, _EXCHANGE)


def exchange_with(directory: int, name: str, other: int, other_name: str) -> bool:
    """The same with a name in another directory of the same file system."""
    return _rename(directory, name, other, other_name, _EXCHANGE)


def move_new(directory: int, old: str, other: int, new: str) -> None:
    """Move to a free name in another directory of the same file system, whatever it is.

    Raises FileExistsError, OSError, also where this file system cannot make sure that the name is free.
    """
    if not _rename(directory, old, other, new, _NOREPLACE):
        raise OSError(errno.EOPNOTSUPP, "this file system cannot move a file to a free name")


def rename_new(directory: int, old: str, new: str) -> None:
    """Rename to a free name. Raises FileExistsError, OSError."""
    if _rename(directory, old, directory, new, _NOREPLACE):
        return
    os.link(old, new, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
    os.unlink(old, dir_fd=directory)


def rename_directory(directory: int, old: str, new: str) -> bool:
    """Rename a directory to a free name.

    False when this file system cannot; then nothing happened. Raises FileExistsError, OSError.
    """
    return _rename(directory, old, directory, new, _NOREPLACE)


def _rename(directory: int, old: str, other: int, new: str, flags: int) -> bool:
    """Whether the rename was made; False when this file system or C library cannot. Raises OSError."""
    if _function() is None:
        return False
    if _function()(directory, os.fsencode(old), other, os.fsencode(new), flags) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code), new)


@cache
def _function() -> Any:
    """The C library's renameat2; None where it has none (musl before 1.2.4, glibc before 2.28)."""
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is not None:
        function.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    return function
