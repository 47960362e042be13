"""Data that no backup job has and none ever had: told when the place, or a job, is new."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from reconciler.core.changes import Change, Origin, Verb
from reconciler.core.diagnostic import Diagnostic, warning
from reconciler.core.spec import Declared, Spec
from reconciler.formats import fstab
from reconciler.kinds.backups.data_places import DataPlace, data_places

RULE = "not-covered"
_NAMED = 5
"""The most places that warnings name; the rest is counted."""
_MOVES_DATA = frozenset(("StateDirectory", "ReadWritePaths", "WorkingDirectory", "DynamicUser", "home"))
"""The leaves of documents that say where data is."""
_REMEDY = "Name it, or a directory above it, in the `sources` of a job"
_DUMP = (
    "Files of a running database are no good copy: write a dump with `before` into a directory that a job has"
)


def not_covered(spec: Spec, changes: Sequence[Change]) -> Iterator[Diagnostic]:
    """Warn of each place with data that no job has, if it is new or a job's sources are."""
    new_resources = {change.address.resource for change in changes if _is_new(change)}
    any_job = any(
        change.address.kind == "backups" and (_is_new(change) or change.touches("job", "sources"))
        for change in changes
    )
    if not (any_job or new_resources):
        return
    places = [
        place for place in without_job(spec) if any_job or place.declared.address.resource in new_resources
    ]
    for place in places[:_NAMED]:
        yield _warning(f"{place.path} is in no backup", _detail(place), place.declared)
    more = places[_NAMED:]
    if more:
        summary = f"{len(more)} more {'place' if len(more) == 1 else 'places'} with data in no backup"
        detail = (
            f"{', '.join(place.path for place in more[: 2 * _NAMED])}"
            f"{' and others' if more[2 * _NAMED :] else ''}. `reconciler doctor` names all of them."
        )
        yield _warning(summary, detail, more[0].declared)


def _is_new(change: Change) -> bool:
    created = change.verb is Verb.CREATE or change.origin in (Origin.ADOPTION, Origin.UNKNOWN)
    moved = any(not _MOVES_DATA.isdisjoint(leaf.path) for leaf in change.fields)
    return change.part is not None and (created or moved)


def without_job(spec: Spec) -> list[DataPlace]:
    """The places with data that no job has, the outermost ones, in the order of the spec.

    A place counts as covered where a job has a part of it, or leaves it out: somebody has thought of it.
    There are none in a spec without a job.
    """
    jobs = [declared for declared in spec.resources if declared.address.kind == "backups"]
    if not jobs:
        return []
    named = {path for job in jobs for path in _places_of(job)}
    programs = " ".join(str(getattr(job.resource, "before", "")) for job in jobs).lower()
    ignored = {*_ignored(spec)}
    uncovered: dict[str, DataPlace] = {}
    for place in data_places(spec):
        dumped = any(word in programs for word in place.dumped_by)
        if not (dumped or is_thought_of(place.path, named, ignored)):
            uncovered.setdefault(place.path, place)
    return [
        place
        for path, place in uncovered.items()
        if not any(above in uncovered for above in fstab.parents(path))
    ]


def is_thought_of(path: str, named: Collection[str], ignored: Collection[str] = ()) -> bool:
    """Whether a job has a path or a part of it, by the paths that jobs name, or it needs no backup."""
    around = {path, *fstab.parents(path)}
    has_part = any(path in fstab.parents(other) for other in named)
    return has_part or not around.isdisjoint(named) or not around.isdisjoint(ignored) or "/" in ignored


def _places_of(job: Declared) -> Iterator[str]:
    """Yield the sources and destinations of a job; what lies in a destination is an archive."""
    for field in ("sources", "destinations"):
        yield from (
            path for path in getattr(job.resource, field) if isinstance(path, str) and path.startswith("/")
        )


def _ignored(spec: Spec) -> Sequence[str]:
    ignored: Sequence[str] = (spec.settings.get("coverage") or {}).get("ignore", ())
    return ignored


def _detail(place: DataPlace) -> str:
    return (
        f"{place.declared.address} has data there ({place.why}), and no job of the spec has it."
        f" {remedy(place)}."
    )


def remedy(place: DataPlace) -> str:
    """The two things that can be done about it."""
    how = _DUMP if place.dumped_by else _REMEDY
    return f"{how}; if it needs no backup, write `settings: {{coverage: {{ignore: [{place.path}]}}}}`"


def _warning(summary: str, detail: str, declared: Declared) -> Diagnostic:
    return warning(summary, detail, address=declared.address, source=declared.source, rule=RULE)
