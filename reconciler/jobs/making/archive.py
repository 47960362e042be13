"""Making one archive: read the sources into an open file, and prove that it is what was read."""

from __future__ import annotations

import stat
from contextlib import nullcontext
from dataclasses import replace

from reconciler._version import __version__
from reconciler.formats.backups import kept_directory
from reconciler.formats.backups import manifest as manifests
from reconciler.formats.backups.job import Job, above, apart, leaves_out
from reconciler.formats.backups.kept_directory import is_kept
from reconciler.formats.backups.manifest import DIFFERENTIAL, FULL, Manifest
from reconciler.host.archives import encryption, tar
from reconciler.host.archives.listed import LONGEST
from reconciler.host.archives.private_directory import look
from reconciler.host.archives.restore_target import owners_and_modes
from reconciler.host.archives.scratch import DIRECTORY as DRILLS
from reconciler.host.archives.snapshot_store import working_copy
from reconciler.host.archives.tar import Checked, Contents, NamesOf, TargetError
from reconciler.host.mounts import is_own_file_system, mount_points
from reconciler.host.process import environment
from reconciler.jobs.making import chain
from reconciler.jobs.making.chain import Link

NOT_ITS_SUM = "its sum is not the one that was recorded"
_NOT_ENCRYPTED = "it is no file of age"
_RENAMED = "directories were renamed while they were read"


def archived(fd: int, job: Job, ident: str, started: int, link: Link, snapshots: str) -> Manifest:
    """Write an archive to an open file, and prove it. Raises HostError.

    A snapshot file for the next one lies in `snapshots` then, if the job makes chains.
    """
    manifest = _attempt(fd, job, ident, started, link, snapshots)
    if manifest is None:
        tar.empty(fd)
        manifest = _attempt(fd, job, ident, started, Link(why_full=_RENAMED), snapshots)
    assert manifest is not None, "a full archive has no renames"
    return manifest


def _attempt(fd: int, job: Job, ident: str, started: int, link: Link, snapshots: str) -> Manifest | None:
    """The archive; None if it has renames of directories, which tar would not restore right."""
    directories = above(job.sources)
    apart_now = left_out(job)
    copy = nullcontext() if job.type == FULL else working_copy(snapshots, job.name, link.snapshot)
    with copy as snapshot:
        contents = Contents(
            job.sources,
            (*job.exclude, kept_directory.PATTERN),
            (*job.places, DRILLS),  # a drill of another job may be going on
            job.one_file_system,
            job.compress,
            directories if snapshot is None else (),
            job.root,
            snapshot,
            job.encrypt_to,
        )
        look = _Look(job, link) if job.verify or link.parents else None
        written = tar.create(fd, contents, look)
        manifest = Manifest(
            id=ident,
            job=job.name,
            archive=manifests.stem(job.name, ident) + job.suffix,
            started=started,
            finished=environment.now(),
            bytes=written.bytes,
            sha256=written.sha256,
            sources=job.sources,
            tool=__version__,
            tar=tar.tar_version(),
            kind=link.kind,
            parents=link.parents,
            warnings=written.warnings,
            compress=job.compress,
            content=written.content,
            above=contents.above,
            left_out=tuple(sorted({*apart_now, *written.left_out})),
            why_full=link.why_full,
            encrypt_to=job.encrypt_to,
        )
        checked = None if look is None else look.checked_with(fd, manifest)
        if checked is not None and checked.has_renames and link.parents:
            return None
        if checked is not None and job.verify:
            manifest = _judged_good(manifest, checked)
        return manifest if snapshot is None else _for_a_chain(manifest, job, snapshot, snapshots)


def _for_a_chain(manifest: Manifest, job: Job, snapshot: int, snapshots: str) -> Manifest:
    """The manifest with what the next archive of the chain, and a restore, will want to know."""
    leading = owners_and_modes(above(job.sources), job.root)
    manifest = replace(manifest, scope=chain.scope(job), leading=leading)
    if manifest.kind == DIFFERENTIAL:  # the next one goes on from the full one as well
        return manifest
    return replace(manifest, snapshot=chain.keep(job, manifest.id, snapshot, snapshots))


def left_out(job: Job) -> tuple[str, ...]:
    """The mount points below sources that `one_file_system` leaves out when the archive is begun; tar reports
    those that it meets later.
    """
    if job.root or not job.one_file_system:
        return ()
    return tuple(
        mount_point
        for mount_point in apart(job.sources, job.exclude, job.places, mount_points())
        if is_own_file_system(mount_point)
    )


class _Look:
    """Reads a new archive while it is made; then the file needs to have its sum only."""

    def __init__(self, job: Job, link: Link) -> None:
        self._job, self._kind = job, link.kind
        self._checked: Checked | None = None

    def __call__(self, fd: int) -> None:
        """Read it. In one that has only what changed the names in directories count, but for those that the
        job leaves out.
        """
        job = self._job
        if self._kind == FULL:
            self._checked = tar.check(fd, job.compress, job.sources)
            return
        checked = tar.check(fd, job.compress, job.sources, _left_out_of(job))
        lacking = [source for source in checked.lacking if _is_directory(source, job.root)]
        problem = checked.problem or (f"{lacking[0]} is not in it" if lacking else "")
        self._checked = replace(checked, problem=problem)

    def checked_with(self, fd: int, manifest: Manifest) -> Checked:
        """Its contents, if the file has what was written."""
        if tar.sum_of(fd) != manifest.sha256:
            return Checked(NOT_ITS_SUM)
        if manifest.encrypt_to and not encryption.has_header(fd):
            return Checked(_NOT_ENCRYPTED)
        assert self._checked is not None, "it was read, or that was raised"
        return self._checked


def _is_directory(path: str, root: str) -> bool:
    status = look(path, root)
    return status is not None and stat.S_ISDIR(status.st_mode)


def _left_out_of(job: Job) -> NamesOf:
    """Says what the job leaves out of its sources."""
    places = (*job.places, DRILLS)
    inside = {path for path in places if any(path.startswith(f"{source}/") for source in job.sources)}
    if not inside and not job.exclude:
        return is_kept
    return lambda path: (
        path in inside or is_kept(path) or any(leaves_out(pattern, path) for pattern in job.exclude)
    )


def proved(fd: int, manifest: Manifest) -> Manifest:
    """The manifest of an archive that was read back and is good. Raises TargetError if it is not."""
    return _judged_good(manifest, look_into(fd, manifest))


def _judged_good(manifest: Manifest, checked: Checked) -> Manifest:
    if checked.problem:
        raise TargetError("the archive is not good, though it was written without an error", checked.problem)
    return with_figures(manifest, checked).judged(good=True, now=environment.now())


def with_figures(manifest: Manifest, checked: Checked) -> Manifest:
    """The manifest with the figures of an archive that was read, if it has any, and with a warning about what
    no restore can unpack.
    """
    entries, data = checked.entries or manifest.entries, checked.data or manifest.data
    words = too_long(checked)
    warnings = tuple(line for line in manifest.warnings if line != words)
    return replace(manifest, entries=entries, data=data, warnings=(*warnings, words) if words else warnings)


def too_long(checked: Checked) -> str:
    """The warning about what no restore can unpack; empty if there is nothing of the kind."""
    return (
        f"paths of more than {LONGEST} bytes, which tar cannot unpack: {checked.too_long}"
        if checked.too_long
        else ""
    )


def look_into(fd: int, manifest: Manifest) -> Checked:
    """The fault and the contents of an archive, read from the disk. Raises ArchiveError when it cannot be
    read.
    """
    if tar.sum_of(fd) != manifest.sha256:
        return Checked(NOT_ITS_SUM)
    if manifest.encrypt_to:
        problem = "" if encryption.has_header(fd) else _NOT_ENCRYPTED
        return Checked(problem, manifest.entries, manifest.data)
    if manifest.kind == FULL:
        return tar.check(fd, manifest.compress, manifest.sources)
    # The job is not asked what it left out of it: the figures of its making stay.
    checked = tar.check(fd, manifest.compress, manifest.sources, tar.nothing)
    return Checked(checked.problem, manifest.entries, manifest.data, too_long=checked.too_long)
