"""The schedule of a backup job on this host."""

from __future__ import annotations

from reconciler.core.host import HostError
from reconciler.formats.backups.lateness import PLACES, Due, due_by
from reconciler.host.archives.private_directory import Directory, look


def due(job: str) -> Due | None:
    """The schedule that is on the host; None where there is none, or it cannot be read."""
    for directory, name in PLACES:
        path = f"{directory}/{name.format(job)}"
        try:
            facts = look(path)
            if facts is None:
                continue
            with Directory(directory) as opened:
                text = opened.read(name.format(job)).decode("utf-8", "replace")
        except HostError:
            continue
        return due_by(directory, text, int(facts.st_mtime))
    return None
