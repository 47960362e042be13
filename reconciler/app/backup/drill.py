"""`backup drill`: restore an archive to see that it can be restored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reconciler.app.backup.outcome import End, Report, guarded
from reconciler.core.host import HostError
from reconciler.formats.backups.job import Job
from reconciler.formats.backups.record import Drill, drill_data
from reconciler.jobs import jobfile
from reconciler.jobs.health import recording
from reconciler.jobs.making.owed import ENDED, note_of
from reconciler.jobs.restoring.drill import words


def drill_archive(name: str, tell: Callable[[str], None]) -> Report:
    """`backup drill`."""
    return guarded(lambda: _report(recording.recorded_drill(jobfile.load(name), tell)))


def drill_if_due(name: str, tell: Callable[[str], None]) -> Report:
    """`backup drill-if-due`: the drill of a run that its unit makes in parts."""
    return guarded(lambda: _of_run(jobfile.load(name), tell))


def _of_run(job: Job, tell: Callable[[str], None]) -> Report:
    note = note_of(job)
    drill = drill_of_run(job, tell) if note is not None and note.is_handed_on(ENDED) else None
    if drill is None:
        return Report(End.GOOD)
    if drill.good:
        return Report(End.GOOD, (words(drill),))
    return Report(End.PARTLY, problems=(words(drill),))


def _report(drill: Drill) -> Report:
    data: dict[str, Any] = {"drill": drill_data(drill)}
    if drill.good:
        return Report(End.GOOD, (words(drill),), data=data)
    return Report(End.FINDINGS, problems=(words(drill),), data=data)


def drill_of_run(job: Job, tell: Callable[[str], None]) -> Drill | None:
    """The drill that a run makes after its archive, if one is due; why none can be made is told, and the next
    run tries again.
    """
    try:
        return recording.drill_when_due(job, tell)
    except HostError as problem:
        tell(f"no restore drill: {problem}")
        return None
