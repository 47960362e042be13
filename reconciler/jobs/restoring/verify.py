"""Verify archives: read each copy back, compare its sum, and record the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reconciler.core.basics.frozen import frozen
from reconciler.formats.backups.job import Job
from reconciler.formats.backups.manifest import Manifest
from reconciler.host.archives import tar_compare
from reconciler.host.archives.private_directory import Refused
from reconciler.host.archives.stored_archives import Entry
from reconciler.host.archives.tar import TargetError
from reconciler.host.files.descriptors import descriptor
from reconciler.host.process import environment
from reconciler.host.state.job_lock import RUN
from reconciler.jobs import store
from reconciler.jobs.archives import Listing, ids_of, listing, manifest_of
from reconciler.jobs.destinations import open_destination
from reconciler.jobs.lock import lock_of
from reconciler.jobs.making.archive import NOT_ITS_SUM, look_into, too_long, with_figures


@frozen
class Judgement:
    """The result of verifying one copy."""

    destination: str
    """The destination that has the copy."""
    id: str
    """The id of the archive."""
    problem: str = ""
    """Why the copy is bad; empty if it is good."""
    differences: tuple[str, ...] = ()
    """The files on the host that are not as in the archive, which is no fault of it."""
    sidecar: str = ""
    """The fault of the file that has its sum, which is no fault of the archive either."""
    warning: str = ""
    """The parts of it that no restore can unpack."""


@frozen
class Verified:
    """The result of verifying one archive or all; `problems` and `foreign` are as in Listing."""

    judgements: tuple[Judgement, ...]
    problems: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()


def verify(job: Job, at: str, *, everything: bool, compare: bool, lock_directory: str = RUN) -> Verified:
    """Read one archive, or all, in all destinations, and record the verdicts. Raises JobBusy, HostError.

    Without `at` it is the newest one, good or bad. An archive that was bad and reads well again is good
    again: the sum decides.
    """
    with lock_of(job, lock_directory):
        listed = listing(job)
        if listed.problems and not listed.archives and not listed.strange:
            raise Refused("no archive can be read", "; ".join(listed.problems))
        ids = ids_of(listed, at)
        asked = ids if everything else ids[:1]
        chosen = _with_members(listed, asked)
        judgements = [
            _judge(job, path, entry, compare=compare and entry.manifest.id in asked)
            for copies in listed.archives
            if manifest_of(copies).id in chosen
            for path, entry in copies.items()
        ]
        judgements = _with_ancestors(judgements, listing(job))
        judgements += [
            Judgement(path, strange.id, strange.problem)
            for path, strange in listed.strange
            if strange.id in chosen
        ]
        return Verified(tuple(judgements), listed.problems, listed.foreign)


def _with_members(listed: Listing, idents: Sequence[str]) -> set[str]:
    """The ids with those of all archives that they need: one is as good as they are."""
    manifests = {manifest.id: manifest for manifest in map(manifest_of, listed.archives)}
    return {
        member
        for ident in idents
        for member in (manifests[ident].members if ident in manifests else (ident,))
    }


def _with_ancestors(judgements: Sequence[Judgement], listed: Listing) -> list[Judgement]:
    """The judgements, with those about archives that need one that is bad by the verdicts of now."""
    lacks = {
        (path, manifest_of(copies).id): entry.lacks
        for copies in listed.archives
        for path, entry in copies.items()
    }
    return [
        replace(judgement, problem=judgement.problem or lacks.get((judgement.destination, judgement.id), ""))
        for judgement in judgements
    ]


def _judge(job: Job, path: str, entry: Entry, *, compare: bool) -> Judgement:
    manifest = entry.manifest
    differences: tuple[str, ...] = ()
    warning = ""
    with open_destination(job, path) as directory:
        problem = entry.fault
        if not problem and directory.is_remote and manifest.entries and not compare:
            problem = "" if directory.sum_of(manifest.archive) == manifest.sha256 else NOT_ITS_SUM
        elif not problem:
            with descriptor(directory.open(manifest.archive)) as fd:
                checked = look_into(fd, manifest)
                problem, warning = checked.problem, too_long(checked)
                manifest = with_figures(manifest, checked)
                differences = _differences(fd, job, manifest) if compare and not problem else ()
        sidecar = store.sum_problem(directory, manifest)
        if directory.size(manifest.archive) is not None:
            try:
                store.record(directory, manifest.judged(good=not problem, now=environment.now()))
            except TargetError as full:  # the verdict itself must not be lost
                sidecar = f"the verdict cannot be written down: {full}"
    return Judgement(path, manifest.id, problem, differences, sidecar, warning)


def _differences(fd: int, job: Job, manifest: Manifest) -> tuple[str, ...]:
    """The files of an archive that are not as on the host. Raises ArchiveError."""
    if manifest.encrypt_to:
        detail = f"{manifest.archive}: restore it with --decrypt-with FILE, and compare that"
        raise Refused("an encrypted archive cannot be compared with the files", detail)
    in_it = [source for source in manifest.sources if manifest.entries.get(source, 1)]
    return tar_compare.compare(fd, manifest.compress, in_it, job.root, chain=manifest.in_chain)
