"""Paths that are in no backup any more once a plan is applied, whether they are in archives or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.core.basics import globs
from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Change, Verb
from reconciler.core.diagnostic import Diagnostic, warning
from reconciler.core.host import HostView, Unreadable
from reconciler.core.spec import Declared, Spec
from reconciler.formats import fstab
from reconciler.formats.backups import job as backup_job
from reconciler.formats.backups.job import Job, NotAJob

RULE = "not-backed-up"
_NAMED = 10
"""The most paths that a message names; the rest is counted."""


@frozen
class _Turn:
    """A job before and after the plan."""

    before: Job | None
    """The job that was applied; None for a new one."""
    after: Job | None
    """The declared job; None for one that goes."""
    change: Change | None = None
    """The change of its document; None where that stays."""


def uncovered(
    view: HostView, spec: Spec, changes: Sequence[Change], config: Mapping[str, Mapping[str, Any]]
) -> Iterator[Diagnostic]:
    """Warn of each path that a job had and none has any more, and of each new pattern that a job leaves out.

    `config` has the documents of the declared jobs, by name.
    """
    turns = [*_turns(changes, config)]
    if not any(turn.change is not None and turn.before is not None for turn in turns):
        return
    mounted = _mounted(view)
    before, after = (
        [job for turn in turns if (job := getattr(turn, side)) is not None] for side in ("before", "after")
    )
    dropped = [
        path
        for path in _candidates(spec, turns, mounted)
        if _has(before, path, mounted) and not _has(after, path, mounted)
    ]
    for path in dropped:
        if not any(path.startswith(f"{other}/") for other in dropped):
            yield _not_backed_up(
                path,
                [below for below in dropped if below.startswith(f"{path}/")],
                _dropping(turns, path, mounted),
                after,
            )
    for turn in turns:
        yield from _new_patterns(turn, after)


def _turns(changes: Sequence[Change], config: Mapping[str, Mapping[str, Any]]) -> Iterator[_Turn]:
    changing = {
        change.address.name: change
        for change in changes
        if change.address.kind == "backups" and change.address.part == "config"
    }
    for name in dict.fromkeys((*config, *changing)):
        change = changing.get(name)
        after = _job(config.get(name), name)
        if change is None or change.verb is Verb.NONE:
            yield _Turn(after, after)
        else:
            yield _Turn(_job((change.before or {}).get("job"), name), after, change)


def _job(document: Any, name: str) -> Job | None:
    try:
        return backup_job.job(document, name) if isinstance(document, Mapping) else None
    except NotAJob:
        return None


def _mounted(view: HostView) -> frozenset[str]:
    try:
        return view.mounts()
    except Unreadable:
        return frozenset()


def _candidates(spec: Spec, turns: Sequence[_Turn], mounted: frozenset[str]) -> list[str]:
    """The paths that may have lost their backup.

    These are old sources, the mount points below them, paths that are left out now, and paths of the spec.
    """
    old = [source for turn in turns if turn.before is not None for source in turn.before.sources]
    left_out = [
        pattern
        for turn in turns
        if turn.after is not None
        for pattern in turn.after.exclude
        if _is_path(pattern)
    ]
    named = [path for declared in spec.resources for path in _named(declared)]
    return sorted(
        {*old, *left_out, *named, *(path for source in old for path in fstab.below(source, mounted))}
    )


def _named(declared: Declared) -> Iterator[str]:
    name = declared.address.name
    yield from declared.resource.home_and_below(name)[:1]
    if declared.address.kind in ("directories", "files"):
        yield name


def _is_path(pattern: str) -> bool:
    return pattern.startswith("/") and not globs.is_pattern(pattern)


def _has(jobs: Sequence[Job], path: str, mounted: frozenset[str]) -> bool:
    """Whether one of the jobs takes a path into its archives."""
    return any(_takes(job, path, mounted) for job in jobs)


def _takes(job: Job, path: str, mounted: frozenset[str]) -> bool:
    above = next((source for source in job.sources if path == source or path.startswith(f"{source}/")), None)
    if above is None or any(backup_job.leaves_out(pattern, path) for pattern in job.exclude):
        return False
    if any(path == item or path.startswith(f"{item}/") for item in job.destinations):
        return False
    on_another = any(
        item in mounted and item.startswith(f"{above}/") for item in (path, *fstab.parents(path))
    )
    return not (job.one_file_system and on_another)


def _dropping(turns: Sequence[_Turn], path: str, mounted: frozenset[str]) -> Change:
    """The change that takes a path out of the backups."""
    return next(
        turn.change
        for turn in turns
        if turn.change is not None and turn.before is not None and _takes(turn.before, path, mounted)
    )


def _not_backed_up(path: str, below: Sequence[str], change: Change, after: Sequence[Job]) -> Diagnostic:
    still = {source for job in after for source in job.sources if source.startswith(f"{path}/")}
    but = f", but for {_listed(sorted(still))}" if still else ""
    among = f" Among it: {_listed(below)}." if below else ""
    cause = (
        f"{change.address.resource} is no more"
        if change.part is None
        else f"{change.address.resource} has it no more"
    )
    detail = (
        f"{cause}, and no other job of the spec has it.{among} Archives that are there stay as they are; no"
        " new one has it."
    )
    return _warning(f"{path} is in no backup any more{but}", detail, change)


def _new_patterns(turn: _Turn, after: Sequence[Job]) -> Iterator[Diagnostic]:
    """Warn of each new name or pattern in `exclude`: the paths that it matches are not known here."""
    if turn.change is None or turn.before is None or turn.after is None:
        return
    for pattern in turn.after.exclude:
        others = [
            job for job in after if pattern not in job.exclude and {*turn.after.sources} <= {*job.sources}
        ]
        if pattern not in turn.before.exclude and not _is_path(pattern) and not others:
            detail = (
                f"{turn.change.address.resource} left out nothing by this name so far. No new archive of"
                " the job has the files that match it."
            )
            where = _listed(
                [source for source in turn.after.sources if source in turn.before.sources]
                or turn.after.sources
            )
            yield _warning(
                f"what `{pattern}` matches below {where} is left out of the backup", detail, turn.change
            )


def _warning(summary: str, detail: str, change: Change) -> Diagnostic:
    source = change.part.declared.source if change.part is not None else None
    return warning(summary, detail, address=change.address.resource, source=source, rule=RULE)


def _listed(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(paths[:_NAMED]) + more
