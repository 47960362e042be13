"""The marks that say which machine the archives of a job in a destination belong to.

Names of archives have no host in them. Two machines with a job of one name and one directory (NFS, a clone of
a disk) would remove each other's archives, if the first run of either did not leave its mark.
"""

from __future__ import annotations

from contextlib import ExitStack

from reconciler.core.basics.digest import machine_digest
from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError, HostView
from reconciler.formats.backups import machine_mark
from reconciler.formats.backups.job import Job
from reconciler.formats.backups.machine_mark import Mark, NotAMark
from reconciler.formats.backups.manifest import timestamp
from reconciler.host.archives import stored_archives
from reconciler.host.archives.destination import Destination
from reconciler.host.archives.private_directory import Directory, Refused
from reconciler.host.archives.remote.channel import Lost
from reconciler.host.archives.tar import TargetError
from reconciler.host.hosts import machine_id, open_host, static_hostname
from reconciler.host.process import environment, failpoints
from reconciler.host.state.job_lock import RUN
from reconciler.jobs.destinations import open_destination
from reconciler.jobs.lock import lock_of


@frozen
class Taken:
    """A destination that is this machine's from now on."""

    destination: str
    before: str
    """The former mark, in words."""
    archives: int
    """The number of archives in it."""


def foreign(directory: Destination, job: str) -> str:
    """Why the archives of a job there are not this machine's, in words; empty if they are, or nobody has left
    a mark yet.
    """
    mark = _read(directory, job)
    if mark is None or (isinstance(mark, Mark) and mark.machine == _here(directory)):
        return ""
    words = mark if isinstance(mark, str) else _words(mark)
    return (
        f"{directory.path}/{machine_mark.name_of(job)} {words}. Each machine needs a directory of its own; if"
        f" these archives are to be this machine's: reconciler backup accept {job} --take-over"
    )


def must_be_ours(directory: Destination, job: str) -> None:
    """Raises Refused."""
    why = foreign(directory, job)
    if why:
        raise Refused("the archives are another machine's", why)


def all_must_be_ours(job: Job) -> None:
    """Raises Refused, HostError."""
    for path in job.destinations:
        with open_destination(job, path) as directory:
            must_be_ours(directory, job.name)


def claim(directory: Destination, job: str) -> None:
    """Leave this machine's mark where there is none. Raises Refused where it is another's; TargetError.

    When two machines begin at once, the second sees the mark of the first.
    """
    must_be_ours(directory, job)
    if _read(directory, job) is None and _here(directory):
        partial = _written(directory, job)
        failpoints.hit("backup.mark")
        try:
            directory.rename(partial, machine_mark.name_of(job))
        except TargetError:
            directory.remove(partial)
            if _read(directory, job) is None:
                raise
            must_be_ours(directory, job)
        directory.sync()
    failpoints.hit("backup.marked")


def take_over(job: Job, lock_directory: str = RUN) -> list[Taken]:
    """Make every destination whose archives are another machine's this machine's; return those destinations.

    Raises JobBusy, HostError.
    """
    done: list[Taken] = []
    with lock_of(job, lock_directory), ExitStack() as opened:
        for directory in [opened.enter_context(open_destination(job, path)) for path in job.destinations]:
            mark = _read(directory, job.name)
            if mark is None or not foreign(directory, job.name):
                continue
            if not _here(directory):
                raise Refused(
                    "this machine has no id", "/etc/machine-id is empty: run systemd-machine-id-setup"
                )
            directory.replace(_written(directory, job.name), machine_mark.name_of(job.name))
            directory.sync()
            words = mark if isinstance(mark, str) else _words(mark)
            done.append(Taken(directory.path, words, len(stored_archives.scan(directory, job.name).entries)))
    return done


def _here(directory: Destination) -> str:
    """The machine, or the tree, that a destination is opened for."""
    return machine_digest(machine_id(_host(directory)))


def _host(directory: Destination) -> HostView:
    return open_host(directory.tree or None if isinstance(directory, Directory) else None)


def _read(directory: Destination, job: str) -> Mark | str | None:
    """The mark; where it cannot be used, the reason, as the end of a sentence on its path; None without
    one.
    """
    name = machine_mark.name_of(job)
    if name not in directory.names():
        return None
    try:
        return machine_mark.load(directory.read(name))
    except NotAMark as problem:
        return f"cannot be used: {problem}"
    except Lost:
        raise
    except HostError as problem:
        return f"cannot be used: {problem.summary}"


def _words(mark: Mark) -> str:
    who = f"{mark.host}, which has another machine-id" if mark.host else "a machine with another id"
    return f"is of {who}, since {timestamp(mark.since)}"


def _written(directory: Destination, job: str) -> str:
    """Write this machine's mark durably under a temporary name, and return that name.

    The name has the machine in it: another machine may do the same at this moment.
    """
    host = _host(directory)
    mark = Mark(_here(directory), static_hostname(host), environment.now())
    partial = f"{stored_archives.PARTIAL}{machine_mark.name_of(job)}-{mark.machine.rpartition(':')[2][:16]}"
    directory.remove(partial)
    directory.write(partial, machine_mark.dump(mark))
    return partial
