"""Backup jobs whose next run would be refused: a disk that is not there, a source that is gone, a destination
that others can write to.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.host import HostError
from reconciler.host.process import environment
from reconciler.jobs import backup, jobfile


def refusals() -> Iterator[tuple[str, str, str]]:
    """The address of each such job, why, and what to type. Only root can tell: to others nothing is said."""
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
            continue  # the job itself cannot be used: said where its health is asked
        if why:
            yield f"backups.{name}", why, f"reconciler backup run {name}, once that is mended"
