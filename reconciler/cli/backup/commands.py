"""reconciler backup: make, list, verify and restore archives, for the jobs that an apply wrote to
/etc/reconciler.

The spec is not needed.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from reconciler.cli.backup.options import (
    All,
    At,
    AutoApprove,
    Compare,
    DecryptWith,
    Delete,
    Destination,
    DryRestore,
    DryRun,
    InPlace,
    JobOption,
    MaybeJob,
    MaybeName,
    Name,
    NewName,
    Paths,
    Schedule,
    Source,
    TakeOver,
    To,
    WithoutJob,
)
from reconciler.cli.service.options import IncludedFile, SpecOption
from reconciler.cli.shared import options, output
from reconciler.cli.shared.exits import ExitCode
from reconciler.cli.shared.option_sets import spread
from reconciler.cli.shared.progress_line import clear, shown
from reconciler.cli.shared.summaries import first_sentence

if TYPE_CHECKING:
    from reconciler.app.backup.outcome import Report

_STDOUT = 1

app = typer.Typer(help="Make, list, verify and restore backups.", no_args_is_help=True, rich_markup_mode=None)


def run(name: Name, root: options.Root = None, as_json: options.Json = False) -> int:
    """Make a backup now.

    An archive is verified before it counts; old ones go by the job's `keep`, and never the last good one.
    """
    from reconciler.app.backup.run import run_job

    with shown(quiet=as_json):
        report = run_job(name, _tell, root)
    return _finish(report, "run", name, as_json)


@spread
def list_(
    name: MaybeName = "",
    *,
    without_job: WithoutJob,
    root: options.Root = None,
    as_json: options.Json = False,
) -> int:
    """List archives, the oldest first. Changes nothing.

    With --from those of a destination, on any host: no job, no spec and no state are needed.
    """
    from reconciler.app.backup.listing import list_archives
    from reconciler.app.backup.origin import Origin
    from reconciler.cli.backup import restoring
    from reconciler.render.backup_views.text import archives_text
    from reconciler.render.terminal import visible

    restoring.must_fit_tree(root, without_job.from_)
    place = restoring.place_of(without_job)
    report = list_archives(Origin(name, place, root))
    if report.data is not None:
        if as_json:
            output.print_json(report.data)
        elif report.data or not report.problems:
            sys.stdout.write(archives_text(report.data))
            sys.stdout.write("".join(f"{visible(line)}\n" for line in report.lines))
    return _said(report)


def verify(
    name: Name,
    at: At = "",
    everything: All = False,
    compare: Compare = False,
    root: options.Root = None,
    as_json: options.Json = False,
) -> int:
    """Read archives from beginning to end and check their sums.

    Exits 2 as long as one of them is bad, the newest there is by default.

    The verdict is written down; a bad archive is never counted upon.
    """
    from reconciler.app.backup.verify import verify_archives

    with shown(quiet=as_json):
        report = verify_archives(name, at, everything=everything, compare=compare, root=root)
    return _finish(report, "verify", name, as_json)


@spread
def restore(
    name: MaybeJob = "",
    paths: Paths = None,
    *,
    to: To = "",
    in_place: InPlace = False,
    delete: Delete = False,
    dry_run: DryRestore = False,
    auto_approve: AutoApprove = False,
    at: At = "",
    without_job: WithoutJob,
    job: JobOption = "",
    decrypt_with: DecryptWith = "",
    root: options.Root = None,
    as_json: options.Json = False,
) -> int:
    """Unpack an archive into a new or empty directory, which stands for /, or put files back in place.

    With --to nothing is put over existing files. Owners and modes are those of when it was made, of the
    directories above as well. An archive that is bad is passed over for the one before, and that is told.

    With --in-place it first shows what would be replaced, and asks. The files that were there are kept
    in a directory beside it; files that the archive does not have stay, unless --delete. Needs root.

    With --from the archives of a destination are read on any host: no job, no spec and no state are needed.
    """
    from reconciler.app.backup.restore import restore_files, stream_file
    from reconciler.cli.backup import restoring

    restoring.must_fit_tree(root, without_job.from_, in_place=in_place)
    place = restoring.place_of(without_job)
    origin, chosen = restoring.origin_of(name, paths or [], place, job, root)
    origin = replace(origin, private_key=decrypt_with)
    restoring.check(to, in_place=in_place, delete=delete, dry_run=dry_run, auto_approve=auto_approve)
    if to == "-":
        if as_json or len(chosen) != 1:
            raise typer.BadParameter("--to - writes one PATH to standard output, and nothing else")
        with shown():
            return _said(stream_file(origin, at, chosen[0], _STDOUT))
    if in_place and as_json and not (dry_run or auto_approve):
        raise typer.BadParameter("--json with --in-place cannot ask: give --auto-approve or --dry-run")
    flags = {"delete": delete, "dry_run": dry_run, "auto_approve": auto_approve, "quiet": as_json}
    with shown(quiet=as_json):
        report = (
            restoring.in_place(origin, at, chosen, **flags)
            if in_place
            else restore_files(origin, at, to, chosen)
        )
    return _finish(report, "restore", origin.job, as_json)


def drill(name: Name, as_json: options.Json = False) -> int:
    """Restore the newest archive of a destination into a scratch directory, compare it, and remove it.

    Exits 2 if it is not what was archived. Destinations take turns. A sample of its files is restored
    where it has more than 2 GiB, or there is no room for it.
    """
    from reconciler.app.backup.drill import drill_archive

    with shown(quiet=as_json):
        report = drill_archive(name, _tell)
    return _finish(report, "drill", name, as_json)


def accept(
    name: Name, take_over: TakeOver = False, root: options.Root = None, as_json: options.Json = False
) -> int:
    """Agree to archives that have less than half of what there was, or lack what a source had.

    From then on older ones may go for them.

    Until then each run says so, and no older archive goes. Who agreed, and when, is written beside the
    archives.
    """
    from reconciler.app.backup.accept import accept_archives, take_archives_over

    report = take_archives_over(name, root) if take_over else accept_archives(name, root)
    return _finish(report, "accept", name, as_json)


def prune(
    name: Name, dry_run: DryRun = False, root: options.Root = None, as_json: options.Json = False
) -> int:
    """Delete the archives that the job's `keep` lets go. The newest good one always stays."""
    from reconciler.app.backup.prune import prune_archives

    return _finish(prune_archives(name, dry_run=dry_run, root=root), "prune", name, as_json)


def create(
    source: Source,
    destination: Destination,
    schedule: Schedule,
    name: NewName = "",
    spec: SpecOption = "",
    file: IncludedFile = "",
    root: options.Root = None,
    as_json: options.Json = False,
    no_color: options.NoColor = False,
) -> int:
    """Add a backup job to the spec's file and show what apply would do.

    It keeps archives of 7 days, 4 weeks and 6 months. The host is not changed; every other line of the file
    stays.
    """
    from reconciler.app.backup.create import NewBackup
    from reconciler.app.backup.create import create as add
    from reconciler.cli.shared.creating import create_and_plan

    new = NewBackup(source, destination, schedule, name, file)
    return create_and_plan(
        str(new.address), lambda loaded: add(loaded, new), spec, root, as_json=as_json, no_color=no_color
    )


def before(name: Name) -> int:
    """Run the commands of `before`. The unit of a job does this, outside of its sandbox."""
    from reconciler.app.backup.run import begin_run

    return _said(begin_run(name, _tell))


def archive(name: Name) -> int:
    """Make the archive of a run that `before` began. The unit of a job with commands does this."""
    from reconciler.app.backup.run import run_begun

    return _finish(run_begun(name, _tell), "run", name, as_json=False)


def drill_if_due(name: Name) -> int:
    """Make the restore drill of a run, if one is due. The unit of a job with commands does this."""
    from reconciler.app.backup.drill import drill_if_due as drill_of

    return _finish(drill_of(name, _tell), "drill", name, as_json=False)


def after(name: Name) -> int:
    """Run the commands of `after` and `on_failure`, also those that a killed run owes. The unit of a job does
    this, outside of its sandbox.
    """
    from reconciler.app.backup.after import settle_run

    return _said(settle_run(name, _tell))


for _name, _command in (
    ("run", run),
    ("list", list_),
    ("verify", verify),
    ("restore", restore),
    ("drill", drill),
    ("accept", accept),
    ("prune", prune),
    ("create", create),
):
    app.command(_name, short_help=first_sentence(_command.__doc__))(_command)
for _name, _command in (
    ("before", before),
    ("archive", archive),
    ("drill-if-due", drill_if_due),
    ("after", after),
):
    app.command(_name, hidden=True)(_command)


def _tell(line: str) -> None:
    sys.stderr.write(f"{clear()}reconciler: {line}\n")


def _finish(report: Report, command: str, job: str, as_json: bool) -> int:
    """Print the results of a command; its exit code."""
    from reconciler.app.backup.outcome import document
    from reconciler.render.terminal import visible

    if as_json:
        output.print_json(document(command, job, report))
    else:
        for line in report.lines:
            sys.stdout.write(visible(line) + "\n")
    return _said(report)


def _said(report: Report) -> int:
    """Print the complaints of a command; its exit code."""
    from reconciler.app.backup.outcome import End
    from reconciler.render.terminal import visible

    for line in report.problems:
        _tell(visible(line))
    return {
        End.GOOD: ExitCode.OK,
        End.PARTLY: ExitCode.PARTIAL,
        End.FINDINGS: ExitCode.CHANGES,
        End.NOT_NOW: ExitCode.BUSY,
        End.REFUSED: ExitCode.REFUSED,
        End.FAILED: ExitCode.ERROR,
    }[report.end]
