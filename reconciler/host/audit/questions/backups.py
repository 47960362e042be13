"""Backup jobs: what each promises, its record, and what its destinations on this host hold.

Nothing of a command or of an error goes into the answer: either may have a secret in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.core.basics.frozen import frozen
from reconciler.core.basis import LiveBasis
from reconciler.core.host import FileType, HostError, Unreadable
from reconciler.formats.backups import job as jobs
from reconciler.formats.backups import record as records
from reconciler.formats.backups.job import Job, NotAJob
from reconciler.formats.backups.lateness import PLACES, due_by
from reconciler.formats.backups.record import NotARecord
from reconciler.host.archives import stored_archives
from reconciler.host.audit.question import Files, Reader
from reconciler.host.hosts import state_directory
from reconciler.host.state.job_lock import is_held
from reconciler.kinds.backups.data_places import DATABASES

_SUFFIX = ".json"
_DUMPERS = tuple(dict.fromkeys(word for database in DATABASES.values() for word in database.words))


@frozen
class _Stored:
    """A destination on this host, as `scan` looks at one."""

    files: Files
    path: str

    def names(self) -> Sequence[str]:
        """The names in it."""
        return self.files.names(self.path)

    def size(self, name: str) -> int | None:
        """The size of a regular file; None when there is none."""
        entry = self.files.entry(f"{self.path}/{name}")
        return entry.size if entry is not None and entry.type is FileType.FILE else None

    def read(self, name: str) -> bytes:
        """A small file. One that went meanwhile cannot be read."""
        try:
            return self.files.read(f"{self.path}/{name}")
        except FileNotFoundError as absent:
            raise Unreadable("cannot be read", f"{self.path}/{name} is not there any more") from absent


def backup_jobs(files: Files, _: str) -> str:
    """All jobs that apply has written to this host, as JSON."""
    names = [name for name in files.names(jobs.DIRECTORY) if name.endswith(_SUFFIX)]
    rows = [
        _job(files, name.removesuffix(_SUFFIX)) for name in names if jobs.is_name(name.removesuffix(_SUFFIX))
    ]
    return json.dumps(rows, sort_keys=True)


def _job(files: Files, name: str) -> Mapping[str, Any]:
    path = jobs.path_of(name)
    try:
        document = jobs.parse(files.read(path).decode("utf-8", "replace"))
        job = jobs.job(document, name)
        entry = files.entry(path)
    except (NotAJob, HostError) as problem:
        return {"name": name, "problem": _words(problem)}
    except FileNotFoundError:
        return {"name": name, "problem": f"{path} is not there any more"}
    return {
        "name": name,
        "job": _without_commands(document),
        "declared": entry.mtime_ns // 10**9 if entry is not None and entry.mtime_ns else None,
        "schedule": _schedule(files, name),
        **_record(files, name),
        "runs": is_held(f"backup-{name}") if isinstance(files.basis, LiveBasis) else None,
        "stored": {place: _stored(files, job, place) for place in _places(job)},
        "dumps": [word for word in _DUMPERS if word in str(job.before).lower()],
    }


def _words(problem: Exception) -> str:
    return (problem.detail or problem.summary) if isinstance(problem, HostError) else str(problem)


def _without_commands(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document of a job; a command may have a secret among its words."""
    kept = {name: value for name, value in document.items() if name != "hooks"}
    return {**kept, "before": []}


def _schedule(files: Files, name: str) -> Mapping[str, Any] | None:
    for directory, pattern in PLACES:
        path = f"{directory}/{pattern}".format(f"backup-{name}")
        try:
            entry = files.entry(path)
            if entry is None:
                continue
            text = files.read(path).decode("utf-8", "replace")
        except (HostError, FileNotFoundError):
            continue
        schedule = due_by(directory, text, entry.mtime_ns // 10**9)
        return {"words": list(schedule.words), "since": schedule.since}
    return None


def _record(files: Files, name: str) -> Mapping[str, Any]:
    """The record of a job without its reasons: they quote what programs wrote."""
    try:
        content = files.read(f"{state_directory(None)}/jobs/{name}.json")
        records.load(content, name)
    except (FileNotFoundError, NotARecord):
        return {"record": None}
    except HostError as problem:
        return {"record": None, "unread": _words(problem)}
    return {"record": _without_reasons(json.loads(content))}


def _without_reasons(value: Any) -> Any:
    """The data without its reasons; of a destination stays whether there is one."""
    if not isinstance(value, dict):
        return value
    kept = {name: "" if name == "reason" else _without_reasons(item) for name, item in value.items()}
    reached = kept.get("destinations")
    if isinstance(reached, dict):
        kept["destinations"] = {path: "failed" if why else "" for path, why in reached.items()}
    return kept


def _places(job: Job) -> Iterator[str]:
    """Yield the destinations whose files tell what is there: a repository tells restic alone."""
    return iter(job.places if job.restic is None else ())


def _stored(files: Files, job: Job, path: str) -> Mapping[str, Any]:
    """When the newest archive that is not bad was begun, and the last one proved."""
    try:
        archives = stored_archives.scan(_Stored(files, path), job.name)
    except HostError as problem:
        return {"problem": _words(problem)}
    usable = [
        entry.manifest
        for entry in archives.entries
        if not entry.problem and entry.manifest.verified is not False
    ]
    proved = [manifest.verified_at for manifest in usable if manifest.verified_at is not None]
    return {
        "newest": usable[-1].started if usable else None,
        "verified": max(proved, default=None),
    }


QUESTIONS = {"backup-jobs": Reader(backup_jobs)}
