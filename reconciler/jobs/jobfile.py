"""The job files that apply wrote: their names, and reading one."""

from __future__ import annotations

from dataclasses import replace

from reconciler.core.host import HostError
from reconciler.formats.backups import job
from reconciler.formats.backups.job import Job, NotAJob
from reconciler.host.archives.private_directory import Directory, Refused, look
from reconciler.host.spec_source.readers import absolute

_SUFFIX = ".json"


class NoSuchJob(HostError):
    """There is no job of this name here."""


def names(directory: str = job.DIRECTORY, root: str | None = None) -> list[str]:
    """The jobs of this host, or of the tree at `root`. Raises Refused, UnsafePath, Unreadable."""
    tree = _tree(root)
    if look(directory, tree) is None:
        return []
    with Directory(directory, tree=tree) as opened:
        return [
            name.removesuffix(_SUFFIX)
            for name in opened.names()
            if name.endswith(_SUFFIX) and not name.startswith(".")
        ]


def _tree(root: str | None) -> str:
    return "" if root is None else absolute(root)


def load(name: str, directory: str = job.DIRECTORY, root: str | None = None) -> Job:
    """One job of this host, or of the tree at `root`.

    It decides what runs as root, so nobody else may be able to write it. Raises NoSuchJob, Refused,
    UnsafePath, Unreadable.
    """
    job_names = names(directory, root)
    if name not in job_names or not job.is_name(name):
        there = (
            f"the jobs of this host are {', '.join(job_names)}"
            if job_names
            else "this host has none; declare it under `backups:` and apply"
        )
        raise NoSuchJob("there is no such backup job", f"{name!r}: {there}")
    with Directory(directory, tree=_tree(root)) as opened:
        content = opened.read(name + _SUFFIX)
    try:
        parsed = job.job(job.parse(content.decode("utf-8", "replace")), name)
    except NotAJob as problem:
        raise Refused("the job cannot be used", f"{directory}/{name}{_SUFFIX}: {problem}") from problem
    if root is not None and (parsed.restic is not None or parsed.remotes):
        raise Refused(
            "a job of a tree has archives of tar in the tree alone",
            f"{name}: try it without `engine: restic` and without destinations on other machines",
        )
    return replace(parsed, root=_tree(root))
