"""Restore drills: the newest archive of one destination is unpacked into a directory of its own, compared
with its manifest and with itself, and removed.

It proves what no verification can: that what comes out is what went in. The job's own run does it, after its
backup, when it is due: so one timer is enough, a drill never meets a run of its job, and a disk that only the
run has mounted is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reconciler.core.host import HostError
from reconciler.formats.backups.job import Job
from reconciler.formats.backups.manifest import FULL, Manifest
from reconciler.formats.backups.record import Drill, Record, shortened
from reconciler.host.archives import restored, scratch
from reconciler.host.archives.private_directory import Refused
from reconciler.host.archives.restored import File, Reservoir
from reconciler.host.archives.scratch import Scratch
from reconciler.host.archives.tar import ArchiveError
from reconciler.host.files.descriptors import descriptor
from reconciler.host.process import environment, failpoints
from reconciler.host.state.job_lock import RUN
from reconciler.jobs.destinations import open_destination
from reconciler.jobs.engines import engine_of, listing, restore
from reconciler.jobs.lock import lock_of
from reconciler.jobs.making.archive import NOT_ITS_SUM
from reconciler.jobs.making.hooks import Tell
from reconciler.jobs.restoring.chosen import ENTRY, Chosen

WHOLE = 2 << 30
"""An archive with more bytes is not restored as a whole, but a sample of its files."""
_FILES = 200
"""The most files of a sample."""
_LEAST = 1 << 20
"""With less room no drill is begun."""
_ENCRYPTED = (
    "it is encrypted, and this host has no key: `restore --decrypt-with FILE` proves the rest elsewhere"
)
_TOLD = 3
"""Differences that are named."""


def drill(
    job: Job, tried: Mapping[str, int], tell: Tell, lock_directory: str = RUN, whole: int = WHOLE
) -> Drill:
    """One drill, with the destination whose last one (`tried`) is the longest ago.

    A drill that fails is a result, too. Raises JobBusy, Refused where there is no archive to restore,
    HostError.
    """
    started = environment.now()
    with lock_of(job, lock_directory):
        chosen = _chosen(job, tried, tell)
        result = Drill(
            started, started, good=False, destination=chosen.destination, archive=chosen.manifest.id
        )
        try:
            tidy(job, tell)
            with scratch.scratch(job.name, _directory(job)) as workspace:
                result = _drilled(job, chosen, workspace, whole, result)
        except HostError as problem:
            result = replace(result, good=False, reason=shortened(str(problem)))
        failpoints.hit("backup.drill.done")
    return replace(result, finished=environment.now())


def is_due(job: Job, record: Record | None, now: int) -> bool:
    """Whether a drill is due: none has passed for the span of the job, or the last one failed.

    A clock that was set back does not put it off.
    """
    if not job.restore_drill:
        return False
    if record is None or record.drilled is None or (record.drill is not None and not record.drill.good):
        return True
    return not 0 <= now - record.drilled < job.restore_drill


def tidy_up(job: Job, tell: Tell, lock_directory: str = RUN) -> None:
    """Remove what killed drills have left. Raises JobBusy, HostError."""
    with lock_of(job, lock_directory):
        tidy(job, tell)


def tidy(job: Job, tell: Tell) -> None:
    """Remove what killed drills have left, under the job's lock. Raises HostError."""
    for directory in dict.fromkeys((_directory(job), scratch.DIRECTORY)):
        for line in scratch.tidy(job.name, directory):
            tell(line)


def _directory(job: Job) -> str:
    return job.drill_directory or scratch.DIRECTORY


def _chosen(job: Job, tried: Mapping[str, int], tell: Tell) -> Chosen:
    """The newest archive, of the destination that waits for a drill the longest. Raises Refused."""
    for path in sorted(job.destinations, key=lambda path: tried.get(path, 0)):
        listed = listing(replace(job, destinations=(path,)))
        for problem in listed.problems:
            tell(f"{path}: no drill with it: {problem}")
        entries = [copies[path] for copies in listed.archives if path in copies]
        by_id = {entry.manifest.id: entry.manifest for entry in entries}
        usable = [
            entry.manifest for entry in entries if not entry.problem and entry.manifest.verified is not False
        ]
        if usable:
            parents = [by_id[ident] for ident in usable[-1].parents if ident in by_id]
            return Chosen(path, usable[-1], tuple(parents))
    raise Refused("there is no archive to restore", f"of {job.name}; see `backup list {job.name}`")


def _drilled(job: Job, chosen: Chosen, workspace: Scratch, whole: int, result: Drill) -> Drill:
    """Restore and compare. Raises HostError where that does not work, or something differs."""
    if chosen.manifest.encrypt_to:
        return _sum_only(job, chosen, replace(result, whole=False))
    free = workspace.free - (chosen.bytes if chosen.destination in job.remotes else 0)
    budget = min(whole, free // 2)
    if budget < _LEAST:
        raise Refused("too little space is left", f"{workspace.tree}: {workspace.free} bytes are free")
    if chosen.content <= budget:
        return _compared(job, chosen, workspace, (), replace(result, whole=True))
    seed = environment.random_hex(16)
    reservoir = Reservoir(seed, _FILES)
    engine_of(job).offer_files(job, chosen, reservoir)
    files = reservoir.within(budget - _FILES * ENTRY)
    note = engine_of(job).SAMPLE_NOTE
    if not files:
        raise Refused("too little space is left", f"{workspace.tree}: no file of the archive has room there")
    return _compared(job, chosen, workspace, files, replace(result, whole=False, seed=seed, note=note))


def _sum_only(job: Job, chosen: Chosen, result: Drill) -> Drill:
    """Read the archive and those that it needs: this host has no key to restore them. Raises HostError."""
    destination = chosen.destination
    with open_destination(job, destination) as directory:
        for manifest in (*chosen.parents, chosen.manifest):
            if directory.sum_of(manifest.archive) != manifest.sha256:
                raise ArchiveError("the archive changed", f"{destination}: {manifest.archive}: {NOT_ITS_SUM}")
    return replace(result, good=True, note=_ENCRYPTED)


def _compared(job: Job, chosen: Chosen, workspace: Scratch, files: Sequence[File], result: Drill) -> Drill:
    manifest = chosen.manifest
    alone = replace(job, destinations=(chosen.destination,))
    restore(alone, manifest.id, workspace.tree, [file.path for file in files])
    failpoints.hit("backup.drill.restored")
    with descriptor(workspace.open_tree()) as tree:
        shares = {source: restored.share(tree, source) for source in manifest.sources if not files}
        differences = [*_missing(manifest, shares), *engine_of(job).differences(job, chosen, tree, files)]
    failpoints.hit("backup.drill.compared")
    if differences:
        more = f" and {len(differences) - _TOLD} more" if len(differences) > _TOLD else ""
        raise ArchiveError(
            "what was restored is not what was archived",
            f"{chosen.destination}: {manifest.archive}: {'; '.join(differences[:_TOLD])}{more}",
        )
    return replace(
        result,
        good=True,
        files=sum(share.entries for share in shares.values()) or len(files),
        bytes=sum(share.data for share in shares.values()) or sum(file.size for file in files),
    )


def _missing(manifest: Manifest, shares: Mapping[str, restored.Share]) -> list[str]:
    """The sources of which less or more came out than the manifest of a full archive says."""
    if manifest.kind != FULL:
        return []
    return [
        f"{source}: {share.entries} entries with {share.data} bytes instead of"
        f" {manifest.entries[source]} with {manifest.data[source]}"
        for source, share in shares.items()
        if source in manifest.entries
        and source in manifest.data
        and (share.entries, share.data) != (manifest.entries[source], manifest.data[source])
    ]


def words(drill: Drill) -> str:
    """A drill for people."""
    if not drill.good:
        return f"the restore drill failed: {drill.reason}"
    if drill.note == _ENCRYPTED:
        return f"restore drill: the sum of {drill.archive} in {drill.destination} is right; {drill.note}"
    amount = f"{drill.files} entries" if drill.whole else f"a sample of {drill.files} files"
    note = f" ({drill.note})" if drill.note else ""
    return (
        f"restore drill: {drill.archive} came back from {drill.destination} as it was archived,"
        f" {amount}{note}"
    )
