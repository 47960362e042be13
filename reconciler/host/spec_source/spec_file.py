"""Replacing a file of a spec: the one place where a spec is written to, for `service create`."""

from __future__ import annotations

import os
import stat
import tempfile

from reconciler.core.spec import SourceError


def rewrite(path: str, before: bytes, after: bytes) -> None:
    """Replace the content atomically, with the mode and owner it had, if it still is `before` and we may
    write it.

    Raises SourceError.
    """
    temporary = ""
    try:
        with open(os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            facts, found = os.fstat(file.fileno()), file.read()
        if found != before or not stat.S_ISREG(facts.st_mode):
            raise SourceError(f"{path} has been changed meanwhile; run the command again")
        descriptor, temporary = tempfile.mkstemp(
            prefix=f".{os.path.basename(path)}.", dir=os.path.dirname(path) or "."
        )
        with open(descriptor, "wb") as file:
            file.write(after)
            file.flush()
            os.fchmod(descriptor, stat.S_IMODE(facts.st_mode))
            if (facts.st_uid, facts.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(descriptor, facts.st_uid, facts.st_gid)
            os.fsync(descriptor)
        os.rename(temporary, path)
        temporary = ""
    except OSError as problem:
        raise SourceError(f"{path} cannot be written: {problem.strerror}") from problem
    finally:
        if temporary:
            os.unlink(temporary)
