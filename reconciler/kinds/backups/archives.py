"""The consequences of a changed backup job for existing archives: some would go, some nobody looks after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Change, Document
from reconciler.core.diagnostic import Diagnostic, Source, warning
from reconciler.core.host import FileType, HostView, Unreadable, UnsafePath
from reconciler.core.spec import Declared
from reconciler.formats.backups import job as backup_job
from reconciler.formats.backups import manifest as manifests
from reconciler.formats.backups.doubt import doubts
from reconciler.formats.backups.job import Job, Keep, NotAJob
from reconciler.formats.backups.manifest import FULL, Manifest, NotAManifest
from reconciler.formats.backups.retention import Archive, decide
from reconciler.formats.systemd import timespan

_NAMED = 10
"""The most archives that a message names; the rest is counted."""


@frozen
class _Existing:
    """An archive in a destination."""

    manifest: Manifest
    good: bool
    """Whether it is known to be good."""


@frozen
class _Former:
    """A destination that a job has no more, or not with this engine."""

    destination: str
    engine: str

    def contents(self, view: HostView, job: str) -> str:
        """The archives there, in words, as far as a plan sees them; empty if there are none."""
        if self.engine != "tar" or not self.destination.startswith("/"):
            return f"the {'archives' if self.engine == 'tar' else 'snapshots'} in {self.destination}"
        existing = _archives(view, self.destination, job)
        if not existing:
            return ""
        size = sum(archive.manifest.bytes for archive in existing)
        idents = [archive.manifest.id for archive in existing]
        return f"the {_count(idents)} of {size:,} bytes in {self.destination} ({_listed(idents)})"


def consequences(
    view: HostView, declared: Declared, before: Document | None, after: Mapping[str, Any]
) -> Iterator[Diagnostic]:
    """Warn of archives that go, or are left to themselves, when a job's document `before` becomes `after`.

    `before` is None for a new job.
    """
    name = declared.address.name
    new, old = _job(after, name), _job(before or {}, name)
    if new is None:
        return
    changed_engine = old is not None and _engine(before) != _engine(after)
    going: list[Diagnostic] = []
    for destination in _directories(new) if not changed_engine else ():
        archives = _archives(view, destination, name)
        if archives is None:
            yield _cannot_tell(declared, destination)
            continue
        old_here = old if old is not None and destination in old.destinations else None
        going += _deleted_by_keep(declared, destination, archives, new, old_here)
        yield from _dropped_sources(declared, destination, archives, new, old)
    yield from going or _smaller_keep(declared, new.keep, old.keep if old is not None else new.keep)
    if old is not None:
        yield from _changed(declared, old, new)
    for destination in old.destinations if old is not None else ():
        if destination not in new.destinations:
            yield from _left_to_itself(
                view, declared.address, declared.source, _Former(destination, _engine(before))
            )
        elif changed_engine:
            yield from _of_another_engine(view, declared, _Former(destination, _engine(before)))


def remain(view: HostView, change: Change) -> Iterator[Diagnostic]:
    """Warn of the archives of a job that goes: nothing looks after them any more."""
    name = change.address.name
    document = (change.before or {}).get("job") or {}
    job = _job(document, name)
    for destination in job.destinations if job is not None else ():
        yield from _left_to_itself(
            view, change.address.resource, None, _Former(destination, _engine(document))
        )


def _engine(document: Mapping[str, Any] | None) -> str:
    return str((document or {}).get("engine", "tar"))


def _directories(job: Job) -> Iterator[str]:
    """Yield the destinations that a host can be asked about; a plan connects to no other machine."""
    yield from (destination for destination in job.destinations if destination.startswith("/"))


def _job(document: Mapping[str, Any], name: str) -> Job | None:
    try:
        return backup_job.job(document, name)
    except NotAJob:
        return None


def _archives(view: HostView, destination: str, name: str) -> list[_Existing] | None:
    """The archives of a job in a destination, the oldest first; None if they cannot be looked at."""
    try:
        entry = view.entry(destination)
        files = view.names(destination) if entry is not None and entry.type is FileType.DIRECTORY else ()
        idents = [ident for file in files if (ident := manifests.id_in(file, name, r"\.json"))]
        archives = [_archive(view, destination, name, ident) for ident in idents]
    except (Unreadable, UnsafePath):
        return None
    existing = (archive for archive in archives if archive is not None)
    return sorted(existing, key=lambda archive: (archive.manifest.started, archive.manifest.id))


def _archive(view: HostView, destination: str, name: str, ident: str) -> _Existing | None:
    """The archive with a manifest; None if the manifest cannot be used. Raises Unreadable, UnsafePath."""
    path = f"{destination}/{manifests.stem(name, ident)}.json"
    try:
        manifest = manifests.load(view.excerpt(path)[0], name, ident)
    except (NotAManifest, FileNotFoundError):
        return None
    entry = view.entry(f"{destination}/{manifest.archive}")
    complete = entry is not None and entry.type is FileType.FILE and entry.size == manifest.bytes
    return _Existing(manifest, complete and manifest.verified is True)


def _going(existing: Sequence[_Existing], job: Job | None) -> tuple[str, ...]:
    """The ids of the archives that a job would delete as they are, the oldest first."""
    if job is None or job.keep == Keep():
        return ()
    doubtful = doubts(archive.manifest for archive in existing if archive.good)
    archives = [
        Archive(manifest.id, manifest.started, good, manifest.parents, manifest.id in doubtful)
        for manifest, good in ((archive.manifest, archive.good) for archive in existing)
    ]
    newest = max((archive.started for archive in archives), default=0)
    return decide(archives, job.keep, newest, job.clock_jump).delete


def _deleted_by_keep(
    declared: Declared, destination: str, existing: Sequence[_Existing], new: Job, old: Job | None
) -> Iterator[Diagnostic]:
    already = _going(existing, old)
    going = [ident for ident in _going(existing, new) if ident not in already]
    if not going:
        return
    detail = (
        f"{len(going)} of the {len(existing)} archives in {destination} go with the next run, and with"
        f" `reconciler backup prune {declared.address.name}`: {_listed(going)}. Files that are in no other"
        " archive are lost with them."
    )
    yield _warning(declared, f"{_count(going)} would be deleted", detail, "archives-go")


def _smaller_keep(declared: Declared, new: Keep, old: Keep) -> Iterator[Diagnostic]:
    """Warn of a smaller `keep` by which no archive goes that is seen from here.

    There may be archives elsewhere (a snapshot has none), and more will be made.
    """
    before, after = asdict(old), asdict(new)
    less = [name for name in before if after[name] < before[name]]
    if (less or old == Keep()) and new not in (old, Keep()):
        detail = (
            f"`keep` was {_words(before)} and becomes {_words(after)}. No archive that is seen from here goes"
            " by that now; there may be others, and those to come go sooner."
        )
        yield _warning(declared, f"fewer archives are kept: {_words(after)}", detail, "keeps-less")


def _words(keep: Mapping[str, float]) -> str:
    counts = [f"{name} {count:g}" for name, count in keep.items() if count and name != "within"]
    span = [f"within {timespan.words(keep['within'])}"] if keep["within"] else []
    return ", ".join([*counts, *span]) or "everything"


def _dropped_sources(
    declared: Declared, destination: str, existing: Sequence[_Existing], new: Job, old: Job | None
) -> Iterator[Diagnostic]:
    """Warn of sources that are no longer backed up and are only in archives that exist."""
    dropped = [source for source in (old.sources if old is not None else ()) if source not in new.sources]
    idents = [archive.manifest.id for archive in existing if set(dropped) & set(archive.manifest.sources)]
    if not idents:
        return
    fate = (
        "they go one after the other, as `keep` says"
        if new.keep != Keep()
        else "they stay, for the job has no `keep`"
    )
    detail = (
        f"No new archive has {' or '.join(dropped)}. {_count(idents)} in {destination} have, and {fate}:"
        f" {_listed(idents)}."
    )
    yield _warning(declared, f"{' and '.join(dropped)} will be in no new archive", detail, "archives-go")


def _left_to_itself(
    view: HostView, address: Address, source: Source | None, former: _Former
) -> Iterator[Diagnostic]:
    """Warn of archives that stay where no job looks after them; none if there are none."""
    if not (what := former.contents(view, address.name)):
        return
    give_back = (
        f"reconciler backup restore --from {former.destination} --job {address.name} --to DIR"
        if former.engine == "tar"
        else f"restic --repo {former.destination} restore latest --target DIR"
    )
    detail = f"Nothing lists, verifies or lets go of {what} any more. To give files back: `{give_back}`."
    summary = f"{former.destination} is left to itself"
    yield warning(summary, detail, address=address, source=source, rule="archives-left")


def _of_another_engine(view: HostView, declared: Declared, former: _Former) -> Iterator[Diagnostic]:
    """Warn of the archives of another engine: `keep` counts those of the new one only."""
    if what := former.contents(view, declared.address.name):
        detail = (
            f"`keep` counts what the new engine makes: nothing lists, verifies or lets go of {what} any more."
            " Remove them by hand once they are not needed."
        )
        summary = f"{former.destination} has backups by {former.engine}"
        yield _warning(declared, summary, detail, "archives-left")


def _changed(declared: Declared, old: Job, new: Job) -> Iterator[Diagnostic]:
    """Warn of changes by which a new archive is worth less, or costs more, wherever the archives are."""
    gone = [destination for destination in old.destinations if destination not in new.destinations]
    if len(new.destinations) < len(old.destinations):
        copies = f"{len(new.destinations)} cop{'y' if len(new.destinations) == 1 else 'ies'}"
        detail = f"No new archive goes to {' and '.join(gone)}; it had {len(old.destinations)} copies so far."
        yield _warning(declared, f"a new archive has {copies} only", detail, "fewer-copies")
    if old.encrypt_to and not (new.encrypt_to or new.restic):
        detail = "`encrypt_to` is no more: whoever can read a destination can read every new archive in it."
        yield _warning(declared, "new archives are no longer encrypted", detail, "not-encrypted")
    if FULL not in (old.type, new.type) and _scope(old) != _scope(new):
        detail = (
            "The job archives other files now: no archive can be built upon those that are there; these"
            " stay, and are restored as before. The next run takes the time and the room of a full one."
        )
        yield _warning(declared, "the next archive is a full one", detail, "new-chain")


def _scope(job: Job) -> tuple[object, ...]:
    """Everything that the archives of one chain have in common (`jobs.making.chain`)."""
    return job.sources, job.exclude, job.places, job.one_file_system, job.encrypt_to


def _cannot_tell(declared: Declared, destination: str) -> Diagnostic:
    detail = (
        f"The archives in {destination} cannot be looked at. With other rules some may go: plan as root on"
        " the host to see which."
    )
    return _warning(declared, "archives that may be deleted are not known", detail, "archives-go")


def _warning(declared: Declared, summary: str, detail: str, rule: str) -> Diagnostic:
    return warning(summary, detail, address=declared.address, source=declared.source, rule=rule)


def _count(idents: Sequence[str]) -> str:
    return f"{len(idents)} archive{'' if len(idents) == 1 else 's'}"


def _listed(idents: Sequence[str]) -> str:
    more = f" and {len(idents) - _NAMED} more" if len(idents) > _NAMED else ""
    return ", ".join(idents[:_NAMED]) + more
