"""The directives of a backup job's service that are not the schedule's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.formats.backups import job
from reconciler.formats.systemd import timespan, unit
from reconciler.kinds.backups.model import Backup

_BUSY = "75"
"""The exit status of `backup run` when the job runs already, or one of its own commands ended with it.

It is no reason to mark the unit as failed.
"""
_STOP_SECONDS = 90
"""systemd's own time for a stop; that of the commands at the end comes on top."""

Directives = Mapping[str, str | Sequence[str]]


def sections(backup: Backup, name: str, program: str) -> Mapping[str, Directives]:
    """The directives by section; `program` is the one that runs the job `name`."""
    return {"Service": {"SuccessExitStatus": _BUSY, **_at_the_end(backup, name, program)}}


def _at_the_end(backup: Backup, name: str, program: str) -> Directives:
    """What makes sure of the commands at the end.

    systemd runs ExecStopPost= however the run ended, SIGKILL and a time-out included; a run that ended by
    itself left nothing to do there. With KillMode=mixed a stop is told to the run alone, which then ends its
    programs.
    """
    at_end = [*backup.after, *backup.on_failure]
    if not at_end:
        return {}
    seconds = sum(timespan.seconds(hook.timeout) if hook.timeout else job.HOOK_SECONDS for hook in at_end)
    return {
        "ExecStopPost": unit.exec_line([program, "backup", "after", name]),
        "KillMode": "mixed",
        "TimeoutStopSec": f"{_STOP_SECONDS + seconds:.0f}s",
    }
