"""The archives of a job: listing them over all destinations, verifying them, and restoring from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError
from reconciler.formats import fstab
from reconciler.formats.backups import manifest as manifests
from reconciler.formats.backups.job import Job, above
from reconciler.formats.backups.manifest import Manifest
from reconciler.host.archives import tar
from reconciler.host.archives.private_directory import Directory, Refused
from reconciler.host.archives.restore_target import as_on_the_host, restore_target
from reconciler.host.archives.tar import ArchiveError, TargetError
from reconciler.host.files.descriptors import descriptor
from reconciler.host.process import environment
from reconciler.host.state.job_lock import RUN, job_lock
from reconciler.jobs import machine_marks, store
from reconciler.jobs.backup import look_into
from reconciler.jobs.store import Entry, Strange

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


@frozen
class Judgement:
    """The result of verifying one copy."""

    destination: str
    id: str
    problem: str = ""
    """Why the copy is bad; empty if it is good."""
    differences: tuple[str, ...] = ()
    """The files on the host that are not as in the archive, which is no fault of it."""
    sidecar: str = ""
    """The fault of the file that has its sum, which is no fault of the archive either."""


@frozen
class Verified:
    """The result of verifying one archive or all; `problems` and `foreign` are as in Listing."""

    judgements: tuple[Judgement, ...]
    problems: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()


@frozen
class Restored:
    """The result of restoring from an archive."""

    manifest: Manifest
    destination: str
    """The destination whose copy was used."""
    warnings: tuple[str, ...] = ()
    """The complaints of tar."""
    problems: tuple[str, ...] = ()
    """The faults of other copies and destinations, in words."""
    passed: tuple[tuple[str, str], ...] = ()
    """The newer archives that were passed over because no copy is good, each with the reason."""


def listing(job: Job) -> Listing:
    """All archives of a job, as far as its destinations can be read."""
    archives: dict[str, dict[str, Entry]] = {}
    problems: list[str] = []
    strange: list[tuple[str, Strange]] = []
    doubts: dict[str, Mapping[str, str]] = {}
    foreign: list[str] = []
    for path in job.destinations:
        try:
            with Directory(path) as directory:
                scanned = store.scan(directory, job.name)
                why = machine_marks.foreign(directory, job.name)
        except HostError as problem:
            problems.append(str(problem))
            continue
        foreign += [why] if why else []
        strange += [(path, item) for item in scanned.strange]
        doubts[path] = scanned.doubts
        for entry in scanned.entries:
            archives.setdefault(entry.manifest.id, {})[path] = entry
    ordered = sorted(archives.values(), key=lambda copies: (_manifest(copies).started, _manifest(copies).id))
    return Listing(tuple(ordered), tuple(problems), tuple(strange), doubts, tuple(foreign))


def _manifest(copies: Copies) -> Manifest:
    return next(iter(copies.values())).manifest


def as_data(copies: Copies, doubts: Mapping[str, Mapping[str, str]] | None = None) -> dict[str, Any]:
    """One archive as `list --json` shows it.

    `verified` is false if any copy is known to be bad, null if none is proved to be good.
    """
    manifest = _manifest(copies)
    verdicts = [False if entry.problem else entry.manifest.verified for entry in copies.values()]
    doubtful = [why for path in copies if (why := (doubts or {}).get(path, {}).get(manifest.id))]
    return {
        "id": manifest.id,
        "started": manifests.timestamp(manifest.started),
        "finished": manifests.timestamp(manifest.finished),
        "kind": manifest.kind,
        "parents": list(manifest.parents),
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


def _ids(listed: Listing, at: str) -> list[str]:
    """The ids of the archives that `at` may mean, the newest first, good, bad or unreadable: the id itself,
    or all up to a time.

    Raises Refused.
    """
    started_by_id = {_manifest(copies).id: _manifest(copies).started for copies in listed.archives}
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


def verify(job: Job, at: str, *, everything: bool, compare: bool, lock_directory: str = RUN) -> Verified:
    """Read one archive, or all, in all destinations, and record the verdicts. Raises JobBusy, HostError.

    Without `at` it is the newest one, good or bad. An archive that was bad and reads well again is good
    again: the sum decides.
    """
    with job_lock(f"backup-{job.name}", lock_directory):
        listed = listing(job)
        if listed.problems and not listed.archives and not listed.strange:
            raise Refused("no archive can be read", "; ".join(listed.problems))
        ids = _ids(listed, at)
        chosen = set(ids if everything else ids[:1])
        judgements = [
            _judge(job, path, entry, compare=compare)
            for copies in listed.archives
            if _manifest(copies).id in chosen
            for path, entry in copies.items()
        ]
        judgements += [
            Judgement(path, strange.id, strange.problem)
            for path, strange in listed.strange
            if strange.id in chosen
        ]
        return Verified(tuple(judgements), listed.problems, listed.foreign)


def _judge(job: Job, path: str, entry: Entry, *, compare: bool) -> Judgement:
    manifest = entry.manifest
    differences: tuple[str, ...] = ()
    with Directory(path) as directory:
        problem = entry.problem
        if not problem:
            with descriptor(directory.open(manifest.archive)) as fd:
                checked = look_into(fd, manifest)
                problem = checked.problem
                manifest = replace(
                    manifest, entries=checked.entries or manifest.entries, data=checked.data or manifest.data
                )
                differences = (
                    tar.compare(fd, manifest.compress, manifest.sources) if compare and not problem else ()
                )
        sidecar = store.sum_problem(directory, manifest)
        if directory.size(manifest.archive) is not None:
            try:
                store.record(directory, manifest.judged(good=not problem, now=environment.now()))
            except TargetError as full:  # the verdict itself must not be lost
                sidecar = f"the verdict cannot be written down: {full}"
    return Judgement(path, manifest.id, problem, differences, sidecar)


def restore(job: Job, at: str, to: str, paths: Sequence[str]) -> Restored:
    """Unpack an archive, or some paths of it, into a new or empty directory that stands for `/`, with the
    directories that lead there.

    The sum is checked first; a bad copy is passed over for another. Without an id an archive without a good
    copy is passed over for an older one, and the result says so. Raises Refused, HostError: then the
    directory has nothing in it, unless tar itself failed.
    """
    listed = listing(job)
    if listed.problems and not listed.archives and not listed.strange:
        raise Refused("no archive can be read", "; ".join(listed.problems))
    for path in paths:
        _must_be_plain(path)
    ids, problems = _ids(listed, at), [*listed.problems, *listed.foreign]
    by_id = {_manifest(copies).id: copies for copies in listed.archives}
    passed: list[tuple[str, str]] = []
    for ident in ids:
        faults = [strange.problem for _, strange in listed.strange if strange.id == ident]
        for path, fd, manifest in _sound(by_id.get(ident, {}), faults):
            with restore_target(to) as target:
                leading = _leading(manifest, paths)
                warnings = tar.extract(
                    fd, manifest.compress, target, paths, leading, as_root=environment.is_root()
                )
                if not manifest.above:
                    as_on_the_host(target, above(manifest.sources))
            return Restored(manifest, path, warnings, (*problems, *faults), tuple(passed))
        passed.append((ident, "; ".join(faults)))
    raise ArchiveError("no copy of the archive is sound", "; ".join(why for _, why in passed))


def _sound(copies: Copies, problems: list[str]) -> Iterator[tuple[str, int, Manifest]]:
    """The good copies, opened, each with its destination; the faults of the others go to `problems`."""
    for path, entry in copies.items():
        if entry.problem:
            problems.append(f"{path}: {entry.problem}")
            continue
        with Directory(path) as directory, descriptor(directory.open(entry.manifest.archive)) as fd:
            if tar.sum_of(fd) != entry.manifest.sha256:
                problems.append(
                    f"{path}: the sum of {entry.manifest.archive} is not the one that was recorded"
                )
            elif entry.manifest.verified is False:
                problems.append(f"{path}: {entry.manifest.archive} did not pass its last verification")
            else:
                yield path, fd, entry.manifest


def _leading(manifest: Manifest, paths: Sequence[str]) -> list[str]:
    """The directories in the archive that lead to these paths, above its sources and inside them."""
    inside = {
        parent
        for path in paths
        for parent in fstab.parents(path)
        if any(f"{parent}/".startswith(f"{source}/") for source in manifest.sources)
    }
    recorded = {
        parent for path in paths for parent in (*fstab.parents(path), "/") if parent in manifest.above
    }
    return sorted(inside | recorded)


def _must_be_plain(path: str) -> None:
    """Raises Refused."""
    if not path.startswith("/") or any(part in ("", ".", "..") for part in path.split("/")[1:]):
        raise Refused(
            "not the path of a file that was backed up",
            f"{path!r}: write it as it was on the host, absolute and plain",
        )
