"""The directories in which restores in place keep what they replaced: they have names by which a backup knows
them, and leaves them out.
"""

from __future__ import annotations

from reconciler.formats.backups.job import leaves_out

PREFIX = ".reconciler-restore-"
"""How their names begin; an id follows, and the number of the file system among those of the restore."""
PATTERN = f"{PREFIX}2[0-9][0-9][0-9][0-9][0-9][0-9][0-9]T*Z-*-[0-9]*"
"""The names, as a pattern of `exclude`."""


def is_kept(path: str) -> bool:
    """Whether a path is one of them, or below one."""
    return f"/{PREFIX}" in path and leaves_out(PATTERN, path)
