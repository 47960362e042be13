"""Directories in which names were changed and are not durable yet: one fsync for all that a batch of actions
did in each.
"""

from __future__ import annotations

import os

from reconciler.host.process import failpoints


class Unsynced:
    """A batch.

    A file renamed in it may not survive a power cut before `sync` has said so.
    """

    def __init__(self) -> None:
        self._open: dict[tuple[int, int], int] = {}
        self._paths: dict[tuple[int, int], list[str]] = {}
        self._failed: dict[str, str] = {}

    def add(self, fd: int, path: str) -> None:
        """A name of the directory `fd`, that of `path`, was changed.

        Raises OSError when that cannot be kept in mind.
        """
        found = os.fstat(fd)
        key = (found.st_dev, found.st_ino)
        if key not in self._open:
            self._open[key] = os.dup(fd)
        self._paths.setdefault(key, []).append(path)

    def sync(self) -> None:
        """Make all of it durable."""
        for key, fd in self._open.items():
            try:
                failpoints.hit("batch.unsynced")
                os.fsync(fd)
            except OSError as error:
                self._failed.update(dict.fromkeys(self._paths[key], error.strerror or str(error)))
            finally:
                os.close(fd)
        self._open.clear()
        self._paths.clear()

    def end(self) -> dict[str, str]:
        """Make the rest durable. The paths for which that did not work at any time, each with the reason."""
        self.sync()
        return self._failed

    def __del__(self) -> None:
        for fd in self._open.values():
            os.close(fd)
