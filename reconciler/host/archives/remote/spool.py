"""Files without a name, for archives on their way from or to another machine.

Nothing of them is left, however the process ends.
"""

from __future__ import annotations

import os
import tempfile

from reconciler.host.archives.private_directory import Refused


def spool(size: int, directory: str) -> int:
    """A descriptor of a new file on the disk of a directory, with room for so many bytes; the caller closes
    it. Raises Refused.
    """
    try:
        with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
            fd = os.dup(file.fileno())
    except OSError as error:
        raise Refused("an archive cannot be kept meanwhile", f"{directory}: {error.strerror}") from error
    system = os.fstatvfs(fd)
    free = system.f_frsize * (system.f_bfree if os.geteuid() == 0 else system.f_bavail)
    if free < size:
        os.close(fd)
        detail = f"{directory}, where an archive lies on its way, has {free} bytes free, and it needs {size}"
        raise Refused("too little space is left", detail)
    return fd
