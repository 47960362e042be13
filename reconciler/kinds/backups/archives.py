"""The consequences of a changed backup job for the archives that are there.

It tells which of them would go, and which nobody looks after any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Document
from reconciler.core.diagnostic import Diagnostic, warning
from reconciler.core.host import FileType, HostView, Unreadable, UnsafePath
from reconciler.core.spec import Declared
from reconciler.formats.backups import job as backup_job
from reconciler.formats.backups import manifest as manifests
from reconciler.formats.backups.doubt import doubts
from reconciler.formats.backups.job import Job, Keep, NotAJob
from reconciler.formats.backups.manifest import Manifest, NotAManifest
from reconciler.formats.backups.retention import Archive, decide
from reconciler.formats.systemd import timespan

_NAMED = 10
"""Archives that are named; of more, the rest is counted."""


@frozen
class _There:
    """An archive in a destination, and whether it is known to be good."""

    manifest: Manifest
    good: bool


def consequences(
    view: HostView, declared: Declared, before: Document | None, after: Mapping[str, Any]
) -> Iterator[Diagnostic]:
    """In words what becomes of archives when the job file of `before` (None: there is none) is that of
    `after`.
    """
    name = declared.address.name
    new, old = _job(after, name), _job(before or {}, name)
    if new is None:
        return
    going: list[Diagnostic] = []
    for place in new.destinations:
        there = _archives(view, place, name)
        if there is None:
            yield _cannot_tell(declared, place)
            continue
        going += _of_keep(
            declared, place, there, new, old if old is not None and place in old.destinations else None
        )
        yield from _of_sources(declared, place, there, new, old)
    yield from going or _of_less(declared, new.keep, old.keep if old is not None else new.keep)
    for place in old.destinations if old is not None else ():
        if place not in new.destinations:
            yield from _of_destination(declared, place, _archives(view, place, name) or [])


def _job(document: Mapping[str, Any], name: str) -> Job | None:
    try:
        return backup_job.job(document, name)
    except NotAJob:
        return None


def _archives(view: HostView, place: str, name: str) -> list[_There] | None:
    """The archives of a job in a destination, the oldest first; None if they cannot be looked at."""
    try:
        entry = view.entry(place)
        names = view.names(place) if entry is not None and entry.type is FileType.DIRECTORY else ()
        idents = [ident for one in names if (ident := manifests.id_in(one, name, r"\.json"))]
        there = [one for ident in idents if (one := _archive(view, place, name, ident)) is not None]
    except (Unreadable, UnsafePath):
        return None
    return sorted(there, key=lambda one: (one.manifest.started, one.manifest.id))


def _archive(view: HostView, place: str, name: str, ident: str) -> _There | None:
    """Raises Unreadable, UnsafePath."""
    try:
        found = manifests.load(view.excerpt(f"{place}/{manifests.stem(name, ident)}.json")[0], name, ident)
    except (NotAManifest, FileNotFoundError):
        return None
    entry = view.entry(f"{place}/{found.archive}")
    return _There(
        found,
        entry is not None
        and entry.type is FileType.FILE
        and entry.size == found.bytes
        and found.verified is True,
    )


def _going(there: Sequence[_There], job: Job | None) -> tuple[str, ...]:
    """The archives of these that a job would delete as they are, the oldest first."""
    if job is None or job.keep == Keep():
        return ()
    doubtful = doubts(one.manifest for one in there if one.good)
    archives = [
        Archive(m.id, m.started, one.good, m.parents, m.id in doubtful)
        for one in there
        for m in (one.manifest,)
    ]
    return decide(
        archives, job.keep, max((item.started for item in archives), default=0), job.clock_jump
    ).delete


def _of_keep(
    declared: Declared, place: str, there: Sequence[_There], new: Job, old: Job | None
) -> Iterator[Diagnostic]:
    already = _going(there, old)
    going = [ident for ident in _going(there, new) if ident not in already]
    if not going:
        return
    detail = (
        f"{len(going)} of the {len(there)} archives in {place} go with the next run, and with `reconciler"
        f" backup prune {declared.address.name}`: {_listed(going)}. What is in no other archive is lost with"
        " them."
    )
    yield _told(declared, f"{_count(going)} would be deleted", detail, "archives-go")


def _of_less(declared: Declared, new: Keep, old: Keep) -> Iterator[Diagnostic]:
    """A smaller `keep` where no archive is seen that goes by it: archives may be elsewhere (a snapshot has
    none), or are still to be made.
    """
    before, after = asdict(old), asdict(new)
    less = [name for name in before if after[name] < before[name]]
    if (less or old == Keep()) and new not in (old, Keep()):
        detail = (
            f"`keep` was {_words(before)} and becomes {_words(after)}. No archive that is seen from here goes"
            " by that now; there may be others, and those to come go sooner."
        )
        yield _told(declared, f"fewer archives are kept: {_words(after)}", detail, "keeps-less")


def _words(keep: Mapping[str, float]) -> str:
    counts = [f"{name} {count:g}" for name, count in keep.items() if count and name != "within"]
    span = [f"within {timespan.words(keep['within'])}"] if keep["within"] else []
    return ", ".join([*counts, *span]) or "everything"


def _of_sources(
    declared: Declared, place: str, there: Sequence[_There], new: Job, old: Job | None
) -> Iterator[Diagnostic]:
    """Archives that alone have what is no longer backed up."""
    gone = [source for source in (old.sources if old is not None else ()) if source not in new.sources]
    having = [one.manifest.id for one in there if set(gone) & set(one.manifest.sources)]
    if not having:
        return
    fate = (
        "they go one after the other, as `keep` says"
        if new.keep != Keep()
        else "they stay, for the job has no `keep`"
    )
    detail = (
        f"No new archive has {' or '.join(gone)}. {_count(having)} in {place} have, and {fate}:"
        f" {_listed(having)}."
    )
    yield _told(declared, f"{' and '.join(gone)} will be in no new archive", detail, "archives-go")


def _of_destination(declared: Declared, place: str, there: Sequence[_There]) -> Iterator[Diagnostic]:
    if there:
        idents = [one.manifest.id for one in there]
        detail = (
            f"{_count(idents)} in {place} stay there, and nothing lists, verifies or lets go of them any"
            f" more: {_listed(idents)}."
        )
        yield _told(declared, f"{place} is left to itself", detail, "archives-left")


def _cannot_tell(declared: Declared, place: str) -> Diagnostic:
    detail = (
        f"The archives in {place} cannot be looked at. With other rules some may go: plan as root on the host"
        " to see which."
    )
    return _told(declared, "archives that may be deleted are not known", detail, "archives-go")


def _told(declared: Declared, summary: str, detail: str, rule: str) -> Diagnostic:
    return warning(summary, detail, address=declared.address, source=declared.source, rule=rule)


def _count(idents: Sequence[str]) -> str:
    return f"{len(idents)} archive{'' if len(idents) == 1 else 's'}"


def _listed(idents: Sequence[str]) -> str:
    more = f" and {len(idents) - _NAMED} more" if len(idents) > _NAMED else ""
    return ", ".join(idents[:_NAMED]) + more
