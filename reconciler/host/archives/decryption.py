"""Reading an archive that was encrypted with age(1), for somebody who has a private key."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.host.archives.private_directory import Refused
from reconciler.host.archives.remote.spool import spool
from reconciler.host.files.descriptors import descriptor
from reconciler.host.process.pipeline import pipe
from reconciler.host.process.streams import write_all


@contextmanager
def decrypted(fd: int, size: int, identity: str, directory: str) -> Iterator[int]:
    """A descriptor of the archive without its encryption, in a nameless file on the disk of `directory`.

    Raises Refused where the file `identity` has no private key for it, or there is no room.
    """
    with descriptor(_open(identity)) as key, descriptor(spool(size, directory)) as plain:
        os.lseek(fd, 0, os.SEEK_SET)
        argv = ["age", "--decrypt", "--identity", f"/proc/self/fd/{key}"]
        (age,) = pipe([argv], lambda chunk: write_all(plain, chunk), stdin=fd, pass_fds=(key,))
        if age.rc != 0:
            why = age.stderr[0] if age.stderr else age.reason
            raise Refused("the archive cannot be decrypted", f"{identity}: {why}")
        yield plain


def _open(identity: str) -> int:
    try:
        fd = os.open(identity, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Refused("the private key cannot be read", f"{identity}: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise Refused("the private key is not in a regular file", identity)
    return fd
