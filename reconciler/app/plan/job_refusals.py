"""Backup jobs whose next run would be refused: a disk that is not there, a source that is gone, a destination
that others can write to.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.host import HostError
from reconciler.host.process import environment
from reconciler.jobs import backup, jobfile


def refusals() -> Iterator[tuple[str, str, str]]:
    """Yield the address of each such job, why, and the command to type; nothing unless we are root."""
    if not environment.is_root():
        return
    try:
        names = jobfile.names()
    except HostError:
        return
    for name in names:
        try:
            why = backup.refusal(jobfile.load(name))
        except HostError:
            continue  # a job that cannot be used is reported with its health
        if why:
            yield f"backups.{name}", why, f"reconciler backup run {name}, once that is mended"
