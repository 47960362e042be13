"""The result of a run, and the words for destinations that did not get their archive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError
from reconciler.formats.backups.job import Job
from reconciler.formats.backups.manifest import Manifest
from reconciler.host.archives.private_directory import Refused
from reconciler.host.archives.remote.channel import Lost
from reconciler.host.archives.tar import ArchiveError
from reconciler.jobs.pruning import Pruned


@frozen
class Done:
    """The result of a run."""

    manifest: Manifest
    """The new archive."""
    made: tuple[str, ...]
    """The destinations that have the new archive."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """The other destinations, each with the reason."""
    pruned: Mapping[str, Pruned] = field(default_factory=dict)
    """The archives that were removed, by destination."""
    doubts: Mapping[str, str] = field(default_factory=dict)
    """Why the new archive is in doubt, by destination."""
    hooks: tuple[str, ...] = ()
    """The problems of the commands at the end, in words."""

    @property
    def partly(self) -> bool:
        """Whether a part of the run failed: a destination, or a command at the end."""
        return bool(self.failed or self.hooks)


def reason(job: Job, path: str, problem: HostError) -> str:
    """Why a destination did not get the archive, without its name, which stands before it."""
    reason = ": ".join(filter(None, (problem.summary, problem.detail.removeprefix(f"{path}: "))))
    return f"{reason}{_next_step(job, problem)}"


def _next_step(job: Job, problem: HostError) -> str:
    if not isinstance(problem, Lost):
        return ""
    command = f"reconciler backup run {job.name}"
    return (
        f". The archives that it has are whole; once it answers the next run makes up for this, or {command}"
    )


def none_made(job: Job, failed: Mapping[str, HostError]) -> HostError:
    """The error of a run of which no destination got anything."""
    problems = list(failed.values())
    if len(problems) == 1:
        (problem,) = problems
        step = _next_step(job, problem)
        return Lost(problem.summary, f"{problem.detail}{step}") if step else problem
    detail = "; ".join(f"{path}: {reason(job, path, problem)}" for path, problem in failed.items())
    kind = Refused if all(isinstance(problem, Refused) for problem in problems) else ArchiveError
    return kind("no destination can be used", detail)
