"""Chains: an archive that has only what changed since another one, and needs it.

tar knows what changed by its snapshot file. That of the archive to go on from lies on the host
(`NAME-ID.snar`), and the archive's manifest has its sum. tar works on a copy, which gets its name only when
the new archive was proved; until that one is published the old snapshot file stays. Wherever anything does
not fit, the next archive is a full one, and says why.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Mapping

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError
from reconciler.formats.backups import manifest as manifests
from reconciler.formats.backups.job import Job, apart
from reconciler.formats.backups.manifest import DIFFERENTIAL, FULL, Manifest
from reconciler.formats.systemd import timespan
from reconciler.host.archives import snapshot_file, snapshot_store
from reconciler.host.archives.private_directory import look
from reconciler.host.archives.stored_archives import why_bad
from reconciler.host.hosts import state_directory
from reconciler.host.mounts import file_system_id, mount_points
from reconciler.host.process import failpoints
from reconciler.jobs.archives import Copies, Listing, manifest_of

DIRECTORY = f"{state_directory(None)}/backups"
MEMBERS = 200
"""The most archives of a chain: a restore unpacks them all."""
_SLACK = 3600.0
"""Seconds by which a chain may be younger than `full_every` when it is begun anew: no run is punctual."""


class _Broken(Exception):
    """Nothing can be built upon what is there. The message says why."""


def directory_of(job: Job, directory: str) -> str:
    """Where the snapshot files of a job are: in `directory`, or beside the tree that it is of."""
    return f"{state_directory(job.root)}/backups" if job.root else directory


@frozen
class Link:
    """The archives that the one to be made is built upon."""

    kind: str = FULL
    parents: tuple[str, ...] = ()
    """The ids of all archives that it needs, the full one first."""
    why_full: str = ""
    """Why it is a full one, for a job of chains."""
    snapshot: bytes = b""
    """The snapshot file that tar goes on with."""


def link_of(job: Job, listed: Listing, now: int, directory: str = DIRECTORY) -> Link:
    """The link of the next archive, by the archives there are. Raises HostError."""
    if job.type == FULL:
        return Link()
    try:
        return _continued(job, listed, now, directory)
    except _Broken as why:
        return Link(why_full=str(why))


def scope(job: Job) -> str:
    """A sum of what is archived: with another one, files that did not change would be missing or too many."""
    sources = [
        [path, stat.S_IFMT(status.st_mode) if (status := look(path, job.root)) else 0] for path in job.sources
    ]
    # tar is not to compare device numbers. Another disk in the place of one has directories with the same
    # inodes, and would be taken for it: its older files would be in no archive.
    apart_now = () if job.one_file_system else apart(job.sources, job.exclude, job.places, mount_points())
    disks = [file_system_id(job.root + path) for path in (*job.sources, *sorted(apart_now))]
    asked = [sources, list(job.exclude), list(job.places), job.one_file_system, disks]
    asked += [list(job.encrypt_to)] if job.encrypt_to else []
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def _continued(job: Job, listed: Listing, now: int, directory: str) -> Link:
    by_id = {manifest_of(copies).id: copies for copies in listed.archives}
    head = _head(job, by_id, directory)
    members = [_usable(ident, by_id) for ident in head.members]
    if job.type == DIFFERENTIAL and head.kind != FULL:
        raise _Broken(f"{head.id} is no full one")
    if head.scope != scope(job):
        raise _Broken(f"what the job archives is not what it was with {head.id}")
    if any(member.finished > now for member in members):
        raise _Broken(f"the clock is before {head.id}")
    age = now - members[0].started
    if age >= job.full_every - min(_SLACK, job.full_every / 10):
        raise _Broken(f"{members[0].id}, the last full one, is {timespan.words(age)} old")
    if len(members) >= MEMBERS:
        raise _Broken(f"{len(members)} archives are built upon one another")
    return Link(job.type, head.members, snapshot=_prepared(job, head, directory))


def _head(job: Job, by_id: Mapping[str, Copies], directory: str) -> Manifest:
    """The newest archive of which the host has a snapshot file. Raises _Broken."""
    idents = _snapshots(job, directory)
    if not idents:
        raise _Broken("the host has no snapshot file" if by_id else "it is the first one")
    for ident in reversed(idents):
        if ident in by_id:
            return manifest_of(by_id[ident])
    raise _Broken(f"{idents[-1]} is not there")


def _usable(ident: str, by_id: Mapping[str, Copies]) -> Manifest:
    """The manifest of an archive with a copy that nothing is known against. Raises _Broken."""
    if ident not in by_id:
        raise _Broken(f"{ident} is not there")
    reasons = [why_bad(entry) for entry in by_id[ident].values()]
    if all(reasons):
        raise _Broken(f"{ident}: {reasons[0]}")
    return manifest_of(by_id[ident])


def _prepared(job: Job, head: Manifest, directory: str) -> bytes:
    """The snapshot file of an archive, made ready for tar. Raises _Broken."""
    stem = manifests.stem(job.name, head.id)
    try:
        content, sum_now = snapshot_store.read(directory, stem)
        if sum_now != head.snapshot:
            raise _Broken(f"the snapshot file of {head.id} in {directory} is damaged")
        prepared = snapshot_file.prepare(content, job.sources, job.root, one_file_system=job.one_file_system)
    except HostError as problem:
        raise _Broken(str(problem)) from problem
    if prepared.has_split_links:
        raise _Broken("directories were moved in which files have names that did not move")
    return prepared.content


def _snapshots(job: Job, directory: str) -> list[str]:
    """The ids of the archives of which the host has a snapshot file, the oldest first."""
    stems = snapshot_store.stems(directory)
    return sorted(filter(None, (manifests.id_in(stem, job.name, "") for stem in stems)))


def keep(job: Job, ident: str, fd: int, directory: str = DIRECTORY) -> str:
    """Give the working copy its name, as the one to go on from after the archive `ident`; its sum.

    Raises HostError.
    """
    sum_now = snapshot_store.keep(directory, job.name, manifests.stem(job.name, ident), fd)
    failpoints.hit("backup.snapshot")
    return sum_now


def settle(job: Job, made: Manifest, directory: str = DIRECTORY) -> None:
    """Remove the snapshot files that no run will go on from, once an archive is out. Raises HostError."""
    if job.type == FULL:
        return
    needed = made.id if made.snapshot else made.parents[-1]
    idents = [ident for ident in _snapshots(job, directory) if ident != needed]
    snapshot_store.remove(directory, job.name, [manifests.stem(job.name, ident) for ident in idents])
