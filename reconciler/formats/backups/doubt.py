"""Archives that shrank without a reason that the tool knows: an unmounted disk, a dump that failed, a
directory that somebody emptied.

Until a person agrees (`backup accept`), such an archive takes no place among those that are kept: it must not
push out one that has what it lacks.

Each manifest has the greatest figures since a person last agreed to less (`most`). A source that shrinks a
little each day is thus compared with its former size, long after the archive of that day was removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from reconciler.formats.backups.manifest import Manifest, Most

_SHRUNK = 0.5
"""A figure below this part of its greatest value is in doubt."""
_UNPACKABLE = 0.25
"""If compression saves less than this part of what it once saved, the same files hold noise: they may be
encrypted. It is not 0, for compressed headers alone save some bytes.
"""
_FEW = 10
"""For a source that never had so many entries, only having none is in doubt."""
_LITTLE = 1 << 16
"""For a source that never had so many bytes, only having none is in doubt."""


def doubts(archives: Iterable[Manifest]) -> dict[str, str]:
    """The reason for each archive that is in doubt, by id.

    `archives` are the good ones of one destination, the oldest first.
    """
    reasons: dict[str, str] = {}
    for archive, most in _in_turn(archives):
        why = doubt(archive, most) or _inherited(archive, reasons)
        if why:
            reasons[archive.id] = why
    return reasons


def _inherited(archive: Manifest, reasons: Mapping[str, str]) -> str:
    """The doubt about an archive that this one needs; empty if there is none, or somebody agreed."""
    doubtful = [parent for parent in archive.parents if parent in reasons]
    if not doubtful or archive.accepted_at is not None:
        return ""
    return f"it needs {doubtful[0]}, of which: {reasons[doubtful[0]]}"


def most_with(archives: Iterable[Manifest], archive: Manifest) -> Most:
    """The greatest figures of a new archive and all before it: those with which later ones are compared."""
    *_, (_, most) = _in_turn([*archives, replace(archive, most={})])
    return most


def most_of(archive: Manifest) -> Most:
    """The figures of an archive alone, where no earlier one counts."""
    return {name: (amount, archive.id) for name, amount in _measures(archive).items() if amount}


def doubt(archive: Manifest, most: Most) -> str:
    """Why an archive is in doubt, compared with the greatest figures before it; empty if it is not."""
    if archive.accepted_at is not None:
        return ""
    measures = _measures(archive)
    compared = [name for name in measures if name in most]
    if "content" in compared:
        compared.remove("bytes")  # another compression changes it
    reasons = (_doubt_about(name, measures[name], *most[name]) for name in compared)
    return next(filter(None, reasons), "")


def _in_turn(archives: Iterable[Manifest]) -> Iterator[tuple[Manifest, Most]]:
    """Each archive with the figures with which it is compared.

    Manifests of earlier versions lack them: such an archive is compared with the last one not in doubt.
    """
    most: Most = {}
    for archive in archives:
        compared = archive.most or _more(most, archive)
        yield archive, compared
        most = compared if archive.most or doubt(archive, compared) else most_of(archive)


def _more(most: Most, archive: Manifest) -> Most:
    """The greatest value of each measure, without those of sources that the archive no longer has."""
    largest = {name: record for name, record in most.items() if _source(name) in ("", *archive.sources)}
    for name, record in most_of(archive).items():
        if record[0] >= largest.get(name, (0, ""))[0]:
            largest[name] = record
    return largest


def _source(name: str) -> str:
    return name.partition(" ")[2]


def _measures(archive: Manifest) -> Mapping[str, int]:
    """The measures of an archive, the most telling first: the content of each source, the size, the bytes
    that compression saved.

    An archive that has only what changed is small by nature: it tells how many entries there are, and that is
    all that is compared.
    """
    measures: dict[str, int] = {}
    for source in archive.sources:
        if source in archive.entries:
            measures[f"entries {source}"] = archive.entries[source] - 1
    if archive.parents:
        return measures
    for source in archive.sources:
        if source in archive.data:
            measures[f"data {source}"] = archive.data[source]
    if not archive.content:
        return measures | {"bytes": archive.bytes}
    saved = {} if archive.compress == "none" else {"saved": max(archive.content - archive.bytes, 1)}
    return measures | {"content": archive.content, **saved, "bytes": archive.bytes}


def _doubt_about(name: str, now: int, before: int, ident: str) -> str:
    """The doubt about one measure, in words; empty if there is none."""
    measure, source = name.partition(" ")[0], _source(name)
    if measure == "entries":
        if before and not now:
            return f"{source} is empty in it and had {before} entries in {ident}"
        few = before >= _FEW and now < before * _SHRUNK
        return f"{source} has {now} entries in it, and had {before} in {ident}" if few else ""
    if measure == "data":
        little = (before and not now) or (before >= _LITTLE and now < before * _SHRUNK)
        return f"the files of {source} have {now} bytes in it, and had {before} in {ident}" if little else ""
    if measure == "saved":
        packs = now >= before * _UNPACKABLE or before < _LITTLE
        return (
            ""
            if packs
            else (
                f"compression saves {now} bytes, and saved {before} in {ident}: files may have been encrypted"
            )
        )
    return f"it has {now} bytes, {ident} had {before}" if now < before * _SHRUNK else ""
