"""The archives of a job: listing them over all destinations, verifying them, and giving files back."""

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
"""One archive, by the destination it lies in."""


@frozen
class Listing:
    """The archives of a job, the oldest first, each with its copies.

    `strange` is what looks like an archive and is none, by destination; `problems` are destinations that
    could not be read. `doubts` says by destination and id why an archive is in doubt. `foreign` says of
    destinations that their archives are another machine's.
    """

    archives: tuple[Copies, ...]
    problems: tuple[str, ...] = ()
    strange: tuple[tuple[str, Strange], ...] = ()
    doubts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    foreign: tuple[str, ...] = ()

    @property
    def complaints(self) -> tuple[str, ...]:
        """Everything that is wrong with it, for people."""
        return (*self.problems, *self.foreign, *(strange.problem for _, strange in self.strange))


@frozen
class Judgement:
    """The result of verifying one copy.

    `differences`: files that are not as in the archive, which is no fault of it. `sidecar`: what is wrong
    with the file that has its sum, which is none either.
    """

    destination: str
    id: str
    problem: str = ""
    differences: tuple[str, ...] = ()
    sidecar: str = ""


@frozen
class Verified:
    """The judgements, which destinations could not be read, and whose archives are another machine's."""

    judgements: tuple[Judgement, ...]
    problems: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()


@frozen
class Restored:
    """The archive that was given back, from where, and what tar complained about.

    `passed` are newer archives that were no good, with the reason.
    """

    manifest: Manifest
    destination: str
    warnings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    passed: tuple[tuple[str, str], ...] = ()


def listing(job: Job) -> Listing:
    """Everything there is, as far as it can be read."""
    archives: dict[str, dict[str, Entry]] = {}
    problems: list[str] = []
    strange: list[tuple[str, Strange]] = []
    doubts: dict[str, Mapping[str, str]] = {}
    foreign: list[str] = []
    for path in job.destinations:
        try:
            with Directory(path) as directory:
                found = store.scan(directory, job.name)
                why = machine_marks.foreign(directory, job.name)
        except HostError as problem:
            problems.append(str(problem))
            continue
        foreign += [why] if why else []
        strange += [(path, item) for item in found.strange]
        doubts[path] = found.doubts
        for entry in found.entries:
            archives.setdefault(entry.manifest.id, {})[path] = entry
    ordered = sorted(archives.values(), key=lambda copies: (_manifest(copies).started, _manifest(copies).id))
    return Listing(tuple(ordered), tuple(problems), tuple(strange), doubts, tuple(foreign))


def _manifest(copies: Copies) -> Manifest:
    return next(iter(copies.values())).manifest


def as_data(copies: Copies, doubts: Mapping[str, Mapping[str, str]] | None = None) -> dict[str, Any]:
    """One archive as `list --json` shows it.

    `verified` is false if any copy is known to be bad, null if none is proved to be good.
    """
    found = _manifest(copies)
    verdicts = [False if entry.problem else entry.manifest.verified for entry in copies.values()]
    doubtful = [why for path in copies if (why := (doubts or {}).get(path, {}).get(found.id))]
    return {
        "id": found.id,
        "started": manifests.timestamp(found.started),
        "finished": manifests.timestamp(found.finished),
        "kind": found.kind,
        "parents": list(found.parents),
        "bytes": found.bytes,
        "verified": False if False in verdicts else True if True in verdicts else None,
        "doubt": doubtful[0] if doubtful else None,
        "accepted": (
            {"by": found.accepted_by, "at": manifests.timestamp(found.accepted_at)}
            if found.accepted_at is not None
            else None
        ),
        "destinations": list(copies),
        "left_out": list(found.left_out),
        "problems": [f"{path}: {entry.problem}" for path, entry in copies.items() if entry.problem],
        "warnings": list(found.warnings),
    }


def _until(at: str) -> float:
    """The point in time that `at` means, in seconds since the epoch; without one the end of time.

    Raises Refused.
    """
    until = manifests.seconds_of(at) if at else None
    if at and until is None:
        detail = f"{at!r}: write an id that `backup list` shows, or a time such as 2026-11-23T02:00"
        raise Refused("neither an archive nor a time", detail)
    return float("inf") if until is None else until


def _ids(found: Listing, at: str) -> list[str]:
    """The archives that `at` may mean, the newest first, good, bad or unreadable: the id itself, or all up to
    a time.

    Raises Refused.
    """
    known = {_manifest(copies).id: _manifest(copies).started for copies in found.archives}
    for _, strange in found.strange:
        known.setdefault(strange.id, manifests.started_of(strange.id))
    if manifests.is_id(at):
        chosen = [at] if at in known else []
    else:
        until = _until(at)
        chosen = [ident for ident, started in known.items() if started <= until]
    if not chosen:
        raise Refused("there is no such archive", f"{at or 'none was made yet'}; see `backup list`")
    return sorted(chosen, key=lambda ident: (known[ident], ident), reverse=True)


def verify(job: Job, at: str, *, everything: bool, compare: bool, lock_directory: str = RUN) -> Verified:
    """Read one archive, or all, in all destinations; write down what came of it. Raises JobBusy, HostError.

    Without `at` it is the newest there is, whatever is known of it. An archive that was bad and reads well
    again is good again: what counts is the sum.
    """
    with job_lock(f"backup-{job.name}", lock_directory):
        found = listing(job)
        if found.problems and not found.archives and not found.strange:
            raise Refused("no archive can be read", "; ".join(found.problems))
        ids = _ids(found, at)
        chosen = set(ids if everything else ids[:1])
        judged = [
            _judge(job, path, entry, compare=compare)
            for copies in found.archives
            if _manifest(copies).id in chosen
            for path, entry in copies.items()
        ]
        judged += [
            Judgement(path, strange.id, strange.problem)
            for path, strange in found.strange
            if strange.id in chosen
        ]
        return Verified(tuple(judged), found.problems, found.foreign)


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
            except TargetError as full:  # what was found is worth more than that
                sidecar = f"the verdict cannot be written down: {full}"
    return Judgement(path, manifest.id, problem, differences, sidecar)


def restore(job: Job, at: str, to: str, paths: Sequence[str]) -> Restored:
    """Unpack an archive, or some paths of it, into a new or empty directory that stands for `/`, with the
    directories that lead there.

    The sum is checked first; a bad copy is passed over for another. Without an id an archive of which no copy
    is good is passed over for an older one, which is told. Raises Refused, HostError: then the directory has
    nothing in it, unless it was tar that failed.
    """
    found = listing(job)
    if found.problems and not found.archives and not found.strange:
        raise Refused("no archive can be read", "; ".join(found.problems))
    for path in paths:
        _must_be_plain(path)
    ids, problems = _ids(found, at), [*found.problems, *found.foreign]
    by_id = {_manifest(copies).id: copies for copies in found.archives}
    passed: list[tuple[str, str]] = []
    for ident in ids:
        wrong = [strange.problem for _, strange in found.strange if strange.id == ident]
        for path, fd, manifest in _sound(by_id.get(ident, {}), wrong):
            with restore_target(to) as target:
                leading = _leading(manifest, paths)
                warnings = tar.extract(
                    fd, manifest.compress, target, paths, leading, as_root=environment.is_root()
                )
                if not manifest.above:
                    as_on_the_host(target, above(manifest.sources))
            return Restored(manifest, path, warnings, (*problems, *wrong), tuple(passed))
        passed.append((ident, "; ".join(wrong)))
    raise ArchiveError("no copy of the archive is sound", "; ".join(why for _, why in passed))


def _sound(copies: Copies, problems: list[str]) -> Iterator[tuple[str, int, Manifest]]:
    """The copies that are good to use, opened; what is wrong with the others goes to `problems`."""
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
    """The directories in the archive that lead to these paths: those above the sources, and those in them."""
    inside = {
        parent
        for path in paths
        for parent in fstab.parents(path)
        if any(f"{parent}/".startswith(f"{one}/") for one in manifest.sources)
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
