"""The schedule of a job on this host."""

from __future__ import annotations

from reconciler.core.host import HostError
from reconciler.formats.backups.lateness import PLACES, Due, due_by
from reconciler.host.archives.private_directory import Directory, look


def due(job: str) -> Due | None:
    """The schedule of a backup job; None where there is none, or it cannot be read."""
    return schedule_of(f"backup-{job}")


def schedule_of(unit: str) -> Due | None:
    """The schedule of a unit of ours; None as above."""
    for directory, name in PLACES:
        path = f"{directory}/{name.format(unit)}"
        try:
            facts = look(path)
            if facts is None:
                continue
            with Directory(directory) as opened:
                text = opened.read(name.format(unit)).decode("utf-8", "replace")
        except HostError:
            continue
        return due_by(directory, text, int(facts.st_mtime))
    return None
