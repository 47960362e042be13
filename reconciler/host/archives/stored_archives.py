"""The archives of one job in one directory, as its files tell: which are there, and what is wrong with them.

An archive is `NAME-ID.tar.gz`, its sum `NAME-ID.tar.gz.sha256` and its manifest `NAME-ID.json`, which comes
last: without it there is no archive. Names of unfinished files begin with `.partial-`, those of manifests
whose archive is being removed with `.removing-`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError
from reconciler.formats.backups import manifest as manifests
from reconciler.formats.backups.doubt import doubts
from reconciler.formats.backups.manifest import Manifest, NotAManifest
from reconciler.host.archives.remote.channel import Lost

PARTIAL = ".partial-"
REMOVING = ".removing-"
MANIFEST = ".json"
ARCHIVE = r"\.tar(?:\.gz|\.zst)?(?:\.age)?"
"""The pattern of the suffixes of archives."""


class Directory(Protocol):
    """A directory with archives: as much of a destination as is needed to look at them."""

    @property
    def path(self) -> str:
        """As Destination.path."""

    def names(self) -> Sequence[str]:
        """As Destination.names."""

    def size(self, name: str) -> int | None:
        """As Destination.size."""

    def read(self, name: str) -> bytes:
        """As Destination.read."""


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


def scan(directory: Directory, job: str) -> StoredArchives:
    """The archives of a job in a directory; those of other jobs do not count, whatever their names."""
    names = set(directory.names())
    entries, strange = [], []
    for name in sorted(names):
        archive = archive_id(name, job)
        sidecar = manifests.stem(job, archive) + MANIFEST
        # An archive that a killed run left unfinished is neither: the next run completes or removes it.
        if archive and not names & {sidecar, PARTIAL + sidecar, REMOVING + sidecar}:
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


def archive_id(name: str, job: str) -> str:
    """The id in the name of an archive of this job; empty when it is none."""
    return manifests.id_in(name, job, ARCHIVE)


def _entry(directory: Directory, manifest: Manifest) -> Entry:
    size = directory.size(manifest.archive)
    if size is None:
        return Entry(manifest, "the archive is missing")
    return Entry(
        manifest,
        "" if size == manifest.bytes else f"the archive has {size} bytes instead of {manifest.bytes}",
    )
