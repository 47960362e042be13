"""Archives that shrank without a reason that the tool knows: an unmounted disk, a dump that failed, a
directory that somebody emptied.

Until a person agrees (`backup accept`), such an archive takes no place among those that are kept, so that it
never pushes out one that has what it lacks.

Each manifest has the most that there was of everything since a person last agreed to less (`most`), so that a
source that shrinks a little each day is compared with what it was, long after the archive of that day went.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from reconciler.formats.backups.manifest import Manifest, Most

_SHRUNK = 0.5
"""Less than this part of the most there was is too little to be believed."""
_UNPACKABLE = 0.25
"""Less than this part of what compression once saved: the same files, and noise in them.

Headers alone save some.
"""
_FEW = 10
"""Entries of a source below which only their complete absence is told."""
_LITTLE = 1 << 16
"""Bytes of a source, likewise."""


def doubts(archives: Iterable[Manifest]) -> dict[str, str]:
    """Why each archive that is in doubt is, by id.

    `archives` are the good ones of one destination, the oldest first.
    """
    return {archive.id: why for archive, most in _in_turn(archives) if (why := doubt(archive, most))}


def most_with(archives: Iterable[Manifest], archive: Manifest) -> Most:
    """The figures that a new archive is to be compared with from now on: the most there was in all before it,
    and in itself.
    """
    *_, (_, most) = _in_turn([*archives, replace(archive, most={})])
    return most


def most_of(archive: Manifest) -> Most:
    """The same where nothing came before, or nothing before it counts any more."""
    return {name: (amount, archive.id) for name, amount in _measures(archive).items() if amount}


def doubt(archive: Manifest, most: Most) -> str:
    """Why an archive is in doubt beside the most that there was; empty if it is not."""
    if archive.accepted_at is not None:
        return ""
    measures = _measures(archive)
    same = [name for name in measures if name in most]
    if "content" in same:
        same.remove("bytes")  # which another compression changes
    told = (_told(name, measures[name], *most[name]) for name in same)
    return next(filter(None, told), "")


def _in_turn(archives: Iterable[Manifest]) -> Iterator[tuple[Manifest, Most]]:
    """Each with what it is compared with.

    Manifests of earlier versions do not say it: there it is the last one that was not in doubt.
    """
    most: Most = {}
    for archive in archives:
        compared = archive.most or _more(most, archive)
        yield archive, compared
        most = compared if archive.most or doubt(archive, compared) else most_of(archive)


def _more(most: Most, archive: Manifest) -> Most:
    """The most of each measure; sources that the archive has no more are forgotten."""
    found = {name: record for name, record in most.items() if _source(name) in ("", *archive.sources)}
    for name, record in most_of(archive).items():
        if record[0] >= found.get(name, (0, ""))[0]:
            found[name] = record
    return found


def _source(name: str) -> str:
    return name.partition(" ")[2]


def _measures(archive: Manifest) -> Mapping[str, int]:
    """By what an archive is measured, what tells most first: what is in each source, then its size, then what
    compression saved.
    """
    found: dict[str, int] = {}
    for source in archive.sources:
        if source in archive.entries:
            found[f"entries {source}"] = archive.entries[source] - 1
        if source in archive.data:
            found[f"data {source}"] = archive.data[source]
    if not archive.content:
        return found | {"bytes": archive.bytes}
    saved = {} if archive.compress == "none" else {"saved": max(archive.content - archive.bytes, 1)}
    return found | {"content": archive.content, **saved, "bytes": archive.bytes}


def _told(name: str, now: int, before: int, ident: str) -> str:
    """The doubt about one measure, in words; empty if it is as it may be."""
    what, source = name.partition(" ")[0], _source(name)
    if what == "entries":
        if before and not now:
            return f"{source} is empty in it and had {before} entries in {ident}"
        few = before >= _FEW and now < before * _SHRUNK
        return f"{source} has {now} entries in it, and had {before} in {ident}" if few else ""
    if what == "data":
        little = (before and not now) or (before >= _LITTLE and now < before * _SHRUNK)
        return f"the files of {source} have {now} bytes in it, and had {before} in {ident}" if little else ""
    if what == "saved":
        packs = now >= before * _UNPACKABLE or before < _LITTLE
        return (
            ""
            if packs
            else (
                f"compression saves {now} bytes, and saved {before} in {ident}: files may have been encrypted"
            )
        )
    return f"it has {now} bytes, {ident} had {before}" if now < before * _SHRUNK else ""
