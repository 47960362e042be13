"""The directives of a backup job's service that are not the schedule's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reconciler.core.basics.scalars import Scheduler
from reconciler.core.diagnostic import Diagnostic, error
from reconciler.core.spec import Declared
from reconciler.formats.backups import job
from reconciler.formats.systemd import timespan, unit
from reconciler.kinds.backups.model import Backup
from reconciler.kinds.backups.sandbox import sandbox
from reconciler.kinds.backups.unit_model import IoClass
from reconciler.kinds.shared import directive_checks, unit_lint

_BUSY = "75"
"""The exit status of `backup run` when the job runs already, or one of its own commands ended with it.

It is no reason to mark the unit as failed.
"""
_OF_THE_UNIT = ("nice", "io_class", "cpu_weight", "hardening", "directives")
"""The fields that only a unit has."""
_STOP_SECONDS = 90
"""systemd's own time for a stop; that of the commands at the end comes on top."""
_OUTSIDE = ("/usr/bin/nsenter", "--target=1", "--mount", "--net", "--")
"""A line with `+` is free of the sandbox but for its namespaces: a disk that it mounts would be mounted for
nobody else.
"""

Directives = Mapping[str, str | Sequence[str]]


def sections(backup: Backup, name: str, program: str) -> Mapping[str, Directives]:
    """The directives by section; `program` is the one that runs the job `name`."""
    ours: dict[str, Directives] = {
        "Service": {
            "SuccessExitStatus": _BUSY,
            **_in_parts(backup, name, program),
            **_turn(backup),
            **sandbox(backup),
        }
    }
    for section, directives in backup.directives.items():
        ours[section] = {**ours.get(section, {}), **directives}
    return ours


def lint(declared: Declared, backup: Backup, scheduler: str) -> Iterator[Diagnostic]:
    """Yield warnings about the directives and root's commands, and an error for what cron has not."""
    yield from directive_checks.lint(declared, backup.directives)
    of_root: list[str | list[str]] = [hook.run for hook in backup.root_hooks]
    of_users: list[str | list[str]] = [hook.run for hook in backup.hooks if hook not in backup.root_hooks]
    yield from unit_lint.lint(declared, backup.directives, of_root, None)
    yield from unit_lint.lint(declared, {}, of_users, "a user")
    written = [name for name in _OF_THE_UNIT if name in backup.model_fields_set]
    if scheduler == Scheduler.CRON and written:
        detail = f"cron has no `{written[0]}`: leave it out, or write `scheduler: timer`"
        where = {"address": declared.address, "source": declared.source}
        yield error("cron cannot do this", detail, rule="cron", **where)


def _turn(backup: Backup) -> Directives:
    """Where the run stands in the queues for the CPU and the disks."""
    turn = {"Nice": str(backup.nice), "IOSchedulingClass": str(backup.io_class)}
    if backup.io_class is IoClass.BEST_EFFORT:
        turn["IOSchedulingPriority"] = "7"
    if backup.cpu_weight is not None:
        turn["CPUWeight"] = backup.cpu_weight
    return turn


def _in_parts(backup: Backup, name: str, program: str) -> Directives:
    """The directives of a run with commands. Some lines run those outside of the sandbox, while the archive
    and the drill are made inside of it. A drill comes last: what is frozen thaws before.

    systemd runs ExecStopPost= however the run ended, SIGKILL and a time-out included. With KillMode=mixed a
    stop is told to the part that runs alone, which then ends its programs.
    """

    def line(part: str) -> list[str]:
        return [program, "backup", part, name]

    before, after = (f"+{unit.exec_line([*_OUTSIDE, *line(part)])}" for part in ("before", "after"))
    archive, drill = unit.exec_line(line("archive")), unit.exec_line(line("drill-if-due"))
    at_end = [*backup.after, *backup.on_failure]
    if not backup.hooks:
        return {}
    if not at_end:
        return {"ExecStart": [before, archive]}
    seconds = sum(timespan.seconds(hook.timeout) if hook.timeout else job.HOOK_SECONDS for hook in at_end)
    return {
        "ExecStart": [before, archive, *([after, drill] if backup.restore_drill else [])],
        "ExecStopPost": after,
        "KillMode": "mixed",
        "TimeoutStopSec": f"{_STOP_SECONDS + seconds:.0f}s",
    }
