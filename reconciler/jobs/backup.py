"""Running a backup job: make an archive, prove it, publish it in every destination, then remove old ones."""

from __future__ import annotations

import shlex
from dataclasses import replace

from reconciler.core.host import HostError
from reconciler.formats.backups.job import Job, apart
from reconciler.host.archives.kept_directories import kept_directories
from reconciler.host.archives.private_directory import Directory, Missing, Refused, look
from reconciler.host.mounts import mount_points, named_places
from reconciler.host.state.job_lock import RUN
from reconciler.host.state.owed_hooks import DIRECTORY
from reconciler.jobs.engines import engine_of
from reconciler.jobs.lock import lock_of
from reconciler.jobs.making import chain, parts
from reconciler.jobs.making.done import Done
from reconciler.jobs.making.hooks import Tell, around
from reconciler.jobs.making.ident import new_ident
from reconciler.jobs.making.mounted import must_be_mounted


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
    return engine_of(job).make(job, ident, tell, snapshots)


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
        must_be_mounted(path)


def refusal(job: Job) -> str:
    """Why a run that began now would be refused, as far as that is known without running its commands; empty
    if it would not be.
    """
    try:
        _may_begin(job)
        if not job.before:  # a command may mount it
            _all_mounted(job)
            for path in job.places:
                must_be_mounted(path)
                _must_be_writable(path)
        for path in job.places:
            _is_usable(path)
        engine_of(job).check(job)
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
