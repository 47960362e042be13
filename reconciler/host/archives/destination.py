"""The directory that a job's archives lie in, on this host or on another one."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self


class Destination(Protocol):
    """An open destination, a context manager. Every name is one in it.

    Every method raises HostError: TargetError where the destination does not take something, Refused where
    something in it cannot be used.
    """

    path: str
    """The destination as the job names it: a path, or a URL."""
    is_remote: bool
    """Whether it is on another machine: what is read of it is downloaded."""
    remark: str
    """Something that a person should know about it; empty if there is nothing."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def names(self) -> list[str]:
        """All names in it, sorted."""
        ...

    def size(self, name: str) -> int | None:
        """The size of a regular file of ours; None when there is none."""
        ...

    def open(self, name: str) -> int:
        """A descriptor for reading a whole file of ours; the caller closes it."""
        ...

    def read(self, name: str) -> bytes:
        """A small file of ours."""
        ...

    def sum_of(self, name: str) -> str:
        """The SHA-256 of a file of ours, read from the disk where it lies."""
        ...

    def create(self, name: str, room: int = 0) -> int:
        """A descriptor for writing and reading a new file, 0600; the caller closes it.

        It will take about `room` bytes. The file has all that was written once `deliver` has returned.
        """
        ...

    def deliver(self, name: str, fd: int, sha256: str) -> None:
        """Bring what has this sum and was written to a descriptor into the file, and make it durable.

        On another machine any descriptor of a file will do, on this one it is that of `create`.
        """
        ...

    def write(self, name: str, content: bytes) -> None:
        """Write a new small file, 0600; it is durable, its name is not."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Rename to a free name."""
        ...

    def replace(self, old: str, new: str) -> None:
        """Rename, in place of the file that has the name."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file; fine if it is gone."""
        ...

    def sync(self) -> None:
        """Make the names durable."""
        ...

    def read_only(self) -> bool:
        """Whether its file system is mounted read-only."""
        ...

    def free(self) -> int:
        """Bytes that we can still write."""
        ...
