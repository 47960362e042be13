"""`backup run`: make an archive now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from reconciler.app.backup.drill import drill_of_run
from reconciler.app.backup.origin import Origin, job_of
from reconciler.app.backup.outcome import End, Report, guarded
from reconciler.app.backup.prune import pruned_data, pruned_lines
from reconciler.formats.backups.job import Job
from reconciler.formats.backups.record import Drill, drill_data
from reconciler.host.archives.stored_archives import Entry
from reconciler.jobs import archives, backup, jobfile
from reconciler.jobs.engines import engine_of
from reconciler.jobs.health import recording
from reconciler.jobs.making.done import Done
from reconciler.jobs.making.parts import is_begun
from reconciler.jobs.restoring.drill import words


def run_job(name: str, tell: Callable[[str], None], root: str | None = None) -> Report:
    """`backup run`."""
    return guarded(lambda: _run(name, tell, root))


def begin_run(name: str, tell: Callable[[str], None]) -> Report:
    """`backup before`: the part of a run before its archive."""
    return guarded(lambda: _begin(name, tell))


def run_begun(name: str, tell: Callable[[str], None]) -> Report:
    """`backup archive`: the archive of a run that `backup before` has begun."""
    return guarded(lambda: _run_begun(name, tell))


def _run(name: str, tell: Callable[[str], None], root: str | None) -> Report:
    job = job_of(Origin(name, root=root))
    done = (
        recording.recorded_run(job, lambda: backup.run(job, tell), tell)
        if root is None
        else backup.run(job, tell)
    )
    return _report(job, done, drill_of_run(job, tell) if root is None else None)


def _begin(name: str, tell: Callable[[str], None]) -> Report:
    job = jobfile.load(name)
    recording.recorded_begin(job, lambda: backup.begin(job, tell), tell)
    return Report(End.GOOD)


def _run_begun(name: str, tell: Callable[[str], None]) -> Report:
    job = jobfile.load(name)
    if not is_begun(job):  # it was put off, and the record says why
        return Report(End.NOT_NOW)
    done = recording.recorded_run(job, lambda: backup.run_begun(job, tell), tell)
    if not (job.after or job.on_failure):  # nothing thaws before the drill
        return _report(job, done, drill_of_run(job, tell))
    report = _report(job, done, None)
    # The unit ends at a line that fails, and its drill would never be: `backup after` tells of it at the end.
    drill_follows = bool(job.restore_drill) and not done.hooks
    return replace(report, end=End.GOOD) if drill_follows else report


def _report(job: Job, done: Done, drill: Drill | None) -> Report:
    manifest = done.manifest
    state = "verified" if manifest.verified else "not verified"
    archive = engine_of(job).spoken(manifest)
    lines = [f"{path}: {archive}, {manifest.bytes} bytes, {state}" for path in done.made]
    lines += [f"a full archive begins a chain: {manifest.why_full}"] if manifest.why_full else []
    lines += pruned_lines(done.pruned, "deleted")
    lines += [
        f"left out: {mount_point} is a file system of its own (one_file_system)"
        for mount_point in manifest.left_out
    ]
    problems = [
        *(f"warning: {line}" for line in manifest.warnings),
        *(f"{path}: {why}" for path, why in done.failed.items()),
        *done.hooks,
    ]
    problems += [
        f"{path}: the archive shrank: {why}. {_agree(job.name)}" for path, why in done.doubts.items()
    ]
    if drill is not None:
        (lines if drill.good else problems).append(words(drill))
    partly = done.partly or (drill is not None and not drill.good)
    data = {**_data(done), "drill": drill_data(drill)}
    return Report(End.PARTLY if partly else End.GOOD, tuple(lines), tuple(problems), data)


def _data(done: Done) -> dict[str, Any]:
    copies = {path: Entry(done.manifest) for path in done.made}
    doubts = {path: {done.manifest.id: why} for path, why in done.doubts.items()}
    return {
        "archive": archives.as_data(copies, doubts),
        "failed": [{"destination": path, "problem": why} for path, why in done.failed.items()],
        "hooks": list(done.hooks),
        "pruned": pruned_data(done.pruned),
    }


def _agree(name: str) -> str:
    return f"It lets no older one go until somebody agrees: reconciler backup accept {name}"
