"""The archives of a job over all its destinations, and the one that a command means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError
from reconciler.formats.backups import manifest as manifests
from reconciler.formats.backups.job import Job
from reconciler.formats.backups.manifest import Manifest
from reconciler.host.archives import stored_archives
from reconciler.host.archives.private_directory import Refused
from reconciler.host.archives.stored_archives import Entry, StoredArchives, Strange
from reconciler.jobs import machine_marks
from reconciler.jobs.destinations import open_destination

Copies = Mapping[str, Entry]
"""The copies of one archive, by destination."""


@frozen
class Listing:
    """The archives of a job, the oldest first, each with its copies."""

    archives: tuple[Copies, ...]
    problems: tuple[str, ...] = ()
    """The destinations that could not be read, in words."""
    strange: tuple[tuple[str, Strange], ...] = ()
    """The files that look like an archive and are none, each with its destination."""
    doubts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Why an archive is in doubt, by destination and id."""
    foreign: tuple[str, ...] = ()
    """The destinations whose archives are another machine's, in words."""

    @property
    def complaints(self) -> tuple[str, ...]:
        """Everything that is wrong, for people."""
        return (*self.problems, *self.foreign, *(strange.problem for _, strange in self.strange))


def listing(job: Job, *, patient: bool = True) -> Listing:
    """All archives of a job of tar, as far as its destinations can be read; without `patient` another machine
    has a few seconds.
    """
    archives: dict[str, dict[str, Entry]] = {}
    problems: list[str] = []
    strange: list[tuple[str, Strange]] = []
    doubts: dict[str, Mapping[str, str]] = {}
    foreign: list[str] = []
    for path in job.nearest:
        try:
            with open_destination(job, path, patient=patient) as directory:
                scanned = stored_archives.scan(directory, job.name)
                why = machine_marks.foreign(directory, job.name)
        except HostError as problem:
            problems.append(str(problem))
            continue
        foreign += [why] if why else []
        strange += [(path, item) for item in scanned.strange]
        doubts[path] = scanned.doubts
        for entry in scanned.entries:
            archives.setdefault(entry.manifest.id, {})[path] = entry
    ordered = sorted(
        archives.values(), key=lambda copies: (manifest_of(copies).started, manifest_of(copies).id)
    )
    return Listing(tuple(ordered), tuple(problems), tuple(strange), doubts, tuple(foreign))


def manifest_of(copies: Copies) -> Manifest:
    """The manifest of an archive; its copies have the same."""
    return next(iter(copies.values())).manifest


def as_data(copies: Copies, doubts: Mapping[str, Mapping[str, str]] | None = None) -> dict[str, Any]:
    """One archive as `list --json` shows it.

    `verified` is false if any copy is known to be bad, null if none is proved to be good.
    """
    manifest = manifest_of(copies)
    verdicts = [False if entry.problem else entry.manifest.verified for entry in copies.values()]
    doubtful = [why for path in copies if (why := (doubts or {}).get(path, {}).get(manifest.id))]
    return {
        "id": manifest.id,
        "started": manifests.timestamp(manifest.started),
        "finished": manifests.timestamp(manifest.finished),
        "kind": manifest.kind,
        "parents": list(manifest.parents),
        "why_full": manifest.why_full or None,
        "bytes": manifest.bytes,
        "verified": False if False in verdicts else True if True in verdicts else None,
        "doubt": doubtful[0] if doubtful else None,
        "accepted": (
            {"by": manifest.accepted_by, "at": manifests.timestamp(manifest.accepted_at)}
            if manifest.accepted_at is not None
            else None
        ),
        "destinations": list(copies),
        "left_out": list(manifest.left_out),
        "problems": [f"{path}: {entry.problem}" for path, entry in copies.items() if entry.problem],
        "warnings": list(manifest.warnings),
    }


def _until(at: str) -> float:
    """The point in time that `at` means, in seconds since the epoch; infinity if it is empty. Raises
    Refused.
    """
    until = manifests.seconds_of(at) if at else None
    if at and until is None:
        detail = f"{at!r}: write an id that `backup list` shows, or a time such as 2026-11-23T02:00"
        raise Refused("neither an archive nor a time", detail)
    return float("inf") if until is None else until


def ids_of(listed: Listing, at: str) -> list[str]:
    """The ids of the archives that `at` may mean, the newest first, good, bad or unreadable: the id itself,
    or all up to a time.

    Raises Refused.
    """
    started_by_id = {manifest_of(copies).id: manifest_of(copies).started for copies in listed.archives}
    for _, strange in listed.strange:
        started_by_id.setdefault(strange.id, manifests.started_of(strange.id))
    if manifests.is_id(at):
        chosen = [at] if at in started_by_id else []
    else:
        until = _until(at)
        chosen = [ident for ident, started in started_by_id.items() if started <= until]
    if not chosen:
        raise Refused("there is no such archive", f"{at or 'none was made yet'}; see `backup list`")
    return sorted(chosen, key=lambda ident: (started_by_id[ident], ident), reverse=True)


def times_of(archives: StoredArchives) -> Iterator[int]:
    """The times of archives in microseconds: those of their ids, and when they were begun."""
    for entry in archives.entries:
        yield from (manifests.microseconds_of(entry.manifest.id), entry.manifest.started * 1_000_000)
