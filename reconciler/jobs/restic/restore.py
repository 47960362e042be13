"""Restore a snapshot into a new or empty directory."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.core.host import HostError
from reconciler.formats.backups import restic_patterns
from reconciler.formats.backups.job import Job
from reconciler.formats.backups.manifest import Manifest, is_id
from reconciler.host.archives.private_directory import Refused
from reconciler.host.archives.restic import Repository
from reconciler.host.archives.restore_target import as_on_the_host, inner_directory, restore_target
from reconciler.host.archives.tar import ArchiveError
from reconciler.jobs.archives import Copies, ids_of, manifest_of
from reconciler.jobs.restic.contents import contents
from reconciler.jobs.restic.repositories import open_repository
from reconciler.jobs.restic.snapshots import listing
from reconciler.jobs.restoring.restore import Restored

_NO_WARNING = ("restoring ", "Summary:")


def restore(job: Job, at: str, to: str, paths: Sequence[str]) -> Restored:
    """Restore a snapshot, or some paths of it, into a new or empty directory that stands for `/`.

    Without an id one that lacks files is passed over for an older one, and the result says so. Raises
    Refused, HostError.
    """
    listed = listing(job)
    if listed.problems and not listed.archives:
        raise Refused("no archive can be read", "; ".join(listed.problems))
    by_id = {manifest_of(copies).id: copies for copies in listed.archives}
    problems = [*listed.problems, *listed.foreign]
    passed: list[tuple[str, str]] = []
    for ident in ids_of(listed, at):
        faults: list[str] = []
        for destination, manifest in _usable(by_id[ident], faults, by_id=is_id(at)):
            try:
                warnings = _unpack(job, destination, manifest, to, paths)
            except _NotBegun as problem:
                faults.append(str(problem))
                continue
            return Restored(manifest, destination, warnings, (*problems, *faults), tuple(passed))
        passed.append((ident, "; ".join(faults)))
    raise ArchiveError("no copy of the archive is sound", "; ".join(why for _, why in passed))


class _NotBegun(HostError):
    """Nothing was restored from this copy, so that another can be taken."""


def _usable(copies: Copies, faults: list[str], *, by_id: bool) -> list[tuple[str, Manifest]]:
    """The copies to try; one that lacks files only if it was asked for by its id."""
    usable = []
    for destination, entry in copies.items():
        if entry.problem:
            faults.append(f"{destination}: {entry.problem}")
        if not entry.problem or by_id:
            usable.append((destination, entry.manifest))
    return usable


def _unpack(job: Job, destination: str, manifest: Manifest, to: str, paths: Sequence[str]) -> tuple[str, ...]:
    with open_repository(job, destination) as repository:
        _must_have(repository, manifest, paths)
        with restore_target(to) as target:
            with inner_directory(target) as path:
                included = [f"--include={restic_patterns.literal(name)}" for name in paths]
                argv = ["--no-lock", "restore", manifest.sha256, f"--target={path}", *included]
                ended = repository.work(argv, lambda _: None, fds=(target,))
            as_on_the_host(target, ("/",))  # no snapshot has it
        return tuple(line for line in ended.stderr if not line.startswith(_NO_WARNING))


def _must_have(repository: Repository, manifest: Manifest, paths: Sequence[str]) -> None:
    """Raises Refused for a path that is not in the snapshot: restic would restore nothing, without an
    error.
    """
    try:
        share = contents(repository, manifest.sha256, paths or manifest.sources).share
    except ArchiveError as problem:
        raise _NotBegun(problem.summary, problem.detail) from problem
    missing = [path for path in paths if not share.entries[path]]
    if missing:
        raise Refused("not in the archive", f"{', '.join(missing)}: {manifest.id} does not have it")
