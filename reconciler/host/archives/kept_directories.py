"""A look for the directories in which restores in place keep what they replaced."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from reconciler.core.host import HostError
from reconciler.formats.backups.job import above
from reconciler.formats.backups.kept_directory import is_kept
from reconciler.host.files.safe_path import SafeRoot


def kept_directories(sources: Sequence[str], root: str = "") -> list[str]:
    """Those in the sources themselves and in the directories above them, as paths; deeper ones are not
    searched for. With `root` that stands for `/`.
    """
    directories = []
    with SafeRoot(root or "/") as top:
        for directory in (*above(sources), *sources):
            try:
                paths = [f"{directory.rstrip('/')}/{name}" for name in top.names(directory)]
                directories += [path for path in paths if is_kept(path) and _is_ours(top, path)]
            except HostError:  # the run itself tells of what it cannot read
                continue
    return directories


def _is_ours(root: SafeRoot, path: str) -> bool:
    status = root.stat(path)
    return status is not None and stat.S_ISDIR(status.st_mode) and status.st_uid in (0, os.geteuid())
