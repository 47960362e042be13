"""Restore from an archive into a new or empty directory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.core.basics.frozen import frozen
from reconciler.formats import fstab
from reconciler.formats.backups.job import Job, above
from reconciler.formats.backups.manifest import Manifest
from reconciler.host.archives import tar
from reconciler.host.archives.private_directory import Refused
from reconciler.host.archives.restore_target import above_of, as_on_the_host, restore_target
from reconciler.host.archives.tar import ArchiveError
from reconciler.host.files.descriptors import descriptor
from reconciler.host.process import environment
from reconciler.jobs.archives import Copies, ids_of, listing, manifest_of
from reconciler.jobs.destinations import open_destination


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


def restore(job: Job, at: str, to: str, paths: Sequence[str]) -> Restored:
    """Unpack an archive, or some paths of it, into a new or empty directory that stands for `/`, with the
    directories that lead there.

    The sum is checked first; a bad copy is passed over for another. Without an id an archive without a good
    copy is passed over for an older one, and the result says so. Raises Refused, HostError: then the
    directory has nothing in it, unless tar itself failed.
    """
    for path in paths:
        must_be_plain(path)
    if job.restic is not None:
        from reconciler.jobs.restic import restore as restic  # only where it is the engine

        return restic.restore(job, at, to, paths)
    listed = listing(job)
    if listed.problems and not listed.archives and not listed.strange:
        raise Refused("no archive can be read", "; ".join(listed.problems))
    ids, problems = ids_of(listed, at), [*listed.problems, *listed.foreign]
    by_id = {manifest_of(copies).id: copies for copies in listed.archives}
    passed: list[tuple[str, str]] = []
    for ident in ids:
        faults = [strange.problem for _, strange in listed.strange if strange.id == ident]
        for path, fd, manifest in sound(job, by_id.get(ident, {}), faults, above_of(to)):
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


def sound(
    job: Job, copies: Copies, problems: list[str], spool_in: str = ""
) -> Iterator[tuple[str, int, Manifest]]:
    """The good copies, opened, each with its destination; the faults of the others go to `problems`."""
    for path, entry in copies.items():
        if entry.problem:
            problems.append(f"{path}: {entry.problem}")
            continue
        with (
            open_destination(job, path, spool_in=spool_in) as directory,
            descriptor(directory.open(entry.manifest.archive)) as fd,
        ):
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


def must_be_plain(path: str) -> None:
    """Raises Refused."""
    if not path.startswith("/") or any(part in ("", ".", "..") for part in path.split("/")[1:]):
        raise Refused(
            "not the path of a file that was backed up",
            f"{path!r}: write it as it was on the host, absolute and plain",
        )
