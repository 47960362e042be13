"""Running a backup job: make an archive, prove it, publish it in every destination, then remove old ones."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError
from reconciler.formats.backups import manifest as manifests
from reconciler.formats.backups.doubt import most_with
from reconciler.formats.backups.job import Job, apart
from reconciler.formats.backups.manifest import FULL, Manifest
from reconciler.formats.fstab import not_mounted
from reconciler.formats.named_mounts import advice
from reconciler.host.archives import stored_archives
from reconciler.host.archives.destination import Destination
from reconciler.host.archives.kept_directories import kept_directories
from reconciler.host.archives.private_directory import Directory, Missing, Refused, look
from reconciler.host.archives.remote.channel import Lost
from reconciler.host.archives.tar import ArchiveError, TargetError
from reconciler.host.files.descriptors import descriptor
from reconciler.host.mounts import mount_points, named_places
from reconciler.host.process import environment, progress
from reconciler.host.state.job_lock import RUN
from reconciler.host.state.owed_hooks import DIRECTORY
from reconciler.jobs import machine_marks, store
from reconciler.jobs.archives import listing
from reconciler.jobs.destinations import open_destination
from reconciler.jobs.lock import lock_of
from reconciler.jobs.making import chain, parts
from reconciler.jobs.making.archive import archived, left_out
from reconciler.jobs.making.chain import Link, link_of
from reconciler.jobs.making.copying import NotCopied, bring, copied
from reconciler.jobs.making.hooks import Tell, around
from reconciler.jobs.making.ident import new_ident
from reconciler.jobs.making.original import Original, again
from reconciler.jobs.pruning import Pruned, prune_directory_after_run


@frozen
class Done:
    """The result of a run."""

    manifest: Manifest
    """The new archive."""
    made: tuple[str, ...]
    """The destinations that have the new archive."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """The other destinations, each with the reason."""
    pruned: Mapping[str, Pruned] = field(default_factory=dict)
    """The archives that were removed, by destination."""
    doubts: Mapping[str, str] = field(default_factory=dict)
    """Why the new archive is in doubt, by destination."""
    hooks: tuple[str, ...] = ()
    """The problems of the commands at the end, in words."""

    @property
    def partly(self) -> bool:
        """Whether a part of the run failed: a destination, or a command at the end."""
        return bool(self.failed or self.hooks)


def run(
    job: Job,
    tell: Tell,
    lock_directory: str = RUN,
    owed: str = DIRECTORY,
    snapshots: str = chain.DIRECTORY,
) -> Done:
    """One run of a job; `owed` is where it keeps in mind which commands are owed, and `snapshots` where the
    snapshot files of its chains are.

    Raises JobBusy, Refused, NotNow, HostError: then no archive was made, and none was removed.
    """
    _must_stay_inside(job)
    with lock_of(job, lock_directory, owed):
        ident = new_ident(job)
        done, problems = around(
            job,
            ident,
            lambda: _may_begin(job),
            lambda: _made(job, ident, tell, chain.directory_of(job, snapshots)),
            tell,
            owed,
        )
        return replace(done, hooks=problems)


def begin(job: Job, tell: Tell, lock_directory: str = RUN, owed: str = DIRECTORY) -> None:
    """The part of a run before its archive, as its unit makes it. Raises as `run` does."""
    with lock_of(job, lock_directory, owed):
        parts.begin(job, new_ident(job), lambda: _may_begin(job), tell, owed)


def run_begun(
    job: Job,
    tell: Tell,
    lock_directory: str = RUN,
    owed: str = DIRECTORY,
    snapshots: str = chain.DIRECTORY,
) -> Done:
    """The archive of a run that `begin` has begun. Raises as `run` does."""
    with lock_of(job, lock_directory, owed):
        done, problems = parts.between(
            job, lambda ident: _made(job, ident, tell, chain.directory_of(job, snapshots)), tell, owed
        )
        return replace(done, hooks=problems)


def _must_stay_inside(job: Job) -> None:
    """Raises Refused for a job of a tree with commands: they would run on this machine."""
    for hook in (*job.before, *job.after, *job.on_failure) if job.root else ():
        raise Refused(
            "commands are not run for a tree",
            f"{hook.program} would run on this machine: leave it out of the spec",
        )


def _made(job: Job, ident: str, tell: Tell, snapshots: str) -> Done:
    """The run between the commands."""
    _may_begin(job)
    _all_mounted(job)
    for path in kept_directories(job.sources, job.root):
        tell(
            f"{path} is in no backup: a restore in place keeps there what it replaced. Once all is well:"
            f" rm -r {shlex.quote(path)}"
        )
    if job.restic is not None:
        return _made_by_restic(job, ident, tell)
    started = max(environment.now(), manifests.started_of(ident))
    made, failed = _make(job, ident, started, tell, snapshots)
    doubts = {path: why for path in made if (why := _doubt(job, path, ident))}
    pruned = {path: _prune(job, path, ident) for path in made}
    return Done(next(iter(made.values())), tuple(made), failed, pruned, doubts)


def _may_begin(job: Job) -> None:
    """Check everything that must hold before any command runs. Raises Refused, UnsafePath."""
    mounted = mount_points()
    for path in job.require_mount if not job.root else ():
        if path not in mounted:
            raise Refused("a file system is not mounted", f"nothing is mounted at {path}")
    for source in job.sources:
        if look(source, job.root) is None:
            raise Refused("a source does not exist", source)
        if source in job.destinations:
            raise Refused("a source is a destination", source)


def _all_mounted(job: Job) -> None:
    """Refuse a source whose disk is not mounted: it would be archived as an empty directory. Raises Refused.

    It runs after the commands in `before`: one of them may have mounted the disk. In a tree nothing is
    mounted.
    """
    if job.root:
        return
    inside = [] if job.one_file_system else apart(job.sources, job.exclude, job.places, named_places())
    for path in (*job.sources, *inside):
        _must_be_mounted(path)


def refusal(job: Job) -> str:
    """Why a run that began now would be refused, as far as that is known without running its commands; empty
    if it would not be.
    """
    try:
        _may_begin(job)
        if not job.before:  # a command may mount it
            _all_mounted(job)
            for path in job.places:
                _must_be_mounted(path)
                _must_be_writable(path)
        for path in job.places:
            _is_usable(path)
        if job.restic is not None:
            from reconciler.jobs.restic.repositories import must_be_private

            must_be_private(job)
    except HostError as problem:
        return str(problem)
    return ""


def _is_usable(path: str) -> None:
    """Raises Refused, UnsafePath, Unreadable. The last directory of a path may be missing: the run makes
    it.
    """
    try:
        Directory(path).close()
    except Missing:
        parent = path.rpartition("/")[0] or "/"
        if look(parent) is None:
            raise


def _must_be_writable(path: str) -> None:
    """Raises Refused where the destination exists on a read-only file system; UnsafePath, Unreadable."""
    _is_usable(path)
    if look(path) is not None:
        with Directory(path) as directory:
            if directory.read_only():
                raise Refused("the destination is read-only", path)


def _must_be_mounted(path: str) -> None:
    """Raises Refused where fstab or a unit names a mount point at or above `path`, and nothing is mounted
    there.
    """
    named = named_places()
    mount_point = not_mounted(path, named, mount_points())
    if mount_point:
        detail = (
            f"{path}: {named[mount_point]} names {mount_point}, and nothing is mounted there. Mount it, or"
            f" {advice(named[mount_point])}"
        )
        raise Refused("a file system is not mounted", detail)


def _make(
    job: Job, ident: str, started: int, tell: Tell, snapshots: str
) -> tuple[dict[str, Manifest], dict[str, str]]:
    """Make the archive in the first destination that works and copy it to the others; return its manifests
    and the failures, by destination.
    """
    made: dict[str, Manifest] = {}
    failed: dict[str, HostError] = {}
    with Original() as original:
        for path in itertools.chain(job.nearest, again(job, failed, tell)):
            try:
                if path in job.places and not job.root:
                    _must_be_mounted(path)
                with open_destination(job, path, make=True) as directory:
                    machine_marks.claim(directory, job.name)
                    for line in store.tidy(directory, job.name):
                        tell(f"{path}: {line}")
                    made[path] = _make_in(directory, job, ident, started, original, snapshots)
                    if directory.remark:
                        tell(f"{path}: {directory.remark}")
                failed.pop(path, None)
            except (TargetError, Refused) as problem:
                failed[path] = problem
            except HostError as problem:
                # tar itself failed, or the first copy could not be read: another destination will not help,
                # but archives that were made stay.
                if not made:
                    raise
                failed[path] = problem
    if not made:
        raise _none_made(job, failed)
    with suppress(HostError):  # the next run removes them
        chain.settle(job, next(iter(made.values())), snapshots)
    return made, {path: _reason(job, path, problem) for path, problem in failed.items()}


def _made_by_restic(job: Job, ident: str, tell: Tell) -> Done:
    from reconciler.jobs.restic.run import make  # only where it is the engine

    made, failed = make(job, ident, left_out(job), tell, _must_be_mounted)
    if not made:
        raise _none_made(job, failed)
    problems = failed | {path: item.problem for path, item in made.items() if item.problem}
    return Done(
        next(iter(made.values())).manifest,
        tuple(made),
        {path: _reason(job, path, problem) for path, problem in problems.items()},
        {path: item.pruned for path, item in made.items()},
        {path: item.doubt for path, item in made.items() if item.doubt},
    )


def _reason(job: Job, path: str, problem: HostError) -> str:
    """Why a destination did not get the archive, without its name, which stands before it."""
    reason = ": ".join(filter(None, (problem.summary, problem.detail.removeprefix(f"{path}: "))))
    return f"{reason}{_next_step(job, problem)}"


def _next_step(job: Job, problem: HostError) -> str:
    if not isinstance(problem, Lost):
        return ""
    command = f"reconciler backup run {job.name}"
    return (
        f". The archives that it has are whole; once it answers the next run makes up for this, or {command}"
    )


def _none_made(job: Job, failed: Mapping[str, HostError]) -> HostError:
    problems = list(failed.values())
    if len(problems) == 1:
        (problem,) = problems
        step = _next_step(job, problem)
        return Lost(problem.summary, f"{problem.detail}{step}") if step else problem
    detail = "; ".join(f"{path}: {_reason(job, path, problem)}" for path, problem in failed.items())
    kind = Refused if all(isinstance(problem, Refused) for problem in problems) else ArchiveError
    return kind("no destination can be used", detail)


def _make_in(
    directory: Destination, job: Job, ident: str, started: int, original: Original, snapshots: str
) -> Manifest:
    """Make the archive, or copy that of the first destination, after all that it needs."""
    entries = stored_archives.scan(directory, job.name).entries
    published = [entry.manifest for entry in entries if entry.manifest.id == ident]
    if published:  # the connection was lost after that
        return published[0]
    partial, made_here = store.partial_name(job.name, ident, job.suffix), original.manifest is None
    try:
        link = _linked(directory, job, started, original.manifest, snapshots)
        before = [entry for entry in stored_archives.scan(directory, job.name).entries if entry.good]
        needed = _room(directory, before, original, is_full=not link.parents)
        manifest = original.manifest
        if manifest is None:
            with descriptor(directory.create(partial, needed)) as fd:
                with progress.through(fd, "writing the archive", needed if before else 0):
                    manifest = archived(fd, job, ident, started, link, snapshots)
                original.keep(fd, manifest)
                directory.deliver(partial, fd, manifest.sha256)
        else:
            manifest = copied(directory, partial, original.fd, manifest)
        manifest = replace(manifest, most=most_with((entry.manifest for entry in before), manifest))
        store.publish(directory, manifest)
    except BaseException:
        if made_here and not directory.is_remote:
            original.drop()  # another destination will not take it from a disk that may be broken
        with suppress(Lost):  # the next run tidies up
            store.tidy(directory, job.name)
        raise
    return manifest


def _linked(directory: Destination, job: Job, started: int, first: Manifest | None, snapshots: str) -> Link:
    """The archives that the one in this destination is built upon, all of which are there then."""
    if job.type == FULL:
        return Link()
    listed = listing(job)
    link = Link(first.kind, first.parents) if first else link_of(job, listed, started, snapshots)
    try:
        bring(directory, job, listed, link.parents)
    except NotCopied as problem:
        if first:
            raise
        return Link(why_full=str(problem))
    return link


def _room(
    directory: Destination, before: Sequence[stored_archives.Entry], original: Original, *, is_full: bool
) -> int:
    """The bytes that the archive will take, as far as that is known. Raises Refused where there are fewer."""
    manifest = original.manifest
    like = [entry.manifest.bytes for entry in before if is_full is not bool(entry.manifest.parents)]
    needed = manifest.bytes if manifest else like[-1] if like else 1
    free = directory.free()
    if free < needed:
        raise Refused(
            "too little space is left",
            f"{directory.path} has {free} bytes free, the last archive took {needed}",
        )
    return needed


def _doubt(job: Job, path: str, ident: str) -> str:
    """Why the new archive is in doubt, compared with the older ones; empty if it is not, or they cannot be
    read.
    """
    try:
        with open_destination(job, path) as directory:
            return stored_archives.scan(directory, job.name).doubts.get(ident, "")
    except HostError:
        return ""


def _prune(job: Job, path: str, ident: str) -> Pruned:
    """Remove old archives after the new one is in place; a failure becomes a note, for the new one stays."""
    try:
        with open_destination(job, path) as directory:
            return prune_directory_after_run(directory, job, ident)
    except HostError as problem:
        return Pruned(notes=(f"old archives could not be removed: {problem}",))
