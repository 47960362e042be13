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
from reconciler.jobs.restoring.drill import words


def drill_archive(name: str, tell: Callable[[str], None]) -> Report:
    """`backup drill`."""
    return guarded(lambda: _report(recording.recorded_drill(jobfile.load(name), tell)))


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
