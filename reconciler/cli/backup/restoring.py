"""The ways to restore: which archives a command line means, and the question before files are replaced."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from reconciler.cli.shared.asking import ask
from reconciler.cli.shared.progress_line import clear

if TYPE_CHECKING:
    from reconciler.app.backup.origin import Origin
    from reconciler.app.backup.outcome import Report
    from reconciler.cli.backup.options import WithoutJob
    from reconciler.jobs.health.lost_job import Place


def must_fit_tree(root: str | None, from_: str, *, in_place: bool = False) -> None:
    """Raise BadParameter where a tree cannot be meant."""
    if root is not None and from_:
        raise typer.BadParameter("--from names a directory as it is here: leave --root out")
    if root is not None and in_place:
        raise typer.BadParameter("--in-place is for the running host: with --root write --to DIR")


def place_of(asked: WithoutJob) -> Place | None:
    """The destination of --from, and what opens it; None without one."""
    from reconciler.jobs.health.lost_job import Place

    place = Place(
        asked.from_,
        asked.host_key,
        asked.identity_file,
        asked.password_file,
        asked.environment_file,
        asked.host,
    )
    if place.destination:
        return place
    if place != Place(""):
        raise typer.BadParameter("options that open a destination go with --from; a job has its own")
    return None


def origin_of(
    name: str, paths: list[str], place: Place | None, job: str, root: str | None
) -> tuple[Origin, list[str]]:
    """The archives and the paths that a command line names: with --from the name of the job may be left
    out.
    """
    from reconciler.app.backup.origin import Origin

    if job and place is None:
        raise typer.BadParameter("--job goes with --from; else write the NAME of the job")
    if place is not None and (job or name.startswith("/")):
        return Origin(job, place), [*([name] if name else []), *paths]
    if not name and place is None:
        raise typer.BadParameter("write the NAME of a job, or a destination with --from")
    return Origin(name, place, root), paths


def check(to: str, *, in_place: bool, delete: bool, dry_run: bool, auto_approve: bool) -> None:
    """Raise BadParameter where options contradict each other."""
    if bool(to) is in_place:
        raise typer.BadParameter("write either --to DIR, a new or empty one, or --in-place")
    if not in_place and (delete or dry_run or auto_approve):
        raise typer.BadParameter("--delete, --dry-run and --auto-approve go with --in-place")


def in_place(
    origin: Origin,
    at: str,
    paths: Sequence[str],
    *,
    delete: bool,
    dry_run: bool,
    auto_approve: bool,
    quiet: bool,
) -> Report:
    """Put files back to where they were, once somebody who has read what would change agrees.

    `quiet`: the caller prints a document, which has all of it.
    """
    from reconciler.app.backup.in_place import InPlace, restore_in_place
    from reconciler.render.backup_views.preview import preview_text

    def agree(data: dict[str, Any]) -> bool:
        if not quiet:
            sys.stderr.write(clear())
            sys.stdout.write(preview_text(data))
        return auto_approve or ask("restore in place")

    report = restore_in_place(InPlace(origin, at, paths, delete), None if dry_run else agree)
    if dry_run and not quiet and report.data and report.data["changes"]:
        sys.stdout.write(preview_text(report.data))
    return report
