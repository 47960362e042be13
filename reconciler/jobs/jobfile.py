"""The job files that apply wrote: their names, and reading one."""

from __future__ import annotations

from reconciler.core.host import HostError
from reconciler.formats.backups import job
from reconciler.formats.backups.job import Job, NotAJob
from reconciler.host.archives.private_directory import Directory, Refused, look

_SUFFIX = ".json"


class NoSuchJob(HostError):
    """There is no job of this name here."""


def names(directory: str = job.DIRECTORY) -> list[str]:
    """The jobs of this host. Raises Refused, UnsafePath, Unreadable."""
    if look(directory) is None:
        return []
    with Directory(directory) as opened:
        return [
            name.removesuffix(_SUFFIX)
            for name in opened.names()
            if name.endswith(_SUFFIX) and not name.startswith(".")
        ]


def load(name: str, directory: str = job.DIRECTORY) -> Job:
    """One job.

    It decides what runs as root, so nobody else may be able to write it. Raises NoSuchJob, Refused,
    UnsafePath, Unreadable.
    """
    job_names = names(directory)
    if name not in job_names or not job.is_name(name):
        there = (
            f"the jobs of this host are {', '.join(job_names)}"
            if job_names
            else "this host has none; declare it under `backups:` and apply"
        )
        raise NoSuchJob("there is no such backup job", f"{name!r}: {there}")
    with Directory(directory) as opened:
        content = opened.read(name + _SUFFIX)
    try:
        return job.job(job.parse(content.decode("utf-8", "replace")), name)
    except NotAJob as problem:
        raise Refused("the job cannot be used", f"{directory}/{name}{_SUFFIX}: {problem}") from problem
