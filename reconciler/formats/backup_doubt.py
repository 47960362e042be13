"""Archives that shrank without a reason that the tool knows: an unmounted disk, a dump that failed, a directory that somebody emptied.

Until a person agrees (`backup accept`), such an archive takes no place among those that are kept, so that it never pushes out one that has
what it lacks.
"""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.formats.backup_manifest import Manifest

_SHRUNK = 0.5
"""Less than this part of what the last one had is too little to be believed."""


def doubts(archives: Iterable[Manifest]) -> dict[str, str]:
    """Why each archive that is in doubt is, by id. `archives` are the good ones of one destination, the oldest first.

    Each is compared with the last one before it that is not in doubt: a second small one is as small as the first.
    """
    found: dict[str, str] = {}
    last: Manifest | None = None
    for archive in archives:
        why = "" if last is None or archive.accepted_at is not None else doubt(archive, last)
        if why:
            found[archive.id] = why
        else:
            last = archive
    return found


def doubt(archive: Manifest, last: Manifest) -> str:
    """Why an archive is in doubt beside the last one that was not; empty if it is not."""
    for source, before in last.entries.items():
        if before > 1 and archive.entries.get(source) == 1:
            return f"{source} is empty in it and had {before - 1} entries in {last.id}"
    before, now = (last.content, archive.content) if last.content and archive.content else (last.bytes, archive.bytes)
    return f"it has {now} bytes, {last.id} had {before}" if now < before * _SHRUNK else ""
