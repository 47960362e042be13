"""Jobs of which nothing but the archives is left: what a destination alone says about them."""

from __future__ import annotations

from reconciler.formats.backups import manifest as manifests
from reconciler.formats.backups.job import Job, Keep
from reconciler.host.archives.private_directory import Refused
from reconciler.host.spec_source.readers import absolute
from reconciler.jobs import store
from reconciler.jobs.destinations import open_destination


def place_of(text: str) -> str:
    """A destination as a person writes it: a URL as it is, a path made absolute and plain."""
    return text if "://" in text else absolute(text)


def jobs_in(destination: str) -> list[str]:
    """The names of the jobs that have archives in a destination. Raises HostError."""
    with open_destination(_bare(destination, ""), destination) as directory:
        return sorted({job for name in directory.names() if (job := manifests.job_in(name))})


def job_of(destination: str, name: str) -> Job:
    """The job as the newest of its archives has it, by its name or the only one. Raises Refused, HostError.

    It is good for reading only: of the schedule and of `keep` an archive says nothing.
    """
    names = jobs_in(destination)
    if name and name not in names:
        there = f"those there are {', '.join(names)}" if names else "there are none"
        raise Refused("the destination has no archives of this job", f"{destination}, {name!r}: {there}")
    if not names:
        raise Refused("the destination has no archives", destination)
    if not name and len(names) > 1:
        raise Refused(
            "the destination has archives of several jobs",
            f"{destination}: name one of {', '.join(names)} with --job",
        )
    job = _bare(destination, name or names[0])
    with open_destination(job, destination) as directory:
        entries = store.scan(directory, job.name).entries
    return Job(job.name, entries[-1].manifest.sources if entries else (), job.destinations, Keep())


def _bare(destination: str, name: str) -> Job:
    return Job(name, (), (destination,), Keep())
