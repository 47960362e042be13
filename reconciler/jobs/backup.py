"""Running a backup job: make an archive, prove it, put it in its place in every destination, then let go of
old ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace

from reconciler._version import __version__
from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError
from reconciler.formats.backups import manifest as manifests
from reconciler.formats.backups.doubt import most_with
from reconciler.formats.backups.job import Job, above, apart
from reconciler.formats.backups.manifest import Manifest
from reconciler.formats.fstab import not_mounted
from reconciler.formats.named_mounts import advice
from reconciler.host.archives import tar
from reconciler.host.archives.private_directory import Directory, Missing, Refused, look
from reconciler.host.archives.tar import ArchiveError, Checked, Contents, TargetError
from reconciler.host.files.descriptors import descriptor
from reconciler.host.mounts import is_own_file_system, mount_points, named_places
from reconciler.host.process import environment, failpoints
from reconciler.host.state.job_lock import RUN, job_lock
from reconciler.jobs import machine_marks, store
from reconciler.jobs.pruning import Pruned, prune_directory

_SOFT = 75
"""A command in `before` that ends with this says: not now (sysexits' EX_TEMPFAIL,
borgmatic's soft failure).
"""

Tell = Callable[[str], None]


class NotNow(HostError):
    """A command said that this is not the time: no backup, and no failure."""


@frozen
class Done:
    """The result of a run.

    `made` are the destinations that have the new archive, `failed` the others with the reason. `doubts` says
    by destination why the new archive is in doubt there.
    """

    manifest: Manifest
    made: tuple[str, ...]
    failed: Mapping[str, str] = field(default_factory=dict)
    pruned: Mapping[str, Pruned] = field(default_factory=dict)
    doubts: Mapping[str, str] = field(default_factory=dict)


def run(job: Job, tell: Tell, lock_directory: str = RUN) -> Done:
    """One run of a job.

    Raises JobBusy, Refused, NotNow, HostError: then no archive was made, and none was removed.
    """
    with job_lock(f"backup-{job.name}", lock_directory):
        ident = manifests.new_id(environment.microseconds(), environment.random_hex(4))
        _may_begin(job)
        _run_before(job, ident)
        _may_begin(job)
        _all_mounted(job)
        started = environment.now()
        made, failed = _make(job, ident, started, tell)
        doubts = {path: why for path in made if (why := _doubt(job, path, ident))}
        pruned = {path: _prune(job, path, ident) for path in made}
        return Done(next(iter(made.values())), tuple(made), failed, pruned, doubts)


def _may_begin(job: Job) -> None:
    """Everything that must be so before any command runs. Raises Refused, UnsafePath."""
    mounted = mount_points()
    for path in job.require_mount:
        if path not in mounted:
            raise Refused("a file system is not mounted", f"nothing is mounted at {path}")
    for source in job.sources:
        if look(source) is None:
            raise Refused("a source does not exist", source)
        if source in job.destinations:
            raise Refused("a source is a destination", source)


def _all_mounted(job: Job) -> None:
    """A disk that is not mounted must not be archived as an empty directory.

    A command before may have mounted it. Raises Refused.
    """
    inside = [] if job.one_file_system else apart(job.sources, job.exclude, job.destinations, named_places())
    for path in (*job.sources, *inside):
        _must_be_mounted(path)


def refusal(job: Job) -> str:
    """Why a run that began now would be refused, as far as that can be told without running its commands;
    empty if it would not be.
    """
    try:
        _may_begin(job)
        if not job.before:  # one of them may be what mounts it
            _all_mounted(job)
            for path in job.destinations:
                _must_be_mounted(path)
                _must_be_writable(path)
        for path in job.destinations:
            _is_usable(path)
    except HostError as problem:
        return str(problem)
    return ""


def _is_usable(path: str) -> None:
    """Raises Refused, UnsafePath, Unreadable. The last directory of a path is made by the run."""
    try:
        Directory(path).close()
    except Missing:
        parent = path.rpartition("/")[0] or "/"
        if look(parent) is None:
            raise


def _must_be_writable(path: str) -> None:
    """Raises Refused where the destination is there, on a file system that takes nothing; UnsafePath,
    Unreadable.
    """
    _is_usable(path)
    if look(path) is not None:
        with Directory(path) as directory:
            if directory.read_only():
                raise Refused("the destination is read-only", path)


def _must_be_mounted(path: str) -> None:
    """Raises Refused where fstab or a unit says that `path` lies on a file system, and that one is not
    mounted.
    """
    named = named_places()
    place = not_mounted(path, named, mount_points())
    if place:
        detail = (
            f"{path}: {named[place]} names {place}, and nothing is mounted there. Mount it, or"
            f" {advice(named[place])}"
        )
        raise Refused("a file system is not mounted", detail)


def _run_before(job: Job, ident: str) -> None:
    from reconciler.host.process.run import run as run_program

    variables = {"RECONCILER_JOB": job.name, "RECONCILER_BACKUP_ID": ident}
    for argv in job.before:
        result = run_program(list(argv), timeout=job.before_timeout, variables=variables)
        if result.rc == _SOFT:
            raise NotNow("not now", f"{argv[0]} ended with {_SOFT}: {result.message}")
        if result.rc != 0:
            raise ArchiveError("a command before the backup failed", f"{argv[0]}: {result.message}")
    failpoints.hit("backup.before")


def _make(job: Job, ident: str, started: int, tell: Tell) -> tuple[dict[str, Manifest], dict[str, str]]:
    """The archive in every destination that will take it: made in the first, copied to the others."""
    made: dict[str, Manifest] = {}
    failed: dict[str, HostError] = {}
    for path in job.destinations:
        try:
            _must_be_mounted(path)
            with Directory(path, make=True) as directory:
                machine_marks.claim(directory, job.name)
                for line in store.tidy(directory, job.name):
                    tell(f"{path}: {line}")
                made[path] = _make_in(directory, job, ident, started, next(iter(made.items()), None))
        except (TargetError, Refused) as problem:
            failed[path] = problem
        except HostError as problem:
            # tar itself failed, or the first copy could not be read: another destination will not help, but
            # what is made is made.
            if not made:
                raise
            failed[path] = problem
    if not made:
        raise _none_made(failed)
    return made, {path: str(problem) for path, problem in failed.items()}


def _none_made(failed: Mapping[str, HostError]) -> HostError:
    problems = list(failed.values())
    if len(problems) == 1:
        return problems[0]
    told = "; ".join(f"{path}: {problem}" for path, problem in failed.items())
    kind = Refused if all(isinstance(problem, Refused) for problem in problems) else ArchiveError
    return kind("no destination can be used", told)


def _make_in(
    directory: Directory, job: Job, ident: str, started: int, first: tuple[str, Manifest] | None
) -> Manifest:
    before = [entry for entry in store.scan(directory, job.name).entries if entry.good]
    _has_room(directory, before, first)
    partial = store.partial_name(job.name, ident, job.suffix)
    try:
        with descriptor(directory.create(partial)) as fd:
            found = _copied(fd, *first) if first else _archived(fd, job, ident, started)
        found = replace(found, most=most_with((entry.manifest for entry in before), found))
        store.publish(directory, found)
    except BaseException:
        store.tidy(directory, job.name)
        raise
    return found


def _has_room(
    directory: Directory, before: Sequence[store.Entry], first: tuple[str, Manifest] | None
) -> None:
    wanted = first[1].bytes if first else before[-1].manifest.bytes if before else 1
    free = directory.free()
    if free < wanted:
        raise Refused(
            "too little space is left",
            f"{directory.path} has {free} bytes free, the last archive took {wanted}",
        )


def _archived(fd: int, job: Job, ident: str, started: int) -> Manifest:
    directories = above(job.sources)
    left_out = _left_out(job)
    contents = Contents(
        job.sources, job.exclude, job.destinations, job.one_file_system, job.compress, directories
    )
    written = tar.create(fd, contents)
    found = Manifest(
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
        warnings=written.warnings,
        compress=job.compress,
        content=written.content,
        above=directories,
        left_out=tuple(sorted({*left_out, *written.left_out})),
    )
    return _proved(fd, found) if job.verify else found


def _left_out(job: Job) -> tuple[str, ...]:
    """Mount points below sources that `one_file_system` leaves out, as they are when the archive is begun.
    tar adds what it met besides.
    """
    if not job.one_file_system:
        return ()
    return tuple(
        place
        for place in apart(job.sources, job.exclude, job.destinations, mount_points())
        if is_own_file_system(place)
    )


def _copied(fd: int, path: str, original: Manifest) -> Manifest:
    with Directory(path) as source, descriptor(source.open(original.archive)) as from_fd:
        if tar.copy(from_fd, fd).sha256 != original.sha256:
            raise ArchiveError("the archive changed while it was copied", f"{path}/{original.archive}")
    return _proved(fd, original) if original.verified else original


def _proved(fd: int, found: Manifest) -> Manifest:
    checked = look_into(fd, found)
    if checked.problem:
        raise TargetError("the archive is not good, though it was written without an error", checked.problem)
    return replace(found, entries=checked.entries, data=checked.data).judged(good=True, now=environment.now())


def look_into(fd: int, found: Manifest) -> Checked:
    """An archive, read from the disk: what is wrong with it, and what is in it.

    Raises ArchiveError when it cannot be read.
    """
    if tar.sum_of(fd) != found.sha256:
        return Checked("its sum is not the one that was recorded")
    return tar.check(fd, found.compress, found.sources)


def _doubt(job: Job, path: str, ident: str) -> str:
    """Why the new archive is in doubt beside those that are there; empty if it is not, or nothing can be
    said.
    """
    try:
        with Directory(path) as directory:
            return store.scan(directory, job.name).doubts.get(ident, "")
    except HostError:
        return ""


def _prune(job: Job, path: str, ident: str) -> Pruned:
    """Old archives go only after a new one is in place, and a failure to remove one does not unmake it."""
    try:
        with Directory(path) as directory:
            return prune_directory(directory, job, environment.now(), protect=(ident,))
    except HostError as problem:
        return Pruned(notes=(f"old archives could not be removed: {problem}",))
