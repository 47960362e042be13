"""The archives of one job in one directory: finding, finishing and removing one, and tidying up after a
killed run.

An archive is `NAME-ID.tar.gz`, its sum `NAME-ID.tar.gz.sha256` and its manifest `NAME-ID.json`, which comes
last: without it there is no archive. Names of unfinished files begin with `.partial-`, those of manifests
whose archive is being removed with `.removing-`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError
from reconciler.formats.backups import manifest as manifests
from reconciler.formats.backups.doubt import doubts
from reconciler.formats.backups.job import COMPRESSORS, ENCRYPTED
from reconciler.formats.backups.manifest import Manifest, NotAManifest
from reconciler.host.archives.destination import Destination
from reconciler.host.archives.remote.channel import Lost
from reconciler.host.process import failpoints

PARTIAL = ".partial-"
_REMOVING = ".removing-"
_SUM = ".sha256"
_MANIFEST = ".json"
_SUFFIXES = tuple(
    f".tar{suffix}{encrypted}" for suffix in COMPRESSORS.values() for encrypted in ("", ENCRYPTED)
)
_ARCHIVE = r"\.tar(?:\.gz|\.zst)?(?:\.age)?"
"""The pattern of these suffixes."""


@frozen
class Entry:
    """One archive in one directory."""

    manifest: Manifest
    fault: str = ""
    """Why its own file cannot be used, as far as one look at the directory tells."""
    lacks: str = ""
    """Which of the archives that it needs cannot be used, and why."""
    is_proved: bool = True
    """Whether those that it needs were proved to be good."""

    @property
    def problem(self) -> str:
        """Why it cannot be used in this directory."""
        return self.fault or self.lacks

    @property
    def good(self) -> bool:
        """Whether it and all that it needs were proved to be good, and have the size that they had then."""
        return self.manifest.verified is True and self.is_proved and not self.problem


@frozen
class Strange:
    """A file that looks like an archive and is none: the id in its name, and its fault."""

    id: str
    problem: str


@frozen
class StoredArchives:
    """All archives of a job in a directory, the oldest first, and the files that look like one and are
    none.
    """

    entries: tuple[Entry, ...] = ()
    strange: tuple[Strange, ...] = ()

    @property
    def doubts(self) -> dict[str, str]:
        """Why each archive that shrank without a reason is in doubt, by id."""
        return doubts(entry.manifest for entry in self.entries if entry.good)


def scan(directory: Destination, job: str) -> StoredArchives:
    """The archives of a job in a directory; those of other jobs do not count, whatever their names."""
    names = set(directory.names())
    entries, strange = [], []
    for name in sorted(names):
        archive = _archive_id(name, job)
        sidecar = manifests.stem(job, archive) + _MANIFEST
        # An archive that a killed run left unfinished is neither: the next run completes or removes it.
        if archive and not names & {sidecar, PARTIAL + sidecar, _REMOVING + sidecar}:
            strange.append(
                Strange(
                    archive, f"{directory.path}/{name} has no manifest: it is neither counted nor deleted"
                )
            )
        ident = manifests.id_in(name, job, r"\.json")
        if ident:
            try:
                entries.append(_entry(directory, manifests.load(directory.read(name), job, ident)))
            except Lost:  # what is there is not known
                raise
            except (NotAManifest, HostError) as problem:
                strange.append(Strange(ident, f"{directory.path}/{name} cannot be used: {problem}"))
    by_id = {entry.manifest.id: entry for entry in entries}
    ordered = sorted(by_id.values(), key=lambda item: (item.manifest.started, item.manifest.id))
    return StoredArchives(tuple(_with_ancestors(entry, by_id) for entry in ordered), tuple(strange))


def _with_ancestors(entry: Entry, by_id: Mapping[str, Entry]) -> Entry:
    """The entry, judged with the archives that it needs."""
    lacks, is_proved = "", True
    for parent in entry.manifest.parents:
        ancestor = by_id.get(parent)
        why = "it is not there" if ancestor is None else why_bad(ancestor)
        lacks = lacks or (f"it needs {parent}: {why}" if why else "")
        is_proved &= ancestor is not None and ancestor.manifest.verified is True
    return replace(entry, lacks=lacks, is_proved=is_proved)


def why_bad(entry: Entry) -> str:
    """Why the file of an archive cannot be used; empty if nothing is known against it."""
    if entry.fault or entry.manifest.verified is not False:
        return entry.fault
    return "it did not pass its last verification"


def _archive_id(name: str, job: str) -> str:
    return manifests.id_in(name, job, _ARCHIVE)


def _entry(directory: Destination, manifest: Manifest) -> Entry:
    size = directory.size(manifest.archive)
    if size is None:
        return Entry(manifest, "the archive is missing")
    return Entry(
        manifest,
        "" if size == manifest.bytes else f"the archive has {size} bytes instead of {manifest.bytes}",
    )


def partial_name(job: str, ident: str, suffix: str) -> str:
    """The name of the archive's file until it is finished."""
    return f"{PARTIAL}{manifests.stem(job, ident)}{suffix}"


def publish(directory: Destination, manifest: Manifest) -> None:
    """Give a finished archive its own name, then its sum, and last its manifest. Raises TargetError."""
    stem = manifests.stem(manifest.job, manifest.id)
    directory.write(PARTIAL + manifest.archive + _SUM, _sum_line(manifest))
    directory.write(PARTIAL + stem + _MANIFEST, manifests.dump(manifest))
    failpoints.hit("backup.sidecars")
    directory.rename(PARTIAL + manifest.archive, manifest.archive)
    failpoints.hit("backup.renamed")
    directory.replace(PARTIAL + manifest.archive + _SUM, manifest.archive + _SUM)
    failpoints.hit("backup.summed")
    directory.replace(PARTIAL + stem + _MANIFEST, stem + _MANIFEST)
    directory.sync()
    failpoints.hit("backup.published")


def record(directory: Destination, manifest: Manifest) -> None:
    """Write the manifest of an archive anew. Raises TargetError."""
    name = manifests.stem(manifest.job, manifest.id) + _MANIFEST
    directory.remove(PARTIAL + name)
    directory.write(PARTIAL + name, manifests.dump(manifest))
    directory.replace(PARTIAL + name, name)
    directory.sync()


def sum_problem(directory: Destination, manifest: Manifest) -> str:
    """The fault of the file that sha256sum(1) would check an archive by; empty if there is none."""
    name = manifest.archive + _SUM
    try:
        text = directory.read(name)
    except Lost:
        raise
    except HostError as problem:
        return f"{name}: {problem.detail or problem.summary}"
    return (
        ""
        if text == _sum_line(manifest)
        else f"{name} does not say what was recorded; the archive itself is judged by its manifest"
    )


def _sum_line(manifest: Manifest) -> bytes:
    return f"{manifest.sha256}  {manifest.archive}\n".encode()


def delete(directory: Destination, job: str, ident: str) -> None:
    """Remove an archive with its sum and manifest; once begun, the next run finishes it. Raises
    TargetError.
    """
    stem = manifests.stem(job, ident)
    directory.replace(stem + _MANIFEST, _REMOVING + stem + _MANIFEST)
    directory.sync()
    failpoints.hit("backup.removing")
    _finish_removal(directory, stem)


def _finish_removal(directory: Destination, stem: str) -> None:
    for suffix in _SUFFIXES:
        directory.remove(stem + suffix)
        directory.remove(stem + suffix + _SUM)
    failpoints.hit("backup.removed")
    directory.remove(_REMOVING + stem + _MANIFEST)
    directory.sync()


def tidy(directory: Destination, job: str) -> list[str]:
    """Finish or undo what a killed run left, and return what was done, in words.

    Only under the job's lock: the files of a running job would look the same.
    """
    return list(_tidy(directory, job))


def _tidy(directory: Destination, job: str) -> Iterator[str]:
    names = directory.names()
    for name in names:
        rest = name.removeprefix(_REMOVING)
        ident = manifests.id_in(rest, job, r"\.json") if rest != name else ""
        if ident:
            _finish_removal(directory, manifests.stem(job, ident))
            yield f"finished the removal of {ident}"
    partials: dict[str, list[str]] = {}
    for name in names:
        ident = _partial_id(name, job)
        if ident:
            partials.setdefault(ident, []).append(name)
    for ident, partial_names in sorted(partials.items()):
        yield _finish(directory, job, ident, partial_names)


def idents(directory: Destination, job: str) -> list[str]:
    """The ids of all archives of a job, also of those that a killed run left unfinished."""
    names = directory.names()
    return [
        ident
        for name in names
        if (
            ident := manifests.id_in(name, job, r"\.json") or _archive_id(name, job) or _partial_id(name, job)
        )
    ]


def _partial_id(name: str, job: str) -> str:
    rest = name.removeprefix(PARTIAL)
    return manifests.id_in(rest, job, rf"(?:\.json|{_ARCHIVE}(?:\.sha256)?)") if rest != name else ""


def _finish(directory: Destination, job: str, ident: str, names: list[str]) -> str:
    """Complete an archive whose own file is whole and lacks only its manifest's name; remove anything less.

    Returns what was done, in words.
    """
    stem = manifests.stem(job, ident)
    if PARTIAL + stem + _MANIFEST in names and _is_whole(directory, job, ident):
        for name in sorted(names, reverse=True):  # the manifest last
            directory.replace(name, name.removeprefix(PARTIAL))
        directory.sync()
        return f"finished {ident}, which a run had left without its manifest"
    for name in names:
        directory.remove(name)
    directory.sync()
    return f"removed what a killed run had left of {ident}"


def _is_whole(directory: Destination, job: str, ident: str) -> bool:
    try:
        manifest = manifests.load(
            directory.read(f"{PARTIAL}{manifests.stem(job, ident)}{_MANIFEST}"), job, ident
        )
    except Lost:
        raise
    except (NotAManifest, HostError):
        return False
    return directory.size(manifest.archive) == manifest.bytes
