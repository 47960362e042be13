"""Directories in which names were changed and are not durable yet.

A batch of actions costs one fsync for each directory.
"""

from __future__ import annotations

import os

from reconciler.host.process import failpoints


class Unsynced:
    """The directories of a batch of actions.

    A file that is renamed in one of them may not survive a power cut before `sync` has returned.
    """

    def __init__(self) -> None:
        self._open: dict[tuple[int, int], int] = {}
        self._paths: dict[tuple[int, int], list[str]] = {}
        self._failed: dict[str, str] = {}

    def add(self, fd: int, path: str) -> None:
        """Note that a name in the directory `fd` was changed, the last one of `path`.

        Raises OSError when the descriptor cannot be kept.
        """
        status = os.fstat(fd)
        key = (status.st_dev, status.st_ino)
        if key not in self._open:
            self._open[key] = os.dup(fd)
        self._paths.setdefault(key, []).append(path)

    def sync(self) -> None:
        """Make the names in all directories durable; a failure is told by `end`."""
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
        """Make the rest durable. The paths for which any `sync` failed, each with the reason."""
        self.sync()
        return self._failed

    def __del__(self) -> None:
        for fd in self._open.values():
            os.close(fd)
