"""The paths that are in no backup any more once a plan is applied.

The plan that makes it so tells it, whether archives are there or not.
"""

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
"""Places that are named; of more, the rest is counted."""


@frozen
class _Turn:
    """A job before and after the plan; None where it is not."""

    before: Job | None
    after: Job | None
    change: Change | None = None


def uncovered(
    view: HostView, spec: Spec, changes: Sequence[Change], config: Mapping[str, Mapping[str, Any]]
) -> Iterator[Diagnostic]:
    """A warning for each place that a job had and no job has any more, and for each name that one leaves out
    from now on.

    `config` are the documents of the declared jobs, by name.
    """
    turns = [*_turns(changes, config)]
    if not any(turn.change is not None and turn.before is not None for turn in turns):
        return
    mounted = _mounted(view)
    before, after = (
        [job for turn in turns if (job := getattr(turn, side)) is not None] for side in ("before", "after")
    )
    gone = [
        path
        for path in _candidates(spec, turns, mounted)
        if _has(before, path, mounted) and not _has(after, path, mounted)
    ]
    for path in gone:
        if not any(path.startswith(f"{other}/") for other in gone):
            yield _told(
                path,
                [one for one in gone if one.startswith(f"{path}/")],
                _dropping(turns, path, mounted),
                after,
            )
    for turn in turns:
        yield from _by_name(turn, after)


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
    """The places that may have lost their backup: what was a source, what is left out now, and what the spec
    names below.
    """
    old = [source for turn in turns if turn.before is not None for source in turn.before.sources]
    left_out = [
        pattern
        for turn in turns
        if turn.after is not None
        for pattern in turn.after.exclude
        if _is_place(pattern)
    ]
    named = [path for declared in spec.resources for path in _named(declared)]
    return sorted(
        {*old, *left_out, *named, *(place for source in old for place in fstab.below(source, mounted))}
    )


def _named(declared: Declared) -> Iterator[str]:
    name = declared.address.name
    yield from declared.resource.home_and_below(name)[:1]
    if declared.address.kind in ("directories", "files"):
        yield name


def _is_place(pattern: str) -> bool:
    return pattern.startswith("/") and not globs.is_pattern(pattern)


def _has(jobs: Sequence[Job], path: str, mounted: frozenset[str]) -> bool:
    """Whether one of the jobs takes a path into its archives."""
    return any(_takes(job, path, mounted) for job in jobs)


def _takes(job: Job, path: str, mounted: frozenset[str]) -> bool:
    above = next((source for source in job.sources if path == source or path.startswith(f"{source}/")), None)
    if above is None or any(backup_job.leaves_out(pattern, path) for pattern in job.exclude):
        return False
    if any(path == place or path.startswith(f"{place}/") for place in job.destinations):
        return False
    return not (
        job.one_file_system
        and any(place in mounted and place.startswith(f"{above}/") for place in (path, *fstab.parents(path)))
    )


def _dropping(turns: Sequence[_Turn], path: str, mounted: frozenset[str]) -> Change:
    """The change that takes it out of the backups."""
    return next(
        turn.change
        for turn in turns
        if turn.change is not None and turn.before is not None and _takes(turn.before, path, mounted)
    )


def _told(path: str, below: Sequence[str], change: Change, after: Sequence[Job]) -> Diagnostic:
    kept = [source for job in after for source in job.sources if source.startswith(f"{path}/")]
    but = f", but for {_listed(sorted({*kept}))}" if kept else ""
    among = f" Among it: {_listed(below)}." if below else ""
    gone = (
        f"{change.address.resource} is no more"
        if change.part is None
        else f"{change.address.resource} has it no more"
    )
    detail = (
        f"{gone}, and no other job of the spec has it.{among} Archives that are there stay as they are; no"
        " new one has it."
    )
    return _warning(f"{path} is in no backup any more{but}", detail, change)


def _by_name(turn: _Turn, after: Sequence[Job]) -> Iterator[Diagnostic]:
    """Names and patterns: what they match is not known here, so each is told."""
    if turn.change is None or turn.before is None or turn.after is None:
        return
    for pattern in turn.after.exclude:
        others = [
            job for job in after if pattern not in job.exclude and {*turn.after.sources} <= {*job.sources}
        ]
        if pattern not in turn.before.exclude and not _is_place(pattern) and not others:
            detail = (
                f"{turn.change.address.resource} left out nothing by this name so far. What matches it is in"
                " no new archive of the job."
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
