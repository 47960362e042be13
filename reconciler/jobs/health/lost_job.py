"""Jobs of which nothing but the archives is left: what a destination alone says about them."""

from __future__ import annotations

import re

from reconciler.core.basics.frozen import frozen
from reconciler.formats.backups import remote
from reconciler.formats.backups.job import Job, Keep, Restic
from reconciler.formats.backups.remote import Remote
from reconciler.host.archives.private_directory import Refused
from reconciler.host.spec_source.readers import absolute
from reconciler.jobs.engines import engine_of

_URL = re.compile(r"[a-z0-9]{2,}:.+")


@frozen
class Place:
    """A destination as a person names it, and what opens it."""

    destination: str
    """A directory, a URL such as sftp://user@host/path, or a repository as restic has it."""
    host_key: str = ""
    """The public key of the machine of a URL."""
    identity_file: str = ""
    """The private key that logs in there."""
    password_file: str = ""
    """The file with the password: the destination is a repository of restic."""
    environment_file: str = ""
    """The file with the environment of restic."""
    host: str = ""
    """The host whose snapshots are meant, where a repository has those of several."""


def jobs_in(place: Place) -> list[str]:
    """The names of the jobs that have archives in a destination. Raises HostError."""
    return sorted({name for name, _ in _pairs(place)})


def jobs_of(place: Place) -> list[Job]:
    """Every job that has archives in a destination, of each host. Raises HostError."""
    jobs = [(_bare(place, name), host) for name, host in _pairs(place)]
    return [engine_of(job).lost_job(job, host) for job, host in jobs]


def _pairs(place: Place) -> list[tuple[str, str]]:
    """The names of jobs, each with the host, or without where the destination does not tell."""
    bare = _bare(place, "")
    pairs = engine_of(bare).lost_jobs(bare)
    return [(name, host) for name, host in pairs if not (place.host and host) or place.host == host]


def job_of(place: Place, name: str) -> Job:
    """The job as the newest of its archives has it, by its name or the only one. Raises Refused, HostError.

    It is good for reading only: of the schedule and of `keep` an archive says nothing.
    """
    names = jobs_in(place)
    if name and name not in names:
        there = f"those there are {', '.join(names)}" if names else "there are none"
        raise Refused(
            "the destination has no archives of this job", f"{place.destination}, {name!r}: {there}"
        )
    if not names:
        raise Refused("the destination has no archives", place.destination)
    if not name and len(names) > 1:
        raise Refused(
            "the destination has archives of several jobs",
            f"{place.destination}: name one of {', '.join(names)} with --job",
        )
    job = _bare(place, name or names[0])
    return engine_of(job).lost_job(job, place.host)


def _bare(place: Place, name: str) -> Job:
    """A job with nothing but its name and the destination. Raises Refused."""
    where = place.destination if _URL.fullmatch(place.destination) else absolute(place.destination)
    if place.password_file:
        environment = {where: absolute(place.environment_file)} if place.environment_file else {}
        restic = Restic(place.host, absolute(place.password_file), environment, _remotes(where, place))
        return Job(name, (), (where,), Keep(), restic=restic)
    if not where.startswith("/"):
        return Job(name, (), (where,), Keep(), remotes={where: _remote(where, place)})
    return Job(name, (), (where,), Keep())


def _remotes(url: str, place: Place) -> dict[str, Remote]:
    """The machine of a repository, where its key is given. Raises Refused."""
    if not place.host_key and not place.identity_file:
        return {}
    if not place.host_key or not place.identity_file:
        raise Refused("the repository cannot be used", f"{url}: --host-key and --identity-file go together")
    keys = {"host_key": place.host_key, "identity_file": absolute(place.identity_file)}
    try:
        return {url: remote.repository({"url": url, **keys})}
    except ValueError as problem:
        raise Refused("the repository cannot be used", str(problem)) from problem


def _remote(url: str, place: Place) -> Remote:
    if not place.host_key or not place.identity_file:
        detail = (
            f"{url}: give --host-key, the public key of that machine, and --identity-file; or --password-file"
            " for a repository of restic"
        )
        raise Refused("the destination is on another machine", detail)
    try:
        machine = Remote(url, remote.host_key(place.host_key), absolute(place.identity_file))
        remote.place(url)
    except ValueError as problem:
        raise Refused("the destination cannot be used", str(problem)) from problem
    return machine
