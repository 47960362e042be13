"""The archives of one job in one directory: finishing and removing one, and tidying up after a killed run.

`host.archives.stored_archives` says which files an archive has.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.host import HostError
from reconciler.formats.backups import manifest as manifests
from reconciler.formats.backups.job import COMPRESSORS, ENCRYPTED
from reconciler.formats.backups.manifest import Manifest, NotAManifest
from reconciler.host.archives.destination import Destination
from reconciler.host.archives.remote.channel import Lost
from reconciler.host.archives.stored_archives import ARCHIVE, MANIFEST, PARTIAL, REMOVING, archive_id
from reconciler.host.process import failpoints

_SUM = ".sha256"
_SUFFIXES = tuple(
    f".tar{suffix}{encrypted}" for suffix in COMPRESSORS.values() for encrypted in ("", ENCRYPTED)
)


def partial_name(job: str, ident: str, suffix: str) -> str:
    """The name of the archive's file until it is finished."""
    return f"{PARTIAL}{manifests.stem(job, ident)}{suffix}"


def publish(directory: Destination, manifest: Manifest) -> None:
    """Give a finished archive its own name, then its sum, and last its manifest. Raises TargetError."""
    stem = manifests.stem(manifest.job, manifest.id)
    directory.write(PARTIAL + manifest.archive + _SUM, _sum_line(manifest))
    directory.write(PARTIAL + stem + MANIFEST, manifests.dump(manifest))
    failpoints.hit("backup.sidecars")
    directory.rename(PARTIAL + manifest.archive, manifest.archive)
    failpoints.hit("backup.renamed")
    directory.replace(PARTIAL + manifest.archive + _SUM, manifest.archive + _SUM)
    failpoints.hit("backup.summed")
    directory.replace(PARTIAL + stem + MANIFEST, stem + MANIFEST)
    directory.sync()
    failpoints.hit("backup.published")


def record(directory: Destination, manifest: Manifest) -> None:
    """Write the manifest of an archive anew. Raises TargetError."""
    name = manifests.stem(manifest.job, manifest.id) + MANIFEST
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
    directory.replace(stem + MANIFEST, REMOVING + stem + MANIFEST)
    directory.sync()
    failpoints.hit("backup.removing")
    _finish_removal(directory, stem)


def _finish_removal(directory: Destination, stem: str) -> None:
    for suffix in _SUFFIXES:
        directory.remove(stem + suffix)
        directory.remove(stem + suffix + _SUM)
    failpoints.hit("backup.removed")
    directory.remove(REMOVING + stem + MANIFEST)
    directory.sync()


def tidy(directory: Destination, job: str) -> list[str]:
    """Finish or undo what a killed run left, and return what was done, in words.

    Only under the job's lock: the files of a running job would look the same.
    """
    return list(_tidy(directory, job))


def _tidy(directory: Destination, job: str) -> Iterator[str]:
    names = directory.names()
    for name in names:
        rest = name.removeprefix(REMOVING)
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
        if (ident := manifests.id_in(name, job, r"\.json") or archive_id(name, job) or _partial_id(name, job))
    ]


def _partial_id(name: str, job: str) -> str:
    rest = name.removeprefix(PARTIAL)
    return manifests.id_in(rest, job, rf"(?:\.json|{ARCHIVE}(?:\.sha256)?)") if rest != name else ""


def _finish(directory: Destination, job: str, ident: str, names: list[str]) -> str:
    """Complete an archive whose own file is whole and lacks only its manifest's name; remove anything less.

    Returns what was done, in words.
    """
    stem = manifests.stem(job, ident)
    if PARTIAL + stem + MANIFEST in names and _is_whole(directory, job, ident):
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
            directory.read(f"{PARTIAL}{manifests.stem(job, ident)}{MANIFEST}"), job, ident
        )
    except Lost:
        raise
    except (NotAManifest, HostError):
        return False
    return directory.size(manifest.archive) == manifest.bytes
