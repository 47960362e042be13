"""The outcome of a backup command, for people and for programs."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError, UnsafePath
from reconciler.host.archives.private_directory import Refused
from reconciler.host.state.job_lock import JobBusy
from reconciler.jobs.making.hooks import NotNow


class End(Enum):
    """How a command ended."""

    GOOD = "good"
    PARTLY = "partly"
    FINDINGS = "findings"
    NOT_NOW = "not now"
    REFUSED = "refused"
    FAILED = "failed"


@frozen
class Report:
    """The outcome of a command."""

    end: End
    lines: tuple[str, ...] = ()
    """Results, for people."""
    problems: tuple[str, ...] = ()
    """Complaints, for people."""
    data: Any = None
    """The result, for programs: the rows of a list, or what a command adds to `document`."""


def document(command: str, job: str, report: Report) -> dict[str, Any]:
    """The outcome of one command as `--json` prints it (`schemas/backup.schema.json`)."""
    return {
        "format_version": "1.0",
        "command": command,
        "job": job,
        "result": report.end.value,
        "problems": list(report.problems),
        **(report.data or {}),
    }


def guarded(command: Callable[[], Report]) -> Report:
    """Carry a command out; a failure becomes a report."""
    try:
        return command()
    except (JobBusy, NotNow) as problem:
        return Report(End.NOT_NOW, problems=(str(problem),))
    except (Refused, UnsafePath) as problem:
        return Report(End.REFUSED, problems=(str(problem),))
    except HostError as problem:
        return Report(End.FAILED, problems=(str(problem),))
