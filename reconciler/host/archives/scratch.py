"""The directories that restore drills unpack into: private, on a disk with room, removed afterwards.

Their owner gives a restored tree the modes that it had, `/` included: so it lies one level below a directory
that is 0700 and stays so.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.core.basics.frozen import frozen
from reconciler.host.archives.private_directory import Directory, Refused
from reconciler.host.archives.tar import ArchiveError
from reconciler.host.hosts import state_directory
from reconciler.host.process import environment, failpoints
from reconciler.host.process.pipeline import pipe
from reconciler.host.state.files import make_state_directory

DIRECTORY = f"{state_directory(None)}/drills"
"""Where they are, unless the job names another place: no other account can look below it."""
_TREE = "tree"


@frozen
class Scratch:
    """A directory of one drill."""

    fd: int
    """A descriptor of it."""
    tree: str
    """The path that a restore is to make in it."""
    free: int
    """The bytes that can be written to its disk."""

    def open_tree(self) -> int:
        """A descriptor of the restored tree. Raises Refused."""
        try:
            return os.open(_TREE, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.fd)
        except OSError as error:
            raise Refused("the restored tree cannot be read", f"{self.tree}: {error.strerror}") from error


@contextmanager
def scratch(job: str, directory: str = DIRECTORY) -> Iterator[Scratch]:
    """A new directory for a drill of a job, which is removed with all that is in it, whatever happens.

    Raises Refused, UnsafePath, Unreadable, ArchiveError.
    """
    if directory == DIRECTORY:
        make_state_directory(os.path.dirname(directory))
    name = f"drill-{job}-{environment.random_hex(16)}"
    with Directory(directory, make=True) as base:
        try:
            os.mkdir(name, 0o700, dir_fd=base.fd)
        except OSError as error:
            raise Refused("the directory cannot be made", f"{directory}/{name}: {error.strerror}") from error
        try:
            failpoints.hit("backup.drill.scratch")
            with Directory(f"{directory}/{name}") as made:
                yield Scratch(made.fd, f"{directory}/{name}/{_TREE}", base.free())
        finally:
            _remove(base, name)


def tidy(job: str, directory: str = DIRECTORY) -> list[str]:
    """Remove what killed drills of a job have left; return what was done, in words.

    Only under the job's lock: the directory of a drill that runs looks the same. Raises HostError.
    """
    if not os.path.lexists(directory):
        return []
    pattern = re.compile(rf"drill-{re.escape(job)}-[0-9a-f]{{16}}")
    with Directory(directory) as base:
        names = [name for name in base.names() if pattern.fullmatch(name) and _is_ours(base, name)]
        for name in names:
            _remove(base, name)
    return [f"removed {directory}/{name}, which a killed drill had left" for name in names]


def _is_ours(base: Directory, name: str) -> bool:
    try:
        return os.stat(name, dir_fd=base.fd, follow_symlinks=False).st_uid == os.geteuid()
    except OSError:
        return False


def _remove(base: Directory, name: str) -> None:
    """Remove a tree below an open directory: rm(1) goes by descriptors, and no depth is too deep for it."""
    argv = ["rm", "-rf", "--one-file-system", "--", f"/proc/self/fd/{base.fd}/{name}"]
    (ended,) = pipe([argv], lambda _: None, pass_fds=(base.fd,))
    if ended.rc:
        raise ArchiveError("what a drill restored cannot be removed", f"{base.path}/{name}: {ended.reason}")
    failpoints.hit("backup.drill.removed")
