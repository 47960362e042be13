"""What a job has: listing its archives over all destinations, verifying them, and giving files back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from reconciler.core.host import HostError
from reconciler.core.values import frozen
from reconciler.formats.backup_job import Job
from reconciler.host import archive, environment
from reconciler.host.archive import ArchiveError
from reconciler.host.descriptors import descriptor
from reconciler.host.destination import Directory, Refused
from reconciler.host.job_lock import RUN, job_lock
from reconciler.host.restore_target import restore_target
from reconciler.jobs import manifest as manifests
from reconciler.jobs import store
from reconciler.jobs.backup import trouble
from reconciler.jobs.manifest import Manifest
from reconciler.jobs.store import Entry

Copies = Mapping[str, Entry]
"""One archive, by the destination it lies in."""


@frozen
class Listing:
    """The archives of a job, the oldest first, each with its copies. `problems` are destinations and files that could not be read."""

    archives: tuple[Copies, ...]
    problems: tuple[str, ...]


@frozen
class Judgement:
    """What a verification of one copy found. `differences`: files that are not as in the archive, which is no fault of it."""

    destination: str
    id: str
    problem: str = ""
    differences: tuple[str, ...] = ()


@frozen
class Restored:
    """What was given back, from where, and what tar complained about."""

    manifest: Manifest
    destination: str
    warnings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def listing(job: Job) -> Listing:
    """Everything there is, as far as it can be read."""
    archives: dict[str, dict[str, Entry]] = {}
    problems: list[str] = []
    for path in job.destinations:
        try:
            with Directory(path) as directory:
                found = store.scan(directory, job.name)
        except HostError as problem:
            problems.append(str(problem))
            continue
        problems += found.strange
        for entry in found.entries:
            archives.setdefault(entry.manifest.id, {})[path] = entry
    ordered = sorted(archives.values(), key=lambda copies: (_manifest(copies).started, _manifest(copies).id))
    return Listing(tuple(ordered), tuple(problems))


def _manifest(copies: Copies) -> Manifest:
    return next(iter(copies.values())).manifest


def as_data(copies: Copies) -> dict[str, Any]:
    """One archive as `list --json` shows it. `verified` is false if any copy is known to be bad, null if none is proved to be good."""
    found = _manifest(copies)
    verdicts = [False if entry.problem else entry.manifest.verified for entry in copies.values()]
    return {
        "id": found.id,
        "started": manifests.timestamp(found.started),
        "finished": manifests.timestamp(found.finished),
        "kind": found.kind,
        "parents": list(found.parents),
        "bytes": found.bytes,
        "verified": False if False in verdicts else True if True in verdicts else None,
        "destinations": list(copies),
        "problems": [f"{path}: {entry.problem}" for path, entry in copies.items() if entry.problem],
        "warnings": list(found.warnings),
    }


def choose(found: Iterable[Copies], at: str) -> Copies:
    """The archive that `at` means: an id, a point in time (the newest up to then), or nothing (the newest). Raises Refused.

    Without an id, archives that are known to be bad are passed over.
    """
    archives = list(found)
    if manifests.is_id(at):
        chosen = [copies for copies in archives if _manifest(copies).id == at]
    else:
        until = manifests.seconds_of(at) if at else None
        if at and until is None:
            detail = f"{at!r}: write an id that `backup list` shows, or a time such as 2026-11-23T02:00"
            raise Refused("neither an archive nor a time", detail)
        in_time = [copies for copies in archives if until is None or _manifest(copies).started <= until]
        chosen = [copies for copies in in_time if as_data(copies)["verified"] is not False]
    if not chosen:
        raise Refused("there is no such archive", f"{at or 'not one that can be used'}; see `backup list`")
    return chosen[-1]


def verify(job: Job, at: str, *, everything: bool, compare: bool, lock_directory: str = RUN) -> list[Judgement]:
    """Read one archive, or all, in all destinations; write down what was found. Raises JobBusy, HostError.

    An archive that was bad and reads well again is good again: what counts is the sum.
    """
    with job_lock(f"backup-{job.name}", lock_directory):
        found = listing(job)
        if found.problems and not found.archives:
            raise Refused("no archive can be read", "; ".join(found.problems))
        chosen: Sequence[Copies] = found.archives if everything else [choose(found.archives, at)]
        return [_judge(job, path, entry, compare=compare) for copies in chosen for path, entry in copies.items()]


def _judge(job: Job, path: str, entry: Entry, *, compare: bool) -> Judgement:
    manifest = entry.manifest
    differences: tuple[str, ...] = ()
    with Directory(path) as directory:
        problem = entry.problem
        if not problem:
            with descriptor(directory.open(manifest.archive)) as fd:
                problem = trouble(fd, manifest)
                differences = archive.compare(fd, manifest.compress) if compare and not problem else ()
        if directory.size(manifest.archive) is not None:
            store.record(directory, manifest.judged(good=not problem, now=environment.now()))
    return Judgement(path, manifest.id, problem, differences)


def restore(job: Job, at: str, to: str, paths: Sequence[str]) -> Restored:
    """Unpack an archive, or some paths of it, into a new or empty directory.

    The sum is checked first; a bad copy is passed over for another. Raises Refused, HostError: then the directory has nothing in it,
    unless it was tar that failed.
    """
    found = listing(job)
    if found.problems and not found.archives:
        raise Refused("no archive can be read", "; ".join(found.problems))
    members = [_member(path) for path in paths]
    copies = choose(found.archives, at)
    problems = list(found.problems)
    for path, fd, manifest in _sound(copies, problems):
        with restore_target(to) as target:
            warnings = archive.extract(fd, manifest.compress, target, members, as_root=environment.is_root())
        return Restored(manifest, path, warnings, tuple(problems))
    raise ArchiveError("no copy of the archive is sound", "; ".join(problems))


def _sound(copies: Copies, problems: list[str]) -> Iterator[tuple[str, int, Manifest]]:
    """Copies whose sum is right, opened."""
    for path, entry in copies.items():
        if entry.problem:
            problems.append(f"{path}: {entry.problem}")
            continue
        with Directory(path) as directory, descriptor(directory.open(entry.manifest.archive)) as fd:
            if archive.sum_of(fd) == entry.manifest.sha256:
                yield path, fd, entry.manifest
            else:
                problems.append(f"{path}: the sum of {entry.manifest.archive} is not the one that was recorded")


def _member(path: str) -> str:
    if not path.startswith("/") or any(part in ("", ".", "..") for part in path.split("/")[1:]):
        raise Refused("not the path of a file that was backed up", f"{path!r}: write it as it was on the host, absolute and plain")
    return path.removeprefix("/")
