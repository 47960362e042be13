"""Replacing a file of a spec, for `service create` and `backup create`; no other code writes to a spec."""

from __future__ import annotations

import os
import stat
import tempfile

from reconciler.core.spec_source import SourceError


def rewrite(path: str, before: bytes, after: bytes) -> None:
    """Replace the content of a file atomically; its mode and owner stay.

    Raises SourceError if the content is not `before` any more, or if we may not write the file.
    """
    temporary = ""
    try:
        with open(os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            status, content = os.fstat(file.fileno()), file.read()
        if content != before or not stat.S_ISREG(status.st_mode):
            raise SourceError(f"{path} has been changed meanwhile; run the command again")
        descriptor, temporary = tempfile.mkstemp(
            prefix=f".{os.path.basename(path)}.", dir=os.path.dirname(path) or "."
        )
        with open(descriptor, "wb") as file:
            file.write(after)
            file.flush()
            os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
            if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(descriptor, status.st_uid, status.st_gid)
            os.fsync(descriptor)
        os.rename(temporary, path)
        temporary = ""
    except OSError as error:
        raise SourceError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        if temporary:
            os.unlink(temporary)
