"""`backup restore --in-place`: put files back where they were."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import Any

from reconciler.app.backup.origin import Origin, job_of
from reconciler.app.backup.outcome import End, Report, guarded
from reconciler.app.backup.restore import problems_of
from reconciler.core.basics.frozen import frozen
from reconciler.formats.backups.manifest import timestamp
from reconciler.host.archives.private_directory import Refused
from reconciler.jobs.restoring import in_place
from reconciler.jobs.restoring.in_place import Preview, Replaced


@frozen
class InPlace:
    """A restore in place as the command line has it."""

    origin: Origin
    at: str = ""
    paths: Sequence[str] = ()
    delete: bool = False
    """Whether what the archive does not have goes as well."""


def restore_in_place(asked: InPlace, agree: Callable[[dict[str, Any]], bool] | None) -> Report:
    """Put files back if `agree` says so to the data of what would change; None: only say what would."""
    return guarded(lambda: _restore(asked, agree))


def _restore(asked: InPlace, agree: Callable[[dict[str, Any]], bool] | None) -> Report:
    if asked.delete and asked.origin.place is not None:
        raise Refused(
            "--delete needs the job of this host", "it says what is left out of archives, and stays therefore"
        )
    done = in_place.restore_in_place(
        job_of(asked.origin),
        asked.at,
        asked.paths,
        lambda preview: agree is not None and agree(_preview_data(preview)),
        delete=asked.delete,
    )
    problems = (*problems_of(done.preview.restored, asked.at), *done.problems)
    return Report(_end(done, is_dry=agree is None), _lines(done, is_dry=agree is None), problems, _data(done))


def _end(done: Replaced, *, is_dry: bool) -> End:
    if not done.was_done and done.preview.changes and not is_dry:
        return End.REFUSED
    return End.PARTLY if done.problems else End.GOOD


def _lines(done: Replaced, *, is_dry: bool) -> tuple[str, ...]:
    manifest = done.preview.restored.manifest
    if not done.preview.changes:
        return (f"nothing to do: the files are as in {manifest.id}",)
    if not done.was_done:
        return ("nothing was changed",) if not is_dry else ()
    lines = [f"restored {len(done.preview.changes) - len(done.problems)} entries of {manifest.id} in place"]
    for path in done.before:
        scratch = shlex.quote(path.rpartition("/")[0])
        lines.append(
            f"what was there before is in {path}, which no backup has; once all is well: rm -r {scratch}"
        )
    return tuple(lines)


def _preview_data(preview: Preview) -> dict[str, Any]:
    restored = preview.restored
    return {
        "id": restored.manifest.id,
        "started": timestamp(restored.manifest.started),
        "destination": restored.destination,
        "changes": [{"path": change.path, "change": change.what.value} for change in preview.changes],
        "kept": list(preview.not_archived),
        "in_use": [
            {"name": user.name, "is_service": user.is_service, "pids": list(user.pids)}
            for user in preview.users
        ],
        "passed_over": [{"id": ident, "problem": why} for ident, why in restored.passed],
    }


def _data(done: Replaced) -> dict[str, Any]:
    return {**_preview_data(done.preview), "done": done.was_done, "before": list(done.before)}
