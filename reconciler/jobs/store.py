"""The archives of one job in one directory: finding, finishing and removing one, and tidying up after a
killed run.

`NAME-ID.tar.gz`, its sum `NAME-ID.tar.gz.sha256` and its manifest `NAME-ID.json`, which comes last: without
it there is no archive. Unfinished files have names that begin with `.partial-`, one that is being removed has
a name that begins with `.removing-`.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError
from reconciler.formats.backups import manifest as manifests
from reconciler.formats.backups.doubt import doubts
from reconciler.formats.backups.job import COMPRESSORS
from reconciler.formats.backups.manifest import Manifest, NotAManifest
from reconciler.host.archives.private_directory import Directory
from reconciler.host.process import failpoints

PARTIAL = ".partial-"
_REMOVING = ".removing-"
_SUM = ".sha256"
_MANIFEST = ".json"
_SUFFIXES = tuple(f".tar{suffix}" for suffix in COMPRESSORS.values())


@frozen
class Entry:
    """One archive in one directory.

    `problem`: why it cannot be used, as far as one look at the directory tells.
    """

    manifest: Manifest
    problem: str = ""

    @property
    def good(self) -> bool:
        """Proved to be good, and still of the size it had then."""
        return self.manifest.verified is True and not self.problem


@frozen
class Strange:
    """Something that looks like an archive and is none: its id, and what is wrong with it."""

    id: str
    problem: str


@frozen
class Found:
    """All archives of a job in a directory, the oldest first, and what looks like one and is none."""

    entries: tuple[Entry, ...] = ()
    strange: tuple[Strange, ...] = ()

    @property
    def doubts(self) -> dict[str, str]:
        """Why each archive that shrank without a reason is in doubt, by id."""
        return doubts(entry.manifest for entry in self.entries if entry.good)


def scan(directory: Directory, job: str) -> Found:
    """The archives that are there.

    Other jobs' archives are not seen, whatever their names.
    """
    names = set(directory.names())
    entries, strange = [], []
    for name in sorted(names):
        archive = _archive_id(name, job)
        sidecar = manifests.stem(job, archive) + _MANIFEST
        # What a killed run left unfinished is neither: the next run finishes it, one way or the other.
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
            except (NotAManifest, HostError) as problem:
                strange.append(Strange(ident, f"{directory.path}/{name} cannot be used: {problem}"))
    return Found(
        tuple(sorted(entries, key=lambda item: (item.manifest.started, item.manifest.id))), tuple(strange)
    )


def _archive_id(name: str, job: str) -> str:
    return manifests.id_in(name, job, r"\.tar(?:\.gz|\.zst)?")


def _entry(directory: Directory, found: Manifest) -> Entry:
    size = directory.size(found.archive)
    if size is None:
        return Entry(found, "the archive is missing")
    return Entry(
        found, "" if size == found.bytes else f"the archive has {size} bytes instead of {found.bytes}"
    )


def partial_name(job: str, ident: str, suffix: str) -> str:
    """The name of an archive until it is finished."""
    return f"{PARTIAL}{manifests.stem(job, ident)}{suffix}"


def publish(directory: Directory, found: Manifest) -> None:
    """Make the finished partial archive an archive: its own name first, the manifest last.

    Raises TargetError.
    """
    stem = manifests.stem(found.job, found.id)
    directory.write(PARTIAL + found.archive + _SUM, _sum_line(found))
    directory.write(PARTIAL + stem + _MANIFEST, manifests.dump(found))
    failpoints.hit("backup.sidecars")
    directory.rename(PARTIAL + found.archive, found.archive)
    failpoints.hit("backup.renamed")
    directory.replace(PARTIAL + found.archive + _SUM, found.archive + _SUM)
    failpoints.hit("backup.summed")
    directory.replace(PARTIAL + stem + _MANIFEST, stem + _MANIFEST)
    directory.sync()
    failpoints.hit("backup.published")


def record(directory: Directory, found: Manifest) -> None:
    """Write the manifest of an archive anew. Raises TargetError."""
    name = manifests.stem(found.job, found.id) + _MANIFEST
    directory.remove(PARTIAL + name)
    directory.write(PARTIAL + name, manifests.dump(found))
    directory.replace(PARTIAL + name, name)
    directory.sync()


def sum_problem(directory: Directory, found: Manifest) -> str:
    """The fault of the file that sha256sum(1) would check an archive by; empty if there is none."""
    name = found.archive + _SUM
    try:
        text = directory.read(name)
    except HostError as problem:
        return f"{name}: {problem.detail or problem.summary}"
    return (
        ""
        if text == _sum_line(found)
        else f"{name} does not say what was recorded; the archive itself is judged by its manifest"
    )


def _sum_line(found: Manifest) -> bytes:
    return f"{found.sha256}  {found.archive}\n".encode()


def delete(directory: Directory, job: str, ident: str) -> None:
    """Remove an archive with all that belongs to it, as one: once begun, the next run finishes it.

    Raises TargetError.
    """
    stem = manifests.stem(job, ident)
    directory.replace(stem + _MANIFEST, _REMOVING + stem + _MANIFEST)
    directory.sync()
    failpoints.hit("backup.removing")
    _finish_removal(directory, stem)


def _finish_removal(directory: Directory, stem: str) -> None:
    for suffix in _SUFFIXES:
        directory.remove(stem + suffix)
        directory.remove(stem + suffix + _SUM)
    failpoints.hit("backup.removed")
    directory.remove(_REMOVING + stem + _MANIFEST)
    directory.sync()


def tidy(directory: Directory, job: str) -> list[str]:
    """Finish or undo what a killed run left; what was done.

    Only under the job's lock: another run's would look the same.
    """
    return list(_tidy(directory, job))


def _tidy(directory: Directory, job: str) -> Iterator[str]:
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
    for ident, left in sorted(partials.items()):
        yield _finish(directory, job, ident, left)


def _partial_id(name: str, job: str) -> str:
    rest = name.removeprefix(PARTIAL)
    return manifests.id_in(rest, job, r"\.(?:json|tar(?:\.gz|\.zst)?(?:\.sha256)?)") if rest != name else ""


def _finish(directory: Directory, job: str, ident: str, left: list[str]) -> str:
    """An archive that has its name lacks only that of its manifest; anything less is removed."""
    stem = manifests.stem(job, ident)
    if PARTIAL + stem + _MANIFEST in left and _is_whole(directory, job, ident):
        for name in sorted(left, reverse=True):  # the manifest last
            directory.replace(name, name.removeprefix(PARTIAL))
        directory.sync()
        return f"finished {ident}, which a run had left without its manifest"
    for name in left:
        directory.remove(name)
    directory.sync()
    return f"removed what a killed run had left of {ident}"


def _is_whole(directory: Directory, job: str, ident: str) -> bool:
    try:
        found = manifests.load(
            directory.read(f"{PARTIAL}{manifests.stem(job, ident)}{_MANIFEST}"), job, ident
        )
    except (NotAManifest, HostError):
        return False
    return directory.size(found.archive) == found.bytes
